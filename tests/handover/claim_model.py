"""A model of workers that commit all their shards in one transaction and hand shards over by claims in the log.

Every reachable state within `Bounds` is visited: workers take steps, stand still, crash and are assigned shards in any
order, and requests arrive after any delay. What is asked: does each commit to a shard go on from all commits before it?
If one does not, two workers were writing that shard.

What is modelled of Kafka: a transactional id has an epoch; initialising it raises the epoch, and a commit of an older
epoch is refused. A claim is a record of its own, outside of transactions, with a key that no other claim has; removing
it is a tombstone for that key. A request whose sender is dead may arrive all the same.

Nothing in `bridge` works like this yet: today each shard has a transactional id of its own (DECISIONS 334).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, auto
from typing import TYPE_CHECKING, NamedTuple

from tests.support.reachable_states import ForbiddenStateFound, put, visit_all

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


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
    known: tuple[tuple[int, int], ...] = ()


class ModelState(NamedTuple):
    """Kafka, the requests on their way, and the workers. `taken`, `crashed`: what of the bounds is used up."""

    epochs: tuple[int, ...]
    claims: tuple[tuple[Claim, ...], ...]
    commits: tuple[int, ...]
    requests: frozenset[Request]
    workers: tuple[WorkerModel, ...]
    taken: int = 0
    crashed: int = 0


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


class TwoWritersError(AssertionError):
    """A commit did not go on from all commits before it. Its message: the steps that led there."""


class ClaimModel:
    """All workers do all steps but `without`."""

    def __init__(self, bounds: Bounds, without: HandoverStep | None = None) -> None:
        """Nothing is visited yet."""
        self._bounds = bounds
        self._without = without

    def explore(self) -> int:
        """Visit all states and return their number. Raises TwoWritersError with a shortest way to one."""
        bounds = self._bounds
        first = ModelState(
            (0,) * bounds.workers,
            ((),) * bounds.shards,
            (0,) * bounds.shards,
            frozenset(),
            tuple(WorkerModel(0, checked=False, parts=(ShardPart(),) * bounds.shards) for _ in range(bounds.workers)),
        )
        return visit_all(first, self._steps, TwoWritersError)

    def _does(self, step: HandoverStep) -> bool:
        return step is not self._without

    def _steps(self, state: ModelState) -> Iterator[tuple[str, ModelState]]:
        for request in state.requests:
            yield from self._arrive(state, request)
        for number, worker in enumerate(state.workers):
            yield from self._initialise(state, number, worker)
            yield from self._crash(state, number, worker)
            for shard, part in enumerate(worker.parts):
                if worker.epoch:
                    yield from self._of_shard(state, number, shard, part)
            yield from self._commit(state, number, worker)

    def _initialise(self, state: ModelState, number: int, worker: WorkerModel) -> Iterator[tuple[str, ModelState]]:
        if worker.epoch and not worker.checked:
            parts = tuple(self._checked(state, worker, shard) for shard in range(len(worker.parts)))
            yield f"{number} checks its claims", _with(state, number, worker._replace(checked=True, parts=parts))
        fenced = worker.epoch != state.epochs[number] or not worker.epoch
        if fenced and not worker.committing and state.epochs[number] < self._bounds.epochs:
            epochs = put(state.epochs, number, state.epochs[number] + 1)
            changed = worker._replace(epoch=epochs[number], checked=not self._does(HandoverStep.CHECK_CLAIMS))
            yield f"{number} initialises its id", _with(state._replace(epochs=epochs), number, changed)

    def _checked(self, state: ModelState, worker: WorkerModel, shard: int) -> ShardPart:
        part = worker.parts[shard]
        if part.claim is None or not (self._does(HandoverStep.CHECK_EVERY_SHARD) or shard == worker.last_taken):
            return part
        if part.phase is Phase.CLAIMING or state.claims[shard][-1:] == (part.claim,):
            return part
        return ShardPart()

    def _crash(self, state: ModelState, number: int, worker: WorkerModel) -> Iterator[tuple[str, ModelState]]:
        if state.crashed < self._bounds.crashes and worker.epoch:
            fresh = WorkerModel(0, checked=False, parts=(ShardPart(),) * len(worker.parts), life=worker.life + 1)
            yield f"{number} crashes", _with(state._replace(crashed=state.crashed + 1), number, fresh)

    def _of_shard(
        self, state: ModelState, number: int, shard: int, part: ShardPart
    ) -> Iterator[tuple[str, ModelState]]:
        worker, name = state.workers[number], f"{number}, shard {shard}:"
        if part.phase is Phase.NONE and state.taken < self._bounds.takes and worker.checked:
            yield from self._take(state, number, shard)
        elif part.phase is Phase.CLAIMED:
            others = (
                part.others if part.others or not self._does(HandoverStep.LOOK_AGAIN) else _others(state, shard, part)
            )
            asked = self._does(HandoverStep.YIELD) and self._does(HandoverStep.CLAIM)
            last = not asked or state.claims[shard][-1:] == (part.claim,)
            found = part._replace(phase=Phase.FENCING, others=others) if last else ShardPart()
            yield f"{name} reads claims", _part(state, number, shard, found)
        elif part.phase is Phase.FENCING:
            yield from self._fence(state, number, shard, part)
        elif part.phase is Phase.REMOVING:
            waits = any(one.kind == "remove" and one[1:4] == (number, worker.life, shard) for one in state.requests)
            if not waits:
                yield (
                    f"{name} knows that claims are removed",
                    _part(state, number, shard, part._replace(phase=Phase.READING)),
                )
        elif part.phase is Phase.READING:
            known = state.commits[shard] if self._does(HandoverStep.READ_AFTER_FENCING) else part.known
            yield f"{name} reads to the end", _part(state, number, shard, part._replace(phase=Phase.OWNED, known=known))
        elif (
            part.phase is Phase.OWNED
            and part.claim
            and self._bounds.releases
            and not (worker.committing and self._does(HandoverStep.RELEASE_WHEN_IDLE))
        ):
            request = Request("remove", number, worker.life, shard, frozenset([part.claim]))
            yield f"{name} releases", _part(_sent(state, request), number, shard, ShardPart())

    def _take(self, state: ModelState, number: int, shard: int) -> Iterator[tuple[str, ModelState]]:
        worker = state.workers[number]
        claim = Claim(number, state.taken if self._does(HandoverStep.OWN_KEY) else 0)
        others = frozenset(state.claims[shard]) if not self._does(HandoverStep.LOOK_AGAIN) else frozenset[Claim]()
        part = ShardPart(Phase.CLAIMING, claim, state.commits[shard], others)
        state = state._replace(taken=state.taken + 1)
        state = _with(state, number, worker._replace(last_taken=shard))
        if not self._does(HandoverStep.FENCE_AFTER_CLAIM):
            fenced = {one.worker for one in state.claims[shard]} - {number}
            if any(state.epochs[one] >= self._bounds.epochs for one in fenced):
                return
            state = _fenced(state, fenced)
        if self._does(HandoverStep.CLAIM):
            request = Request("claim", number, worker.life, shard, frozenset([claim]))
            yield f"{number}, shard {shard}: claims", _part(_sent(state, request), number, shard, part)
        else:
            yield f"{number}, shard {shard}: takes", _part(state, number, shard, part._replace(phase=Phase.CLAIMED))

    def _fence(self, state: ModelState, number: int, shard: int, part: ShardPart) -> Iterator[tuple[str, ModelState]]:
        name = f"{number}, shard {shard}:"
        if self._does(HandoverStep.FENCE) and self._does(HandoverStep.FENCE_AFTER_CLAIM):
            fenced = {one.worker for one in part.others} - {number}
            if any(state.epochs[one] >= self._bounds.epochs for one in fenced):
                return
            state = _fenced(state, fenced)
        if part.others and self._does(HandoverStep.REMOVE_FENCED):
            state = _sent(state, Request("remove", number, state.workers[number].life, shard, part.others))
        yield f"{name} fences {sorted(part.others)}", _part(state, number, shard, part._replace(phase=Phase.REMOVING))

    def _commit(self, state: ModelState, number: int, worker: WorkerModel) -> Iterator[tuple[str, ModelState]]:
        owned = [(shard, part.known) for shard, part in enumerate(worker.parts) if part.phase is Phase.OWNED]
        if not owned or worker.committing or not worker.checked:
            return
        if any(state.commits[shard] >= self._bounds.commits for shard, _ in owned):
            return
        request = Request("commit", number, worker.life, epoch=worker.epoch, known=tuple(owned))
        yield f"{number} commits", _with(_sent(state, request), number, worker._replace(committing=True))

    def _arrive(self, state: ModelState, request: Request) -> Iterator[tuple[str, ModelState]]:
        state = state._replace(requests=state.requests - {request})
        number, shard = request.worker, request.shard
        worker = state.workers[number]
        alive = worker.life == request.life
        if request.kind == "claim":
            claims = (*(one for one in state.claims[shard] if one not in request.claims), *request.claims)
            state = state._replace(claims=put(state.claims, shard, claims))
            if alive and worker.parts[shard].claim in request.claims:
                state = _part(state, number, shard, worker.parts[shard]._replace(phase=Phase.CLAIMED))
            yield f"a claim of {number} arrives", state
        elif request.kind == "remove":
            claims = tuple(one for one in state.claims[shard] if one not in request.claims)
            yield f"{sorted(request.claims)} are removed", state._replace(claims=put(state.claims, shard, claims))
        else:
            yield from self._committed(state, request, worker if alive else None)

    def _committed(
        self, state: ModelState, request: Request, worker: WorkerModel | None
    ) -> Iterator[tuple[str, ModelState]]:
        number, accepted = request.worker, request.epoch == state.epochs[request.worker]
        if accepted:
            for shard, known in request.known:
                if state.commits[shard] != known:
                    raise ForbiddenStateFound(
                        f"{number} commits shard {shard} after {known} of {state.commits[shard]} commits"
                    )
                state = state._replace(commits=put(state.commits, shard, known + 1))
        if worker is not None:
            parts = list(worker.parts)
            for shard, known in request.known if accepted else ():
                if parts[shard].phase is Phase.OWNED:
                    parts[shard] = parts[shard]._replace(known=known + 1)
            state = _with(state, number, worker._replace(committing=False, parts=tuple(parts)))
        yield f"a commit of {number} is {'done' if accepted else 'refused'}", state


def _with(state: ModelState, number: int, worker: WorkerModel) -> ModelState:
    return state._replace(workers=put(state.workers, number, worker))


def _part(state: ModelState, number: int, shard: int, part: ShardPart) -> ModelState:
    worker = state.workers[number]
    return _with(state, number, worker._replace(parts=put(worker.parts, shard, part)))


def _sent(state: ModelState, request: Request) -> ModelState:
    return state._replace(requests=state.requests | {request})


def _fenced(state: ModelState, workers: Collection[int]) -> ModelState:
    return state._replace(epochs=tuple(one + (number in workers) for number, one in enumerate(state.epochs)))


def _others(state: ModelState, shard: int, part: ShardPart) -> frozenset[Claim]:
    return frozenset(one for one in state.claims[shard] if one != part.claim)
