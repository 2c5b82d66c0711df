"""A model of workers that commit all their shards in one transaction and hand shards over by claims in the log.

Every reachable state within `Bounds` is visited: workers take steps, stand still, crash and are assigned shards in any
order, and requests arrive after any delay. Does each commit to a shard go on from all before it? Else two wrote it.

What is modelled of Kafka: a transactional id has an epoch; initialising it raises the epoch, and a commit of an older
epoch is refused. A claim is a record outside of transactions, with a key that no other claim has; a tombstone for that
key removes it. A request whose sender is dead may arrive all the same.

`bridge/capture/shard_claims.py` and `worker_transactions.py` follow it, with `kafka.transactions: worker`. What may
go wrong there beside a crash is a *setback*: a shard is given up at any time and its claim stays, or a commit is not
waited for any more, and its shards are read again.

A worker may have several ids, and go on under another one when Kafka does not initialise the one it has, as long as a
commit or an abort of that id is decided and not marked in all of its shards. What it had taken under the former id it
takes anew, as if another worker had it. What fences an id is that the abort is decided, by which the epoch is raised,
whether or not it is marked anywhere.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from tests.handover.claim_states import (
    NOBODY,
    Bounds,
    Claim,
    HandoverStep,
    MixedStep,
    ModelState,
    Phase,
    Request,
    ShardPart,
    WorkerModel,
    others_of,
    under_way,
    unmarked,
)
from tests.support.reachable_states import ForbiddenStateFound, put, visit_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class TwoWritersError(AssertionError):
    """A commit did not go on from all commits before it. Its message: the steps that led there."""


class ClaimModel:
    """All workers do all steps but `without`."""

    def __init__(
        self, bounds: Bounds, without: HandoverStep | MixedStep | None = None, *, any_shards: bool = False
    ) -> None:
        """Nothing is visited yet. `any_shards`: a commit is of some of the shards that a worker owns, not of all."""
        self._bounds = bounds
        self._without = without
        self._any_shards = any_shards
        self.first = self._first()

    def explore(self) -> int:
        """Visit all states and return their number. Raises TwoWritersError with a shortest way to one."""
        return visit_all(self.first, self.steps, TwoWritersError)

    def _first(self) -> ModelState:
        bounds = self._bounds
        return ModelState(
            (0,) * ((1 if bounds.twins else bounds.workers) * bounds.ids),
            ((),) * bounds.shards,
            (0,) * bounds.shards,
            frozenset(),
            tuple(WorkerModel(0, checked=False, parts=(ShardPart(),) * bounds.shards) for _ in range(bounds.workers)),
        )

    def _does(self, step: HandoverStep | MixedStep) -> bool:
        return step is not self._without

    def steps(self, state: ModelState) -> Iterator[tuple[str, ModelState]]:
        """Yield all steps from a state. Raises ForbiddenStateFound."""
        for request in state.requests:
            yield from self._arrive(state, request)
        for one in state.unmarked:
            yield (
                f"a commit of id {one[0]} is marked in shard {one[1]}",
                state._replace(unmarked=state.unmarked - {one}),
            )
        for number, worker in enumerate(state.workers):
            yield from self._of_worker(state, number, worker)

    def _of_worker(self, state: ModelState, number: int, worker: WorkerModel) -> Iterator[tuple[str, ModelState]]:
        yield from self._initialise(state, number, worker)
        yield from self._crash(state, number, worker)
        for shard, part in enumerate(worker.parts):
            yield from self._of_shard(state, number, shard, part)
            if self._bounds.withdrawals:
                yield from self._withdraw(state, number, shard, part)
        yield from self._commit(state, number, worker)
        if state.switched < self._bounds.switches:
            yield self.switched(state._replace(switched=state.switched + 1), number, worker)
        if state.set_back < self._bounds.setbacks:
            yield from self._set_back(state._replace(set_back=state.set_back + 1), number, worker)

    def _set_back(self, state: ModelState, number: int, worker: WorkerModel) -> Iterator[tuple[str, ModelState]]:
        for shard, part in enumerate(worker.parts):
            if part.phase is not Phase.NONE:
                yield f"{number} gives shard {shard} up", _part(state, number, shard, ShardPart())
        for request in state.requests if worker.committing else ():
            if request.kind == "commit" and request[1:3] == (number, worker.life):
                parts = list(worker.parts)
                for shard, _, _ in request.known:
                    if parts[shard].phase is Phase.OWNED:
                        parts[shard] = parts[shard]._replace(phase=Phase.READING)
                unheard = state._replace(requests=state.requests - {request} | {request._replace(life=NOBODY)})
                changed = worker._replace(epoch=0, checked=False, committing=False, parts=tuple(parts))
                yield f"{number} waits for a commit no more", _with(unheard, number, changed)

    def switched(self, state: ModelState, number: int, worker: WorkerModel) -> tuple[str, ModelState]:
        """Let a worker go on under its next id, whatever it waits for."""
        parts = [ShardPart() for _ in worker.parts]
        for shard, part in enumerate(worker.parts):
            if part.claim and not self._does(HandoverStep.KEEP_FORMER_CLAIMS):
                state = _sent(state, Request("remove", number, worker.life, shard, frozenset([part.claim])))
            if part.phase is Phase.OWNED and not self._does(HandoverStep.CLAIM_ANEW):
                parts[shard] = part
            elif part.phase is Phase.OWNED and not worker.committing:
                parts[shard] = part._replace(phase=Phase.RENEWING)
            elif part.phase is Phase.READING and not under_way(state, number, shard):
                parts[shard] = part._replace(phase=Phase.RENEWING, unread=True)
        for request in state.requests if worker.committing else ():
            if request.kind == "commit" and request[1:3] == (number, worker.life):
                state = state._replace(requests=state.requests - {request} | {request._replace(life=NOBODY)})
        at = (worker.at + 1) % self._bounds.ids
        changed = worker._replace(epoch=0, checked=False, committing=False, parts=tuple(parts), at=at)
        return f"{number} goes on under id {self.id_of(number, changed)}", _with(state, number, changed)

    def id_of(self, number: int, worker: WorkerModel) -> int:
        """Return which transactional id a worker uses."""
        return self._ids_of(number)[worker.at]

    def _ids_of(self, number: int) -> range:
        first = 0 if self._bounds.twins else number * self._bounds.ids
        return range(first, first + self._bounds.ids)

    def _initialise(self, state: ModelState, number: int, worker: WorkerModel) -> Iterator[tuple[str, ModelState]]:
        if worker.epoch and not worker.checked:
            parts = tuple(self._checked(state, worker, shard) for shard in range(len(worker.parts)))
            yield f"{number} checks its claims", _with(state, number, worker._replace(checked=True, parts=parts))
        own = self.id_of(number, worker)
        fenced = worker.epoch != state.epochs[own] or not worker.epoch
        marked = not unmarked(state, own)
        if fenced and marked and not worker.committing and state.epochs[own] < self._bounds.epochs:
            epochs = put(state.epochs, own, state.epochs[own] + 1)
            changed = worker._replace(epoch=epochs[own], checked=not self._does(HandoverStep.CHECK_CLAIMS))
            yield f"{number} initialises its id", _with(state._replace(epochs=epochs), number, changed)

    def _checked(self, state: ModelState, worker: WorkerModel, shard: int) -> ShardPart:
        part = worker.parts[shard]
        if part.claim is None or not (self._does(HandoverStep.CHECK_EVERY_SHARD) or shard == worker.last_taken):
            return part
        if part.phase is Phase.CLAIMING or state.claims[shard][-1:] == (part.claim,):
            return part
        return self._given_up(part)

    def _given_up(self, part: ShardPart) -> ShardPart:
        """Return what becomes of a shard that another one has claimed."""
        taking = part.phase in (Phase.CLAIMED, Phase.FENCING) and self._bounds.withdrawals
        return ShardPart(left=part.claim if taking else None)

    def _crash(self, state: ModelState, number: int, worker: WorkerModel) -> Iterator[tuple[str, ModelState]]:
        if state.crashed < self._bounds.crashes and worker.epoch:
            fresh = WorkerModel(0, checked=False, parts=(ShardPart(),) * len(worker.parts), life=worker.life + 1)
            yield f"{number} crashes", _with(state._replace(crashed=state.crashed + 1), number, fresh)

    def _of_shard(
        self, state: ModelState, number: int, shard: int, part: ShardPart
    ) -> Iterator[tuple[str, ModelState]]:
        worker, name = state.workers[number], f"{number}, shard {shard}:"
        if part.phase in (Phase.NONE, Phase.RENEWING) and state.taken < self._bounds.takes and worker.checked:
            yield from self._take(state, number, shard)
        elif part.phase is Phase.CLAIMED:
            others = (
                part.others if part.others or not self._does(HandoverStep.LOOK_AGAIN) else others_of(state, shard, part)
            )
            asked = self._does(HandoverStep.YIELD) and self._does(HandoverStep.CLAIM)
            last = not asked or state.claims[shard][-1:] == (part.claim,)
            if part.renews and self._does(HandoverStep.RENEW_LAST):
                last = state.claims[shard][-2:] == (part.renews, part.claim)
            found = part._replace(phase=Phase.FENCING, others=others) if last else self._given_up(part)
            yield f"{name} reads claims", _part(state, number, shard, found)
        elif part.phase is Phase.FENCING:
            yield from self._fence(state, number, shard, part)
        elif part.phase is Phase.REMOVING:
            waits = any(one.kind == "remove" and one[1:4] == (number, worker.life, shard) for one in state.requests)
            if not waits:
                phase = Phase.OWNED if part.renews and not part.unread else Phase.READING
                yield (
                    f"{name} knows that claims are removed",
                    _part(state, number, shard, part._replace(phase=phase, renews=None, unread=False)),
                )
        elif (
            part.phase is Phase.OWNED
            and part.claim
            and self._bounds.releases
            and not (worker.committing and self._does(HandoverStep.RELEASE_WHEN_IDLE))
        ):
            request = Request("remove", number, worker.life, shard, frozenset([part.claim]))
            yield f"{name} releases", _part(_sent(state, request), number, shard, ShardPart())
        if part.phase is Phase.READING or part.unread:
            yield from self._read(state, number, shard, part)

    def _read(self, state: ModelState, number: int, shard: int, part: ShardPart) -> Iterator[tuple[str, ModelState]]:
        """Read the records of a shard, also while its claim is being renewed."""
        hidden = sum(shard == one for _, one in state.unmarked)
        if (hidden and self._does(HandoverStep.READ_STABLE)) or (
            self._does(HandoverStep.READ_AFTER_OWN) and under_way(state, number, shard)
        ):
            return
        known = state.commits[shard] - hidden if self._does(HandoverStep.READ_AFTER_FENCING) else part.known
        phase = Phase.OWNED if part.phase is Phase.READING else part.phase
        found = part._replace(phase=phase, known=known, unread=False)
        yield f"{number}, shard {shard}: reads to the end", _part(state, number, shard, found)

    def _withdraw(
        self, state: ModelState, number: int, shard: int, part: ShardPart
    ) -> Iterator[tuple[str, ModelState]]:
        """Leave a shard that is being taken, or was when it was given up."""
        removing = part.phase is Phase.REMOVING and self._does(HandoverStep.WITHDRAW_WHEN_REMOVED)
        idle = not (under_way(state, number, shard) and self._does(HandoverStep.RELEASE_WHEN_IDLE))
        claim = part.left or part.claim
        if claim and part.phase not in (Phase.OWNED, Phase.RENEWING) and idle and not removing:
            request = Request("remove", number, state.workers[number].life, shard, frozenset([claim]))
            yield f"{number}, shard {shard}: withdraws", _part(_sent(state, request), number, shard, ShardPart())

    def _take(self, state: ModelState, number: int, shard: int) -> Iterator[tuple[str, ModelState]]:
        worker = state.workers[number]
        claim = Claim(self.id_of(number, worker), state.taken if self._does(HandoverStep.OWN_KEY) else 0)
        others = frozenset(state.claims[shard]) if not self._does(HandoverStep.LOOK_AGAIN) else frozenset[Claim]()
        part = ShardPart(Phase.CLAIMING, claim, state.commits[shard], others)
        if worker.parts[shard].phase is Phase.RENEWING:
            former = worker.parts[shard]
            part = part._replace(known=former.known, renews=former.claim, unread=former.unread)
        state = state._replace(taken=state.taken + 1)
        state = _with(state, number, worker._replace(last_taken=shard, wrote=worker.wrote | {claim}))
        if not self._does(HandoverStep.FENCE_AFTER_CLAIM):
            after = self._fenced(state, number, state.claims[shard])
            if after is None:
                return
            state = after
        if self._does(HandoverStep.CLAIM):
            request = Request("claim", number, worker.life, shard, frozenset([claim]))
            yield f"{number}, shard {shard}: claims", _part(_sent(state, request), number, shard, part)
        else:
            yield f"{number}, shard {shard}: takes", _part(state, number, shard, part._replace(phase=Phase.CLAIMED))

    def _fence(self, state: ModelState, number: int, shard: int, part: ShardPart) -> Iterator[tuple[str, ModelState]]:
        name = f"{number}, shard {shard}:"
        if self._does(HandoverStep.FENCE) and self._does(HandoverStep.FENCE_AFTER_CLAIM):
            own, wrote = self.id_of(number, state.workers[number]), state.workers[number].wrote
            same = part.renews is None and any(one.claimant == own and one not in wrote for one in part.others)
            after = self._fenced(state, number, part.others, own=same and self._does(HandoverStep.FENCE_OWN_ID))
            if after is None:
                return
            state = after
        if part.others and self._does(HandoverStep.REMOVE_FENCED):
            state = _sent(state, Request("remove", number, state.workers[number].life, shard, part.others))
        yield f"{name} fences {sorted(part.others)}", _part(state, number, shard, part._replace(phase=Phase.REMOVING))

    def _fenced(
        self, state: ModelState, number: int, claims: Iterable[Claim], *, own: bool = False
    ) -> ModelState | None:
        """Return the state after a worker has fenced the ids of claims; None: that has to wait. `own`: its own, too."""
        current, mine = self.id_of(number, state.workers[number]), set(self._ids_of(number))
        fenced = {one.claimant for one in claims} - ({current} if self._does(HandoverStep.FENCE_FORMER_ID) else mine)
        if own:
            if unmarked(state, current):
                return None
            fenced.add(current)
        # A commit that is decided is the last of a former id of one's own: nothing follows that could be on its way.
        decided = {one for one in fenced if unmarked(state, one)}
        if decided - mine and self._does(HandoverStep.ONLY_ABORT_FENCES):
            return None
        raised = fenced - decided
        if any(state.epochs[one] >= self._bounds.epochs for one in raised):
            return None
        return state._replace(epochs=tuple(one + (which in raised) for which, one in enumerate(state.epochs)))

    def _commit(self, state: ModelState, number: int, worker: WorkerModel) -> Iterator[tuple[str, ModelState]]:
        owned = [
            (shard, part.known, part.claim) for shard, part in enumerate(worker.parts) if part.phase is Phase.OWNED
        ]
        own = self.id_of(number, worker)
        if not owned or worker.committing or not worker.checked or unmarked(state, own):
            return
        if any(state.commits[shard] >= self._bounds.commits for shard, *_ in owned):
            return
        for count in range(1 if self._any_shards else len(owned), len(owned) + 1):
            for parts in combinations(owned, count):
                request = Request("commit", number, worker.life, epoch=worker.epoch, known=parts, claimant=own)
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
        number, accepted = request.worker, request.epoch == state.epochs[request.claimant]
        if accepted:
            for shard, known, _ in request.known:
                if state.commits[shard] != known:
                    raise ForbiddenStateFound(
                        f"{number} commits shard {shard} after {known} of {state.commits[shard]} commits"
                    )
                unmarked = state.unmarked | {(request.claimant, shard)} if self._bounds.markers else state.unmarked
                state = state._replace(commits=put(state.commits, shard, known + 1), unmarked=unmarked)
        if worker is not None:
            parts = list(worker.parts)
            for shard, known, claim in request.known if accepted else ():
                if parts[shard].phase is Phase.OWNED and parts[shard].claim == claim:
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
