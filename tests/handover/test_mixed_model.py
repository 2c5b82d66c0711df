"""Workers of both settings never write a shard at the same time; without any one of the steps they may."""

from __future__ import annotations

import pytest

from tests.handover.claim_model import TwoWritersError
from tests.handover.claim_states import Bounds, MixedStep
from tests.handover.mixed_model import MixedModel

BOUNDS = {
    "one of each": (Bounds(workers=1, own=1, takes=3, crashes=0, commits=1), 22_237),
    "one of each, and crashes": (Bounds(workers=1, own=1, takes=2, commits=2), 6_859),
    "one of each, and what is not marked": (
        Bounds(workers=1, own=1, takes=2, crashes=0, markers=True, strays=1),
        10_166,
    ),
    "one of each, and another id": (
        Bounds(
            workers=1, own=1, takes=3, crashes=0, commits=1, epochs=2, releases=False, ids=2, switches=1, markers=True
        ),
        12_861,
    ),
    "two with an id of their own": (
        Bounds(workers=2, own=1, takes=3, crashes=0, commits=1, epochs=2, releases=False),
        31_390,
    ),
    "two with an id for each shard": (
        Bounds(workers=1, own=2, takes=3, crashes=0, commits=1, epochs=2, releases=False),
        8_259,
    ),
}
"""Each with its number of states: fewer mean that workers do not get as far, more that they do something else."""


@pytest.mark.parametrize(("bounds", "states"), BOUNDS.values(), ids=BOUNDS)
def test_no_two_workers_write_a_shard_in_any_reachable_state(bounds: Bounds, states: int) -> None:
    assert MixedModel(bounds).explore() == states


@pytest.mark.parametrize("step", list(MixedStep))
def test_without_any_one_step_two_workers_may_write_a_shard(step: MixedStep) -> None:
    bounds = Bounds(workers=1, own=1, takes=3, crashes=0, commits=1, releases=False)
    if step is MixedStep.READ_AGAIN:
        bounds = Bounds(workers=1, own=1, takes=2, crashes=0, releases=False)
    if step is MixedStep.READ_ALL:
        bounds = Bounds(workers=1, own=1, takes=2, crashes=0, commits=1, releases=False, strays=1)
    with pytest.raises(TwoWritersError, match=r"commits shard 0 after \d of \d commits\Z"):
        MixedModel(bounds, without=step).explore()
