"""What the judge of a log demands follows from the model: a way through the model leaves a log of each shard behind.

Without a step left out, the judge accepts it, wherever the way leads. If leaving out a step gives two writers, it
refuses the log of the shard that they write.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Final

import pytest

from tests.handover.claim_model import ClaimModel, TwoWritersError
from tests.handover.claim_states import Bounds, HandoverStep
from tests.handover.claimed_log import ClaimedLog
from tests.handover.test_claim_model import bounds_without
from tests.handover.writer_order import judge
from tests.support.log_batches import LogBatch
from tests.support.reachable_states import ForbiddenStateFound

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.handover.claim_states import Claim, ModelState, Request

WALKS: Final = 150
STEPS: Final = 120
WIDE: Final = Bounds(takes=12, commits=30, epochs=12, crashes=3, setbacks=3)
WALKED: Final = {
    "two workers": WIDE,
    "three workers, two shards": replace(WIDE, workers=3, shards=2),
    "two ids": replace(WIDE, ids=2, switches=4, markers=True),
    "three workers with two ids": replace(WIDE, workers=3, ids=2, switches=4, markers=True),
}
_DECIDED: Final = "is done"
_MARKED: Final = re.compile(r"a commit of id (\d+) is marked in shard (\d+)")


class ModelLogs:
    """The logs of all shards after some steps."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self.logs = [ClaimedLog(_number) for _ in range(bounds.shards)]

    def step(self, name: str, before: ModelState, after: ModelState) -> None:
        """Write what a step leaves in the logs."""
        sent, gone = after.requests - before.requests, before.requests - after.requests
        if name.endswith(" commits"):
            [request] = sent
            for shard, known, _ in request.known:
                value = str(known + 1).encode()
                self._append(shard, request.claimant, request.epoch, [(b"A", value)], transactional=True)
        elif name.endswith("arrives"):
            [request] = gone
            self._append(request.shard, -1, 0, map(self._claim, request.claims))
        elif name.endswith("removed") and gone:
            [request] = gone
            self._append(request.shard, -1, 0, ((self._claim(one)[0], None) for one in request.claims))
        elif name.endswith(_DECIDED) and not self._bounds.markers:
            [request] = gone
            self.decide(request)
        elif match := _MARKED.fullmatch(name):
            self.mark(int(match[2]), int(match[1]), before.epochs[int(match[1])])

    def decide(self, request: Request) -> None:
        for shard, *_ in request.known:
            self.mark(shard, request.claimant, request.epoch)

    def problems(self) -> list[str]:
        """Return what the judge says, but for a shard without commits."""
        ids = {number: self._name(number) for number in range(self._bounds.workers * self._bounds.ids)}
        found = [judge(log, ids, f"group-{shard}") for shard, log in enumerate(self.logs)]
        return [problem for one in found if one.commits for problem in one.problems]

    def mark(self, shard: int, claimant: int, epoch: int) -> None:
        self._append(shard, claimant, epoch, [(b"", b"")], transactional=True, commits=True)

    def _claim(self, claim: Claim) -> tuple[bytes, bytes | None]:
        worker = claim.claimant // self._bounds.ids
        return f"/claim/{worker}/{claim.number}".encode(), self._name(claim.claimant).encode()

    def _name(self, claimant: int) -> str:
        worker, which = divmod(claimant, self._bounds.ids)
        return f"group-worker:{worker}" + (f":{which + 1}" if which else "")

    def _append(
        self,
        shard: int,
        producer: int,
        epoch: int,
        records: Iterable[tuple[bytes, bytes | None]],
        *,
        transactional: bool = False,
        commits: bool | None = None,
    ) -> None:
        log, written = self.logs[shard], tuple(records)
        last = log.position + len(written) - 1
        log.take(LogBatch(log.position, last, producer, epoch, transactional, written, commits))


def _number(records: Iterable[tuple[bytes | None, bytes | None]]) -> int | None:
    return next((int(value) for _, value in records if value), None)


@pytest.mark.parametrize("bounds", WALKED.values(), ids=WALKED)
def test_the_log_of_every_walk_is_accepted(bounds: Bounds) -> None:
    model, rng, commits = ClaimModel(bounds, any_shards=True), Random(1), 0
    for _ in range(WALKS):
        logs, state = ModelLogs(bounds), model.first
        for _ in range(STEPS):
            steps = list(model.steps(state))
            if not steps:
                break
            name, after = rng.choice(steps)
            logs.step(name, state, after)
            state = after
        assert logs.problems() == []
        commits += sum(state.commits)
    assert commits > WALKS


def way_to_two_writers(step: HandoverStep) -> list[tuple[str, ModelState]]:
    """Return a shortest way to two writers without this step: each step's name and the state after it."""
    model = ClaimModel(bounds_without(step), without=step)
    with pytest.raises(TwoWritersError, match=r"commits shard 0 after \d of \d commits\Z") as found:
        model.explore()
    *names, _ = str(found.value).splitlines()
    way = [("", model.first)]
    for name in names:
        way.append((name, next(after for said, after in _possible(model, way[-1][1]) if said == name)))
    return way


def logs_of_way(step: HandoverStep, way: Sequence[tuple[str, ModelState]]) -> ModelLogs:
    """Return what a way to two writers leaves behind, with the commit at its end."""
    logs, (_, last) = ModelLogs(bounds_without(step)), way[-1]
    for (_, before), (name, after) in pairwise(way):
        logs.step(name, before, after)
    for claimant, shard in last.unmarked:
        logs.mark(shard, claimant, last.epochs[claimant])
    [request] = [one for one in last.requests if _forbidden(last, one)]
    logs.decide(request)
    return logs


def _possible(model: ClaimModel, state: ModelState) -> list[tuple[str, ModelState]]:
    found: list[tuple[str, ModelState]] = []
    try:
        found.extend(model.steps(state))
    except ForbiddenStateFound:
        return found
    return found


def _forbidden(state: ModelState, request: Request) -> bool:
    accepted = request.kind == "commit" and request.epoch == state.epochs[request.claimant]
    return accepted and any(state.commits[shard] != known for shard, known, _ in request.known)


@pytest.mark.parametrize("step", list(HandoverStep))
def test_without_any_one_step_there_may_be_two_writers_whose_log_is_refused(step: HandoverStep) -> None:
    way = way_to_two_writers(step)
    assert logs_of_way(step, way).problems()
