"""Workers with a transactional id of their own, beside workers that have one for each shard.

The former are those of `claim_model.py`. The latter share the id of a shard: who takes it initialises that, and finds
out from the claims whether one of the former has to be fenced, too. `bridge/capture/fencing_writer.py` follows it.

A shard's records and claims lie in one log, and the first transaction in it that is not marked hides what follows from
who reads what is committed. That may be a commit, or a *stray*: records of an id that was fenced meanwhile, which were
on their way and will be aborted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.handover.claim_model import ClaimModel
from tests.handover.claim_states import Claim, MixedStep, ModelState, Phase, Request, ShardPart, WorkerModel
from tests.support.reachable_states import put

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHARD: Final = 0
_STRAY: Final = -1


class MixedModel(ClaimModel):
    """One shard. The last `own` workers have an id for each shard, and so the same one."""

    def _first(self) -> ModelState:
        first, own = super()._first(), self._bounds.own
        workers = first.workers + (WorkerModel(0, checked=False, parts=(ShardPart(),)),) * own
        return first._replace(epochs=(*first.epochs, 0), workers=workers)

    def id_of(self, number: int, worker: WorkerModel) -> int:
        return self._shard_id if self._has_shard_id(number) else super().id_of(number, worker)

    @property
    def _shard_id(self) -> int:
        return self._bounds.workers * self._bounds.ids

    def _has_shard_id(self, number: int) -> bool:
        return number >= self._bounds.workers

    def steps(self, state: ModelState) -> Iterator[tuple[str, ModelState]]:
        for name, following in super().steps(state):
            if not following.unmarked:
                yield name, following._replace(stable=None)
            elif following.stable is None:
                yield name, following._replace(stable=state.claims[_SHARD])
            else:
                yield name, following
        if state.strayed < self._bounds.strays:
            unmarked = state.unmarked | {(_STRAY, _SHARD)}
            stable = state.claims[_SHARD] if state.stable is None else state.stable
            yield (
                "records of an id that was fenced arrive",
                state._replace(strayed=state.strayed + 1, unmarked=unmarked, stable=stable),
            )

    def _of_worker(self, state: ModelState, number: int, worker: WorkerModel) -> Iterator[tuple[str, ModelState]]:
        if not self._has_shard_id(number):
            yield from super()._of_worker(state, number, worker)
            return
        yield from self._crash(state, number, worker)
        yield from self._open(state, number, worker)
        if worker.epoch:
            yield from self._take_by_shard_id(state, number, worker.parts[_SHARD])
            yield from self._commit(state, number, worker)

    # --- a worker with an id of its own ----------------------------------------------------------------------------

    def _of_shard(
        self, state: ModelState, number: int, shard: int, part: ShardPart
    ) -> Iterator[tuple[str, ModelState]]:
        first = not part.shard_id_fenced and part.renews is None and self._does(MixedStep.INITIALISE_SHARD_ID)
        if part.phase in (Phase.CLAIMED, Phase.FENCING) and first:
            after = self._fenced(state, number, [Claim(self._shard_id, 0)])
            if after is not None:
                fenced = part._replace(shard_id_fenced=True)
                yield f"{number} initialises the shard's id", _with_part(after, number, fenced)
        if part.phase is not Phase.FENCING or not first:
            yield from super()._of_shard(state, number, shard, part)

    # --- a worker with an id for each shard --------------------------------------------------------------------------

    def _open(self, state: ModelState, number: int, worker: WorkerModel) -> Iterator[tuple[str, ModelState]]:
        own = self._shard_id
        marked = all(one != own for one, _ in state.unmarked)
        epoch = state.epochs[own] + 1
        if worker.committing or not marked or epoch > self._bounds.epochs or state.taken >= self._bounds.takes:
            return
        part = ShardPart(Phase.OPENED, Claim(own, state.taken))
        opened = worker._replace(epoch=epoch, checked=True, parts=(part,))
        after = state._replace(epochs=put(state.epochs, own, epoch), taken=state.taken + 1)
        yield f"{number} initialises the shard's id", _with_worker(after, number, opened)

    def _take_by_shard_id(self, state: ModelState, number: int, part: ShardPart) -> Iterator[tuple[str, ModelState]]:
        life = state.workers[number].life
        removing = any(one.kind == "remove" and one[1:3] == (number, life) for one in state.requests)
        own = frozenset([part.claim]) if part.claim is not None else frozenset[Claim]()
        if part.phase is Phase.OPENED:
            yield self._look(state, number, part)
        elif part.phase is Phase.CLAIMED:
            last = not self._does(MixedStep.CLAIM_TO_FENCE) or state.claims[_SHARD][-1:] == (part.claim,)
            others = frozenset(state.claims[_SHARD]) - own
            found = part._replace(phase=Phase.FENCING, others=others) if last else ShardPart()
            yield f"{number} reads claims", _with_part(state, number, found)
        elif part.phase is Phase.FENCING:
            fences = self._does(MixedStep.FENCE_OTHERS) and self._does(MixedStep.FENCE_FIRST)
            after = self._fenced(state, number, part.others) if fences else state
            if after is not None:
                gone = part.others if self._does(MixedStep.REMOVE_OWN_LAST) else own
                yield (
                    f"{number} fences {sorted(part.others)}",
                    self._removing(after, number, part._replace(phase=Phase.REMOVING), gone),
                )
        elif part.phase is Phase.REMOVING and not removing:
            after = state if self._does(MixedStep.FENCE_FIRST) else self._fenced(state, number, part.others)
            if after is not None:
                gone = own if self._does(MixedStep.REMOVE_OWN_LAST) else part.others
                yield (
                    f"{number} removes the other claims",
                    self._removing(after, number, part._replace(phase=Phase.REMOVING_OWN), gone),
                )
        elif part.phase is Phase.REMOVING_OWN and not removing:
            if not self._does(MixedStep.READ_AGAIN):
                yield f"{number} goes on", _with_part(state, number, part._replace(phase=Phase.OWNED))
            elif not state.unmarked:
                known = part._replace(phase=Phase.OWNED, known=state.commits[_SHARD])
                yield f"{number} reads to the end", _with_part(state, number, known)

    def _look(self, state: ModelState, number: int, part: ShardPart) -> tuple[str, ModelState]:
        """Read what is committed, and fence only if that may be needed."""
        seen = state.claims[_SHARD] if state.stable is None else state.stable
        hidden = sum(one != _STRAY for one, _ in state.unmarked)
        part = part._replace(known=state.commits[_SHARD] - hidden)
        if not seen and (state.stable is None or not self._does(MixedStep.READ_ALL)):
            return f"{number} sees no claim", _with_part(state, number, part._replace(phase=Phase.OWNED))
        if not self._does(MixedStep.CLAIM_TO_FENCE):
            return f"{number} sees claims", _with_part(state, number, part._replace(phase=Phase.CLAIMED))
        claims = frozenset([part.claim]) if part.claim is not None else frozenset[Claim]()
        request = Request("claim", number, state.workers[number].life, _SHARD, claims)
        after = state._replace(requests=state.requests | {request})
        return f"{number} claims, to fence", _with_part(after, number, part._replace(phase=Phase.CLAIMING))

    def _removing(self, state: ModelState, number: int, part: ShardPart, claims: frozenset[Claim]) -> ModelState:
        after = _with_part(state, number, part)
        if not claims:
            return after
        request = Request("remove", number, state.workers[number].life, _SHARD, claims)
        return after._replace(requests=after.requests | {request})


def _with_worker(state: ModelState, number: int, worker: WorkerModel) -> ModelState:
    return state._replace(workers=put(state.workers, number, worker))


def _with_part(state: ModelState, number: int, part: ShardPart) -> ModelState:
    return _with_worker(state, number, state.workers[number]._replace(parts=(part,)))
