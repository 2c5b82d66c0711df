"""Whether the model could have done what workers did: a trace of what they asked for, in the order of time.

A trace has a line when a worker asks for something and one when it has the answer. In between it happens, at a time
that nobody knows: the model does that step anywhere between the two lines; and what was on its way without an answer,
of a worker that was killed or did not wait for it, at any time after.

Of what is judged, only commits count in the end: each must be one that the model may do then, of a worker that owns the
shard and knows all commits before it. What else a worker asks for is how it may come to that.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.handover.claim_model import ClaimModel
from tests.handover.claim_states import Bounds, Claim, ModelState, Phase, Request
from tests.handover.model_changes import (
    Key,
    given_up,
    happened,
    killed,
    sent,
    under_way,
    unheard,
    with_low_epochs,
    with_part,
    with_worker,
)
from tests.support.reachable_states import ForbiddenStateFound, put

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ASKED: Final = "asked"
ANSWERED: Final = "answered"
KILLED: Final = "killed"
_MANY: Final = 1_000_000_000
_SHOWN: Final = 25
_ON_ITS_WAY_SECONDS: Final = 90.0
"""A request that nobody waits for any more has arrived by then, or never does: Kafka has closed its connection."""


class TraceLine(NamedTuple):
    """`known`: of each shard that is committed, the commits before. `keys`: of the claims that are written, or removed.

    `outcome`: whether it was done; of what was read, how many commits, if that is known; None when there was no answer.
    `at`: which of its ids a worker initialises. `renews`: a claim is one under another id. `seconds`: when.
    """

    kind: str
    worker: int
    what: str = ""
    shard: int = -1
    known: tuple[tuple[int, int], ...] = ()
    outcome: int | None = True
    keys: tuple[str, ...] = ()
    at: int = 0
    renews: bool = False
    seconds: float = 0.0


class TraceNotAcceptedError(AssertionError):
    """The model cannot have done this. Its message: the lines before the first one that it cannot have done."""


class _Followed(NamedTuple):
    """A state of the model, and what has happened without an answer."""

    state: ModelState
    happened: frozenset[tuple[Key, int]] = frozenset()


class TraceModel:
    """Follows one trace through all states in which the model may be."""

    def __init__(self, *, workers: int, shards: int, ids: int = 1) -> None:
        """`ids`: of each worker."""
        bounds = Bounds(
            workers=workers,
            shards=shards,
            takes=_MANY,
            crashes=_MANY,
            commits=_MANY,
            epochs=_MANY,
            setbacks=_MANY,
            ids=ids,
            withdrawals=True,
        )
        self._model = ClaimModel(bounds, any_shards=True)
        begins_nothing = replace(bounds, takes=0, crashes=0, commits=0, setbacks=0, releases=False)
        self._goes_on = ClaimModel(begins_nothing, any_shards=True)
        """With the steps only that a worker does not ask for when they are done."""
        self._asked: dict[Key, int] = {}
        self._numbers: dict[str, int] = {}
        self._claimed: dict[tuple[int, int], str] = {}
        self._stay: set[str] = set()
        self._unheard: dict[Request, float] = {}
        self.commits = 0
        self.most_states = 0

    def check(self, lines: Sequence[TraceLine]) -> None:
        """Raise TraceNotAcceptedError if the model cannot have done this."""
        seen = {_Followed(self._model.first)}
        for number, line in enumerate(lines):
            try:
                seen = {after for one in self._closed(seen) for after in self._follow(one, line)}
            except ForbiddenStateFound as forbidden:
                raise TraceNotAcceptedError(_shown(lines, number, str(forbidden))) from None
            if not seen:
                raise TraceNotAcceptedError(_shown(lines, number, "the model cannot have done the last line"))
            self._note(line)
            seen = self._without_what_never_arrives(seen, line.seconds)
            self.most_states = max(self.most_states, len(seen))

    def _note(self, line: TraceLine) -> None:
        """Keep in mind what is asked for, and what claims are called."""
        key, place = (line.what, line.worker, line.shard), (line.worker, line.shard)
        if line.kind == ASKED:
            self._asked[key] = self._asked.get(key, 0) + 1
            if line.what == "claim":
                self._numbers[line.keys[0]] = len(self._numbers)
                self._claimed[place] = line.keys[0]
        elif line.kind == ANSWERED:
            self._asked[key] -= 1
            if line.what == "remove" and line.outcome is None and self._claimed[place] not in line.keys:
                self._stay.add(self._claimed[place])  # those of others may be removed after it
            self.commits += line.what == "commit" and line.outcome is True
        else:
            self._asked = {one: count for one, count in self._asked.items() if one[1] != line.worker}

    def _without_what_never_arrives(self, seen: set[_Followed], now: float) -> set[_Followed]:
        """Leave out requests that would be refused whenever they arrive, and those that are too old to arrive."""
        kept: set[_Followed] = set()
        for one in seen:
            state, gone = one.state, set[Request]()
            for request in state.requests:
                if request.life != state.workers[request.worker].life:
                    since = self._unheard.setdefault(request, now)
                    fenced = request.kind == "commit" and request.epoch != state.epochs[request.claimant]
                    if fenced or now - since > _ON_ITS_WAY_SECONDS:
                        gone.add(request)
            state = state._replace(requests=state.requests - gone) if gone else state
            kept.add(one._replace(state=with_low_epochs(state, self._model.id_of)))
        return kept

    # --- lines ---------------------------------------------------------------------------------------------------

    def _follow(self, seen: _Followed, line: TraceLine) -> Iterator[_Followed]:
        """Yield what may be after a line."""
        if line.kind == KILLED:
            happened = frozenset(one for one in seen.happened if one[0][1] != line.worker)
            yield _Followed(killed(seen.state, line.worker), happened)
        elif line.kind == ASKED:
            yield from (seen._replace(state=state) for state in self._asked_for(seen.state, line))
        else:
            yield from self._answered(seen, line)

    def _asked_for(self, state: ModelState, line: TraceLine) -> Iterable[ModelState]:
        """Yield what may be after a worker has asked for something."""
        if line.what == "claim":
            return self._claims(state, line)
        if line.what == "commit":
            return self._commits(state, line)
        if line.what == "remove":
            return self._removes(state, line)
        worker = state.workers[line.worker]
        if line.what == "initialise":  # whatever producer there was is dropped
            state = unheard(state, line.worker, "commit") if worker.committing else state
            dropped = worker._replace(epoch=0, checked=False, committing=False)
            return [with_worker(state, line.worker, dropped)]
        if line.what == "read" and worker.parts[line.shard].phase is Phase.OWNED:  # it may always be read again
            return [with_part(state, line.worker, line.shard, worker.parts[line.shard]._replace(phase=Phase.READING))]
        return [state]

    def _claims(self, state: ModelState, line: TraceLine) -> Iterator[ModelState]:
        """Yield what may be after a claim was sent. A shard that is claimed anew was given up before."""
        if line.keys[0] in self._numbers:
            return  # no two claims have the same key
        before = (
            [state]
            if line.renews
            else [given_up(one, line.worker, line.shard) for one in self._maybe_committing(state, line)]
        )
        for one in before:
            if line.renews == (one.workers[line.worker].parts[line.shard].phase is Phase.RENEWING):
                yield from self._after(one, f"{line.worker}, shard {line.shard}: claims")

    def _maybe_committing(self, state: ModelState, line: TraceLine) -> Iterator[ModelState]:
        """Yield what may be when a shard is taken anew: records of it may have been sent, the end not asked for yet."""
        yield state
        for after in self._after(state, f"{line.worker} commits"):
            if line.shard in dict(sent(state, after)):
                yield after

    def _commits(self, state: ModelState, line: TraceLine) -> Iterator[ModelState]:
        if line.known in under_way(state, line.worker):
            yield state
        for after in self._after(state, f"{line.worker} commits"):
            if sent(state, after) == line.known:
                yield after

    def _removes(self, state: ModelState, line: TraceLine) -> Iterator[ModelState]:
        """Yield what may be when claims are removed: its own ones, one by one, or those of others that were fenced."""
        worker = state.workers[line.worker]
        if any(key not in self._numbers for key in line.keys):
            return  # nobody has written them
        numbers = {self._numbers[key] for key in line.keys}
        mine = [one for one in worker.wrote if one.number in numbers]
        being_removed = [
            {one.number for one in request.claims}
            for request in state.requests
            if (request.kind, request.worker, request.life, request.shard)
            == ("remove", line.worker, worker.life, line.shard)
        ]
        if numbers in being_removed:
            yield state  # with the step that fenced them
        elif len(numbers) == len(mine) == 1 and line.keys[0] not in self._stay:
            yield from self._removes_own(state, line, mine[0])

    def _removes_own(self, state: ModelState, line: TraceLine, claim: Claim) -> Iterator[ModelState]:
        worker = state.workers[line.worker]
        part = worker.parts[line.shard]
        if claim.claimant != self._model.id_of(line.worker, worker):
            return  # a commit under a former id may be on its way
        if claim in (part.claim, part.left):
            yield from self._after(state, f"{line.worker}, shard {line.shard}: releases")
            yield from self._after(state, f"{line.worker}, shard {line.shard}: withdraws")
            return
        # One by which it did not come to hold the shard.
        if not any(one.kind == "commit" and one.worker == line.worker for one in state.requests):
            request = Request("remove", line.worker, worker.life, line.shard, frozenset([claim]))
            yield state._replace(requests=state.requests | {request})

    def _answered(self, seen: _Followed, line: TraceLine) -> Iterator[_Followed]:
        """Yield what may be after a worker has an answer, or waits for none any more."""
        key, state = (line.what, line.worker, line.shard), seen.state
        known = {outcome for one, outcome in seen.happened if one == key}
        after = seen._replace(happened=frozenset(one for one in seen.happened if one[0] != key))
        if line.outcome is None or line.outcome is False:
            yield from (after._replace(state=one) for one in self._not_done(state, line))
        elif line.what == "initialise" and line.at != state.workers[line.worker].at:
            yield after._replace(state=self._under_id(state, line))
        elif self._may_be_done(state, line, known):
            yield after

    def _not_done(self, state: ModelState, line: TraceLine) -> Iterator[ModelState]:
        """Yield what may be when a worker has an error, and perhaps does not know whether it was done."""
        if line.what == "commit" and line.outcome is None:
            yield from self._in_doubt(state, line)
            return
        removing = line.what == "remove" and state.workers[line.worker].parts[line.shard].phase is Phase.REMOVING
        state = unheard(state, line.worker, line.what, line.shard)
        yield given_up(state, line.worker, line.shard) if removing else state

    def _may_be_done(self, state: ModelState, line: TraceLine, known: set[int]) -> bool:
        """Return whether a worker may be told that it was done. `known`: what it would be told, if it was."""
        worker = state.workers[line.worker]
        if line.what == "check":
            return worker.checked
        if line.what == "read":
            part = worker.parts[line.shard]  # it was given up meanwhile, by a check, if it is not read
            return part.phase is not Phase.READING and (not known or line.outcome in (True, part.known))
        if line.what == "fence" and worker.parts[line.shard].phase is not Phase.FENCING:
            return True  # or it was given up
        return line.outcome in known or (line.what == "look" and line.renews and bool(known))

    def _under_id(self, state: ModelState, line: TraceLine) -> ModelState:
        """Return the state after a worker has gone on under another id, which it has initialised."""
        while state.workers[line.worker].at != line.at:
            _, state = self._model.switched(state, line.worker, state.workers[line.worker])
        worker = state.workers[line.worker]
        own = self._model.id_of(line.worker, worker)
        epochs = put(state.epochs, own, state.epochs[own] + 1)
        # Nothing is held under this id yet that could be checked.
        return with_worker(state._replace(epochs=epochs), line.worker, worker._replace(epoch=epochs[own], checked=True))

    def _in_doubt(self, state: ModelState, line: TraceLine) -> Iterator[ModelState]:
        """Yield what may be when a worker does not know whether its commit was done: it reads the shards again."""
        worker = state.workers[line.worker]
        if worker.committing:
            yield from self._after(state, f"{line.worker} waits for a commit no more")
            return
        parts = list(worker.parts)
        for shard, _ in line.known:
            if parts[shard].phase is Phase.OWNED:
                parts[shard] = parts[shard]._replace(phase=Phase.READING)
        yield with_worker(state, line.worker, worker._replace(epoch=0, checked=False, parts=tuple(parts)))

    # --- steps of the model --------------------------------------------------------------------------------------

    def _closed(self, seen: set[_Followed]) -> set[_Followed]:
        """Return what may be after any of the steps that nobody has the answer of."""
        found, waiting = set(seen), list(seen)
        while waiting:
            for after in self._unseen(waiting.pop()):
                if after not in found:
                    found.add(after)
                    waiting.append(after)
        return found

    def _unseen(self, seen: _Followed) -> Iterator[_Followed]:
        for name, state in self._goes_on.steps(seen.state):
            if name.endswith("knows that claims are removed"):
                yield seen._replace(state=state)
            elif (found := happened(name, seen.state, state)) is not None:
                key, outcome, alive = found
                if not alive or (key[0] == "fence" and self._fences_nobody(seen.state, key)):
                    yield seen._replace(state=state)
                elif self._asked.get(key):
                    yield _Followed(state, seen.happened | {(key, outcome)})

    def _fences_nobody(self, state: ModelState, key: Key) -> bool:
        """Return whether the other claims are under the worker's present id, and it wrote them itself."""
        _, number, shard = key
        worker = state.workers[number]
        own = self._model.id_of(number, worker)
        return all(one.claimant == own and one in worker.wrote for one in worker.parts[shard].others)

    def _after(self, state: ModelState, wanted: str) -> Iterator[ModelState]:
        yield from (after for name, after in self._model.steps(state) if name == wanted)


def _shown(lines: Sequence[TraceLine], number: int, why: str) -> str:
    return "\n".join([*map(str, lines[max(0, number - _SHOWN) : number + 1]), why])
