"""A chat has one owner, on one partition, while partitions are raised; without any one of the steps it may have two."""

from __future__ import annotations

import pytest

from tests.growth.growth_model import GrowthBounds, GrowthModel, GrowthStep, PromiseBrokenError

BOUNDS = {
    "raised once": (GrowthBounds(events=2), 2_645),
    "three announcements": (GrowthBounds(announcements=3), 5_210),
    "raised twice": (GrowthBounds(homes=(0, 1, 2), crashes=0), 18_180),
    "raised twice, the first time to the same partition": (GrowthBounds(homes=(0, 0, 1)), 3_696),
    "raised twice, and back to the first partition": (GrowthBounds(homes=(0, 1, 0)), 8_843),
}
"""Each with its number of states: fewer mean that shards do not get as far, more that they do something else."""


@pytest.mark.parametrize(("bounds", "states"), BOUNDS.values(), ids=BOUNDS)
def test_a_chat_has_one_owner_and_stays_on_one_partition_in_any_reachable_state(
    bounds: GrowthBounds, states: int
) -> None:
    assert GrowthModel(bounds).explore() == states


BROKEN = {
    GrowthStep.ANNOUNCEMENTS_LAST: "a partition that is not there",
    GrowthStep.ADOPT_DURABLY: "two owners",
    GrowthStep.ASK: "two owners",
}


@pytest.mark.parametrize("step", list(GrowthStep))
def test_without_any_one_step_a_promise_may_be_broken(step: GrowthStep) -> None:
    with pytest.raises(PromiseBrokenError, match=rf"{BROKEN[step]}.*\Z"):
        GrowthModel(GrowthBounds(), without=step).explore()
