"""Whether the model could have done what workers did: a trace of what they asked for, in the order of time.

A trace has a line when a worker asks for something and one when it has the answer. In between it happens, at a time
that nobody knows: the model does that step anywhere between the two lines, and of a worker that was killed, what was on
its way, at any time after.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.handover.claim_model import ClaimModel
from tests.handover.claim_states import Bounds, ModelState, Phase, ShardPart
from tests.support.reachable_states import ForbiddenStateFound, put

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ASKED: Final = "asked"
ANSWERED: Final = "answered"
KILLED: Final = "killed"
Key = tuple[str, int, int]
"""What is asked for, by which worker, of which shard: -1 if of none in particular."""
_MANY: Final = 1_000_000
_SHOWN: Final = 25
_SENT: Final = {"claim": "claims", "commit": "commits", "release": "releases"}
"""What is a request of the model's, too, and how the model calls that it is sent."""
_STEPS: Final = {
    "initialises its id": "initialise",
    "checks its claims": "check",
    "reads claims": "look",
    "reads to the end": "read",
}


class TraceLine(NamedTuple):
    """`known`: of each shard that is committed, the commits before.

    `outcome`: whether it was done; of what was read, how many commits; None when there was no answer.
    """

    kind: str
    worker: int
    what: str = ""
    shard: int = -1
    known: tuple[tuple[int, int], ...] = ()
    outcome: int | None = True


class TraceNotAcceptedError(AssertionError):
    """The model cannot have done this. Its message: the lines before the first one that it cannot have done."""


class _Followed(NamedTuple):
    """A state of the model, and what has happened without an answer."""

    state: ModelState
    happened: frozenset[tuple[Key, int]] = frozenset()


class TraceModel:
    """Follows a trace through all states in which the model may be."""

    def __init__(self, *, workers: int, shards: int) -> None:
        """`check` follows one trace."""
        bounds = Bounds(
            workers=workers,
            shards=shards,
            takes=_MANY,
            crashes=_MANY,
            commits=_MANY,
            epochs=_MANY,
            setbacks=_MANY,
            withdrawals=True,
        )
        self._model = ClaimModel(bounds, any_shards=True)
        self._asked: set[Key] = set()

    def check(self, lines: Sequence[TraceLine]) -> None:
        """Raise TraceNotAcceptedError if the model cannot have done this."""
        seen = {_Followed(self._model.first)}
        for number, line in enumerate(lines):
            seen = {after for one in self._closed(seen) for after in self._follow(one, line)}
            if not seen:
                shown = lines[max(0, number - _SHOWN) : number + 1]
                raise TraceNotAcceptedError("\n".join(map(str, shown)))
            key = line.what, line.worker, line.shard
            if line.kind == ASKED:
                self._asked.add(key)
            elif line.kind == ANSWERED:
                self._asked.discard(key)
            else:
                self._asked = {one for one in self._asked if one[1] != line.worker}

    def _follow(self, seen: _Followed, line: TraceLine) -> Iterator[_Followed]:
        """Yield what may be after a line."""
        key = line.what, line.worker, line.shard
        if line.kind == KILLED:
            yield from self._killed(seen, line.worker)
        elif line.kind == ASKED:
            states = self._asked_for(seen.state, line) if line.what in _SENT else [seen.state]
            yield from (seen._replace(state=state) for state in states)
        elif line.outcome is None:
            happened = frozenset(one for one in seen.happened if one[0] != key)
            states = self._in_doubt(seen.state, line) if line.what == "commit" else [seen.state]
            yield from (_Followed(state, happened) for state in states)
        elif line.what == "release":
            yield seen
        elif (key, line.outcome) in seen.happened:
            yield seen._replace(happened=seen.happened - {(key, line.outcome)})

    def _killed(self, seen: _Followed, worker: int) -> Iterator[_Followed]:
        happened = frozenset(one for one in seen.happened if one[0][1] != worker)
        if not seen.state.workers[worker].epoch:
            yield _Followed(seen.state, happened)
        yield from (
            _Followed(state, happened) for name, state in self._steps(seen.state) if name == f"{worker} crashes"
        )

    def _asked_for(self, state: ModelState, line: TraceLine) -> Iterator[ModelState]:
        step = _SENT[line.what]
        wanted = f"{line.worker} {step}" if line.shard < 0 else f"{line.worker}, shard {line.shard}: {step}"
        if line.what == "commit" and line.known in _under_way(state, line.worker):
            yield state
        before = (
            [_given_up(one, line) for one in self._maybe_committing(state, line)] if line.what == "claim" else [state]
        )
        for name, after in (step for one in before for step in self._steps(one)):
            if name in (wanted, wanted.replace("releases", "withdraws")) and (
                line.what != "commit" or _sent(state, after) == line.known
            ):
                yield after

    def _maybe_committing(self, state: ModelState, line: TraceLine) -> Iterator[ModelState]:
        """Yield what may be when a shard is taken anew: records of it may have been sent, the end not asked for yet."""
        yield state
        for name, after in self._steps(state):
            if name == f"{line.worker} commits" and line.shard in dict(_sent(state, after)):
                yield after

    def _in_doubt(self, state: ModelState, line: TraceLine) -> Iterator[ModelState]:
        """Yield what may be when a worker does not know whether its commit was done: it reads the shards again."""
        worker = state.workers[line.worker]
        if worker.committing:
            wanted = f"{line.worker} waits for a commit no more"
            yield from (after for name, after in self._steps(state) if name == wanted)
            return
        parts = list(worker.parts)
        for shard, _ in line.known:
            if parts[shard].phase is Phase.OWNED:
                parts[shard] = parts[shard]._replace(phase=Phase.READING)
        changed = worker._replace(epoch=0, checked=False, parts=tuple(parts))
        yield state._replace(workers=put(state.workers, line.worker, changed))

    def _closed(self, seen: set[_Followed]) -> set[_Followed]:
        """Return what may be after any of the steps that nobody has the answer of."""
        found, waiting = set(seen), list(seen)
        while waiting:
            one = waiting.pop()
            for after in self._unseen(one):
                if after not in found:
                    found.add(after)
                    waiting.append(after)
        return found

    def _unseen(self, seen: _Followed) -> Iterator[_Followed]:
        for name, state in self._steps(seen.state):
            if name.endswith("knows that claims are removed"):
                yield seen._replace(state=state)
            elif (found := _happened(name, seen.state, state)) is not None:
                key, outcome, alive = found
                if key in self._asked:
                    yield _Followed(state, seen.happened | {(key, outcome)} if alive else seen.happened)
                elif not alive or (key[0] == "fence" and _fences_nobody(seen.state, key)):
                    yield seen._replace(state=state)

    def _steps(self, state: ModelState) -> list[tuple[str, ModelState]]:
        found: list[tuple[str, ModelState]] = []
        try:
            found.extend(self._model.steps(state))
        except ForbiddenStateFound as forbidden:
            raise TraceNotAcceptedError(str(forbidden)) from None
        return found


def _happened(name: str, before: ModelState, after: ModelState) -> tuple[Key, int, bool] | None:
    """Return what a step of the model is, its outcome, and whether who asked for it is alive."""
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
    part = after.workers[worker].parts[shard]
    outcome = {"look": part.phase is Phase.FENCING, "read": part.known}.get(what, True)
    return (what, worker, shard), outcome, True


def _fences_nobody(state: ModelState, key: Key) -> bool:
    _, worker, shard = key
    before = state.workers[worker]
    return all(one.claimant == worker and one in before.wrote for one in before.parts[shard].others)


def _given_up(state: ModelState, line: TraceLine) -> ModelState:
    """Return the state after a worker has given a shard up that it takes again: that is not asked of anybody."""
    worker = state.workers[line.worker]
    changed = worker._replace(parts=put(worker.parts, line.shard, ShardPart()))
    return state._replace(workers=put(state.workers, line.worker, changed))


def _sent(before: ModelState, after: ModelState) -> tuple[tuple[int, int], ...]:
    """Return the shards of the commit that was sent between two states, and how many commits were known of each."""
    [request] = after.requests - before.requests
    return tuple((shard, known) for shard, known, _ in request.known)


def _under_way(state: ModelState, worker: int) -> set[tuple[tuple[int, int], ...]]:
    """Return the same of the commits that a worker waits for."""
    life = state.workers[worker].life
    mine = [one for one in state.requests if one.kind == "commit" and one[1:3] == (worker, life)]
    return {tuple((shard, known) for shard, known, _ in one.known) for one in mine}
