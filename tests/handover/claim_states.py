"""The states of the hand-over model, the steps that it may leave out, and how far states are followed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final, NamedTuple

NOBODY: Final = -1
"""In place of a process: nobody waits for the answer to a request."""


class HandoverStep(StrEnum):
    """What a worker has to do; the model can leave out one of them."""

    CLAIM = auto()
    """Write a claim before anything else is done for a shard that was assigned."""
    LOOK_AGAIN = auto()
    """Read the claims after one's own is written, not before: another one may have been written meanwhile."""
    YIELD = auto()
    """Give the shard up if a later claim is there."""
    FENCE_AFTER_CLAIM = auto()
    """Initialise the ids of all other claimants only when one's own claim is written."""
    FENCE = auto()
    """Initialise the transactional ids of the other claimants."""
    FENCE_OWN_ID = auto()
    """Initialise one's own id, too, when a claim under it is there that another process has written."""
    READ_AFTER_FENCING = auto()
    """Read the shard's records when nobody else can commit any more, not before."""
    READ_AFTER_OWN = auto()
    """Read them when no commit of one's own is on its way, either: of a shard that was given up and is taken again."""
    REMOVE_FENCED = auto()
    """Remove the claims of those who were fenced, before anything is committed."""
    CHECK_CLAIMS = auto()
    """After one's own id was initialised again, give up shards whose last claim is not one's own."""
    CHECK_EVERY_SHARD = auto()
    """Do so for all shards, not only for the one that was taken last."""
    RELEASE_WHEN_IDLE = auto()
    """Remove one's own claim only when no commit is on its way."""
    WITHDRAW_WHEN_REMOVED = auto()
    """Remove the claim to a shard that is being taken only when no removal of others' claims is on its way."""
    OWN_KEY = auto()
    """Give each claim a key of its own: of records with the same key, Kafka may keep the last one only."""
    CLAIM_ANEW = auto()
    """Claim each shard anew under another id of one's own, and read it if a commit may be on its way."""
    FENCE_FORMER_ID = auto()
    """Fence one's own former ids like those of others: a commit of theirs may be on its way."""
    RENEW_LAST = auto()
    """Keep what is known of a shard under another id only if one's former claim is there, and was the last one."""
    KEEP_FORMER_CLAIMS = auto()
    """Leave the claims of one's own former id where they are: whoever takes the shard fences that id by them."""
    ONLY_ABORT_FENCES = auto()
    """Take no commit that is decided and not marked yet for a fence of another worker: that goes on after it."""
    READ_STABLE = auto()
    """Read the records only when every transaction before one's own claim is marked in the shard."""


class MixedStep(StrEnum):
    """What has to be done where some workers have a transactional id for each shard, and so share that."""

    INITIALISE_SHARD_ID = auto()
    """Of a worker with an id of its own: initialise the shard's id, too, when its claim is written."""
    CLAIM_TO_FENCE = auto()
    """Of one with an id for each shard, as what follows: claim a shard to which others have claims."""
    READ_ALL = auto()
    """Fence also if no claim is seen, but something lies behind a transaction that is not marked."""
    FENCE_OTHERS = auto()
    """Initialise the ids of all claimants."""
    FENCE_FIRST = auto()
    """Remove the claims of others only when they are fenced."""
    REMOVE_OWN_LAST = auto()
    """Remove one's own claim only when the others are removed."""
    READ_AGAIN = auto()
    """Read the records again after that, with all that was open before one's own claim."""


class Phase(StrEnum):
    """What a worker is doing about a shard."""

    NONE = auto()
    OPENED = auto()
    RENEWING = auto()
    CLAIMING = auto()
    CLAIMED = auto()
    FENCING = auto()
    REMOVING = auto()
    REMOVING_OWN = auto()
    READING = auto()
    OWNED = auto()


class Claim(NamedTuple):
    """`claimant`: a transactional id; `number`: which of the claims.

    The log of a shard has those that were not removed, oldest first.
    """

    claimant: int
    number: int


class ShardPart(NamedTuple):
    """A shard at a worker. `known`: commits that were read or made. `others`: claims that were found beside its own.

    `renews`: the claim under a former id, since which every commit is known. `shard_id_fenced`: that was initialised.
    `left`: the claim with which it was given up while it was being taken. `unread`: it was not read yet when its
    worker went on under another id.
    """

    phase: Phase = Phase.NONE
    claim: Claim | None = None
    known: int = 0
    others: frozenset[Claim] = frozenset()
    renews: Claim | None = None
    shard_id_fenced: bool = False
    left: Claim | None = None
    unread: bool = False


class WorkerModel(NamedTuple):
    """A process. `epoch`: of its id when it was initialised, 0: not yet. `committing`: a commit is on its way.

    `at`: which of its ids it uses. `wrote`: the claims that the process has written.
    """

    epoch: int
    checked: bool
    parts: tuple[ShardPart, ...]
    committing: bool = False
    last_taken: int = 0
    life: int = 0
    at: int = 0
    wrote: frozenset[Claim] = frozenset()


class Request(NamedTuple):
    """On its way to Kafka. `kind`: claim, remove or commit; `life`: of the process that waits for the answer.

    `claimant`, `epoch`: the transactional id of a commit.
    """

    kind: str
    worker: int
    life: int
    shard: int = 0
    claims: frozenset[Claim] = frozenset()
    epoch: int = 0
    known: tuple[tuple[int, int, Claim | None], ...] = ()
    claimant: int = 0


class ModelState(NamedTuple):
    """Kafka, the requests on their way, and the workers. `taken` and what follows: used up of the bounds.

    `epochs`: of each transactional id. `unmarked`: (id, shard) of commits that are decided, not marked in the shard.
    `stable`: the claims before the first transaction in shard 0 that is not marked; None when all are.
    """

    epochs: tuple[int, ...]
    claims: tuple[tuple[Claim, ...], ...]
    commits: tuple[int, ...]
    requests: frozenset[Request]
    workers: tuple[WorkerModel, ...]
    taken: int = 0
    crashed: int = 0
    set_back: int = 0
    switched: int = 0
    unmarked: frozenset[tuple[int, int]] = frozenset()
    strayed: int = 0
    stable: tuple[Claim, ...] | None = None


@dataclass(slots=True, frozen=True)
class Bounds:
    """How far states are followed. `releases`: workers also leave shards in order.

    `ids`: of each worker; `switches`: how often one goes on under another. `markers`: a commit that is decided is seen
    in each shard only when it is marked there, which takes as long as the shard has no leader. `own`: how many more
    workers have an id for each shard; `strays`: how often a transaction that will be aborted opens in the shard late.
    `twins`: all workers have the same ids, as processes with one `worker_id` do. `withdrawals`: what is being taken is
    left again, too.
    """

    workers: int = 2
    shards: int = 1
    takes: int = 3
    crashes: int = 1
    commits: int = 2
    epochs: int = 3
    releases: bool = True
    setbacks: int = 0
    ids: int = 1
    switches: int = 0
    markers: bool = False
    own: int = 0
    strays: int = 0
    twins: bool = False
    withdrawals: bool = False


def unmarked(state: ModelState, claimant: int) -> bool:
    """Return whether a commit of an id is not marked in all of its shards."""
    return any(one == claimant for one, _ in state.unmarked)


def others_of(state: ModelState, shard: int, part: ShardPart) -> frozenset[Claim]:
    return frozenset(one for one in state.claims[shard] if one != part.claim)


def under_way(state: ModelState, number: int, shard: int) -> bool:
    """Return whether a commit of a worker to a shard is on its way: it waits for it, or has not settled it yet."""
    worker = state.workers[number]
    lives = {worker.life} if worker.epoch else {worker.life, NOBODY}
    return any(
        one.kind == "commit"
        and one.worker == number
        and one.life in lives
        and any(each == shard for each, *_ in one.known)
        for one in state.requests
    )
