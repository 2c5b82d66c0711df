"""A chat has one owner and one story while partitions are raised; without any one of the steps it may not."""

from __future__ import annotations

import pytest

from tests.growth.growth_model import GrowthBounds, GrowthModel, GrowthStep, PromiseBrokenError

BOUNDS = {
    "a chat that moves": (GrowthBounds(), 3_590),
    "a chat that stays": (GrowthBounds(events=1, moves=False), 1_321),
    "three announcements": (GrowthBounds(announcements=3, events=1, crashes=0), 2_899),
    "raised twice": (GrowthBounds(homes=(0, 1, 2), events=1, crashes=0), 28_556),
    "raised twice, and the chat stays": (GrowthBounds(homes=(0, 1, 2), events=1, crashes=0, moves=False), 14_844),
    "raised twice, and back on the first partition": (GrowthBounds(homes=(0, 1, 0), announcements=1, events=1), 1_670),
}
"""Each with its number of states: fewer mean that shards do not get as far, more that they do something else."""


@pytest.mark.parametrize(("bounds", "states"), BOUNDS.values(), ids=BOUNDS)
def test_a_chat_has_one_owner_and_one_story_in_any_reachable_state(bounds: GrowthBounds, states: int) -> None:
    assert GrowthModel(bounds).explore() == states


NEEDED_BY_CHATS_THAT_STAY = {
    GrowthStep.ANNOUNCEMENTS_LAST: "a partition that is not there",
    GrowthStep.ADOPT_DURABLY: "two owners",
    GrowthStep.ASK: "two owners",
}


@pytest.mark.parametrize("step", list(GrowthStep))
def test_three_steps_are_enough_for_chats_that_stay(step: GrowthStep) -> None:
    model = GrowthModel(GrowthBounds(events=1, moves=False), without=step)
    if step in NEEDED_BY_CHATS_THAT_STAY:
        with pytest.raises(PromiseBrokenError, match=rf"{NEEDED_BY_CHATS_THAT_STAY[step]}.*\Z"):
            model.explore()
    else:
        assert model.explore() > 0


BROKEN = {
    GrowthStep.ANNOUNCEMENTS_LAST: "a partition that is not there",
    GrowthStep.ADOPT_DURABLY: "two owners",
    GrowthStep.ADOPT_GIVEN: "two owners",
    GrowthStep.TELL_LAST: "two owners",
    GrowthStep.ASK: "two owners",
    GrowthStep.GIVE_AT_ONCE: "nobody follows the chat",
    GrowthStep.DELETE: "two owners",
    GrowthStep.GIVE_DELIVERED: r"reads the events \[1, 1\]",
    GrowthStep.DROP_REST: "records of the chat to which no MOVED leads",
    GrowthStep.TAKE_AT_ONCE: "two owners",
}


@pytest.mark.parametrize("step", list(GrowthStep))
def test_without_any_one_step_a_promise_may_be_broken(step: GrowthStep) -> None:
    raised_twice = step is GrowthStep.TELL_LAST
    bounds = GrowthBounds(homes=(0, 1, 2), events=0, crashes=0) if raised_twice else GrowthBounds(events=1)
    with pytest.raises(PromiseBrokenError, match=rf"{BROKEN[step]}.*\Z"):
        GrowthModel(bounds, without=step).explore()
