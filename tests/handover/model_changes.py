"""For traces: what a step of the hand-over model is there, and what becomes of a state by what no step has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tests.handover.claim_states import NOBODY, ModelState, Phase, Request, ShardPart, WorkerModel
from tests.support.reachable_states import put

if TYPE_CHECKING:
    from collections.abc import Callable


Key = tuple[str, int, int]
"""What is asked for, by which worker, of which shard: -1 if of none in particular."""
_STEPS: Final = {
    "initialises its id": "initialise",
    "checks its claims": "check",
    "reads claims": "look",
    "reads to the end": "read",
}


def killed(state: ModelState, number: int) -> ModelState:
    """Return the state after a process has ended, whatever it waited for."""
    for what in ("claim", "remove", "commit"):
        state = unheard(state, number, what)
    worker = state.workers[number]
    fresh = WorkerModel(0, checked=False, parts=(ShardPart(),) * len(worker.parts), life=worker.life + 1)
    return with_worker(state, number, fresh)


def given_up(state: ModelState, number: int, shard: int) -> ModelState:
    """Return the state after a worker has given a shard up that it takes again: that is not asked of anybody."""
    return with_part(state, number, shard, ShardPart())


def unheard(state: ModelState, number: int, what: str, shard: int = -1) -> ModelState:
    """Return the state after a worker does not wait any more for what it has sent: it may arrive at any time.

    Claims are removed one by one.
    """
    life, left, alone = state.workers[number].life, set[Request](), set[Request]()
    for one in state.requests:
        if (one.kind, one.worker, one.life) == (what, number, life) and (shard < 0 or one.shard == shard):
            left.add(one)
            each = [frozenset([claim]) for claim in one.claims] if what == "remove" else [one.claims]
            alone.update(one._replace(life=NOBODY, claims=claims) for claims in each)
    return state._replace(requests=state.requests - left | alone) if left else state


def with_low_epochs(state: ModelState, id_of: Callable[[int, WorkerModel], int]) -> ModelState:
    """Return an equal state: of the epochs of an id it only counts which is the later one, and whether there is one."""
    of_workers = [id_of(number, worker) for number, worker in enumerate(state.workers)]
    used = [{0, epoch} for epoch in state.epochs]
    for one, worker in zip(of_workers, state.workers, strict=True):
        used[one].add(worker.epoch)
    for request in state.requests:
        if request.kind == "commit":
            used[request.claimant].add(request.epoch)
    if all(max(each) < len(each) for each in used):
        return state
    low = [{epoch: rank for rank, epoch in enumerate(sorted(each))} for each in used]
    workers = [
        worker._replace(epoch=low[one][worker.epoch]) for one, worker in zip(of_workers, state.workers, strict=True)
    ]
    requests = [
        one._replace(epoch=low[one.claimant][one.epoch]) if one.kind == "commit" else one for one in state.requests
    ]
    epochs = tuple(each[epoch] for each, epoch in zip(low, state.epochs, strict=True))
    return state._replace(epochs=epochs, workers=tuple(workers), requests=frozenset(requests))


def with_worker(state: ModelState, number: int, worker: WorkerModel) -> ModelState:
    return state._replace(workers=put(state.workers, number, worker))


def with_part(state: ModelState, number: int, shard: int, part: ShardPart) -> ModelState:
    worker = state.workers[number]
    return with_worker(state, number, worker._replace(parts=put(worker.parts, shard, part)))


def sent(before: ModelState, after: ModelState) -> tuple[tuple[int, int], ...]:
    """Return the shards of the commit that was sent between two states, and how many commits were known of each."""
    [request] = after.requests - before.requests
    return tuple((shard, known) for shard, known, _ in request.known)


def under_way(state: ModelState, worker: int) -> set[tuple[tuple[int, int], ...]]:
    """Return the same of the commits that a worker waits for."""
    life = state.workers[worker].life
    mine = [one for one in state.requests if one.kind == "commit" and one[1:3] == (worker, life)]
    return {tuple((shard, known) for shard, known, _ in one.known) for one in mine}


def happened(name: str, before: ModelState, after: ModelState) -> tuple[Key, int, bool] | None:
    """Return what a step of the model is, its outcome, and whether who asked for it is alive and waits."""
    gone = before.requests - after.requests
    if gone and not name.endswith("waits for a commit no more"):
        [request] = gone
        alive = before.workers[request.worker].life == request.life
        shard = -1 if request.kind == "commit" else request.shard
        return (request.kind, request.worker, shard), not name.endswith("is refused"), alive
    if (match := re.fullmatch(r"(\d)(?:, shard (\d):)? (.*)", name)) is None:
        return None
    worker, shard, step = int(match[1]), -1 if match[2] is None else int(match[2]), match[3]
    if step.startswith("fences"):
        return ("fence", worker, shard), True, True
    if step not in _STEPS:
        return None
    what = _STEPS[step]
    outcome = after.workers[worker].parts[shard].phase is Phase.FENCING if what == "look" else True
    return (what, worker, shard), outcome, True
