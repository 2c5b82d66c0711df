"""Workers that hand shards over by claims never write one at the same time; without any one of the steps they may."""

from __future__ import annotations

import pytest

from tests.handover.claim_model import Bounds, ClaimModel, HandoverStep, TwoWritersError

BOUNDS = {
    "two workers": Bounds(crashes=0),
    "two workers that crash": Bounds(commits=1),
    "two shards": Bounds(shards=2, crashes=0, commits=1, epochs=2),
    "three workers": Bounds(workers=3, crashes=0, commits=1, epochs=2),
}
STATES = 40_000
"""All bounds have more: fewer would mean that workers cannot get far."""


@pytest.mark.parametrize("bounds", BOUNDS.values(), ids=BOUNDS)
def test_no_two_workers_write_a_shard_in_any_reachable_state(bounds: Bounds) -> None:
    assert ClaimModel(bounds).explore() > STATES


@pytest.mark.parametrize("step", list(HandoverStep))
def test_without_any_one_step_two_workers_may_write_a_shard(step: HandoverStep) -> None:
    shards = 2 if step is HandoverStep.CHECK_EVERY_SHARD else 1
    with pytest.raises(TwoWritersError, match=r"commits shard 0 after \d of \d commits\Z"):
        ClaimModel(Bounds(shards=shards, crashes=0), without=step).explore()
