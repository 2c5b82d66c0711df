"""The states of the hand-over model, the steps that it may leave out, and how far states are followed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, auto
from typing import NamedTuple


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
    OWN_KEY = auto()
    """Give each claim a key of its own: of records with the same key, Kafka may keep the last one only."""


class Phase(StrEnum):
    """What a worker is doing about a shard."""

    NONE = auto()
    CLAIMING = auto()
    CLAIMED = auto()
    FENCING = auto()
    REMOVING = auto()
    READING = auto()
    OWNED = auto()


class Claim(NamedTuple):
    """`number`: which of its worker's claims. The log of a shard has those that were not removed, oldest first."""

    worker: int
    number: int


class ShardPart(NamedTuple):
    """A shard at a worker. `known`: commits that were read or made. `others`: claims that were found beside its own."""

    phase: Phase = Phase.NONE
    claim: Claim | None = None
    known: int = 0
    others: frozenset[Claim] = frozenset()


class WorkerModel(NamedTuple):
    """A process. `epoch`: of its id when it was initialised, 0: not yet. `committing`: a commit is on its way."""

    epoch: int
    checked: bool
    parts: tuple[ShardPart, ...]
    committing: bool = False
    last_taken: int = 0
    life: int = 0


class Request(NamedTuple):
    """On its way to Kafka. `kind`: claim, remove or commit; `life`: of the process that waits for the answer."""

    kind: str
    worker: int
    life: int
    shard: int = 0
    claims: frozenset[Claim] = frozenset()
    epoch: int = 0
    known: tuple[tuple[int, int, Claim | None], ...] = ()


class ModelState(NamedTuple):
    """Kafka, the requests on their way, and the workers. `taken`, `crashed`, `set_back`: used up of the bounds."""

    epochs: tuple[int, ...]
    claims: tuple[tuple[Claim, ...], ...]
    commits: tuple[int, ...]
    requests: frozenset[Request]
    workers: tuple[WorkerModel, ...]
    taken: int = 0
    crashed: int = 0
    set_back: int = 0


@dataclass(slots=True, frozen=True)
class Bounds:
    """How far states are followed. `releases`: workers also leave shards in order."""

    workers: int = 2
    shards: int = 1
    takes: int = 3
    crashes: int = 1
    commits: int = 2
    epochs: int = 3
    releases: bool = True
    setbacks: int = 0
