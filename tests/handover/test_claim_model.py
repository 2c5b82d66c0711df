"""Workers that hand shards over by claims never write one at the same time.

Without any one of the steps they may: `test_writer_order_of_model.py`.
"""

from __future__ import annotations

import pytest

from tests.handover.claim_model import ClaimModel
from tests.handover.claim_states import Bounds, HandoverStep

BOUNDS = {
    "two workers": (Bounds(crashes=0), 48_205),
    "two workers that crash": (Bounds(takes=2), 13_501),
    "two workers that crash and take a shard three times": (Bounds(commits=1, releases=False), 22_299),
    "two shards": (Bounds(shards=2, crashes=0, commits=1, epochs=2, releases=False), 29_621),
    "two workers that are set back": (Bounds(takes=2, crashes=0, setbacks=1), 17_079),
    "two ids": (Bounds(takes=2, crashes=0, epochs=2, ids=2, switches=1, markers=True), 21_053),
    "two ids, and a worker that crashes": (
        Bounds(takes=2, commits=1, epochs=2, releases=False, ids=2, switches=1, markers=True),
        25_477,
    ),
    "two ids, changed twice": (
        Bounds(takes=2, crashes=0, epochs=2, releases=False, ids=2, switches=2, markers=True),
        41_596,
    ),
    "two ids, two shards": (
        Bounds(shards=2, takes=2, crashes=0, commits=1, epochs=2, releases=False, ids=2, switches=1, markers=True),
        20_553,
    ),
    "two processes with one id": (Bounds(takes=2, crashes=0, epochs=5, twins=True), 26_213),
    "two processes with one id that are set back": (
        Bounds(takes=2, crashes=0, epochs=4, releases=False, setbacks=1, twins=True),
        24_045,
    ),
    "two workers that leave what they are taking": (Bounds(crashes=0, releases=False, withdrawals=True), 50_201),
    "two workers that leave what they are taking, and are set back": (
        Bounds(takes=2, crashes=0, releases=False, setbacks=1, withdrawals=True),
        17_915,
    ),
    "three workers": (Bounds(workers=3, crashes=0, commits=1, epochs=2, releases=False), 29_643),
}
"""Each with its number of states: fewer mean that workers do not get as far, more that they do something else."""

ANOTHER_ID = {
    HandoverStep.CLAIM_ANEW,
    HandoverStep.FENCE_FORMER_ID,
    HandoverStep.RENEW_LAST,
    HandoverStep.KEEP_FORMER_CLAIMS,
    HandoverStep.ONLY_ABORT_FENCES,
    HandoverStep.READ_STABLE,
}
"""Steps that matter only where a worker goes on under another id, and a commit is not marked everywhere at once."""


@pytest.mark.parametrize(("bounds", "states"), BOUNDS.values(), ids=BOUNDS)
def test_no_two_workers_write_a_shard_in_any_reachable_state(bounds: Bounds, states: int) -> None:
    assert ClaimModel(bounds).explore() == states


def bounds_without(step: HandoverStep) -> Bounds:
    """Return bounds within which there are two writers without this step."""
    if step is HandoverStep.CHECK_EVERY_SHARD:
        return Bounds(shards=2, crashes=0, releases=False)
    if step is HandoverStep.READ_AFTER_OWN:
        return Bounds(crashes=0, setbacks=1)
    if step is HandoverStep.WITHDRAW_WHEN_REMOVED:
        return Bounds(crashes=0, releases=False, withdrawals=True)
    if step is HandoverStep.FENCE_OWN_ID:
        return Bounds(takes=2, crashes=0, epochs=5, twins=True)
    if step in ANOTHER_ID:
        return Bounds(crashes=0, epochs=2, releases=False, ids=2, switches=1, markers=True)
    return Bounds(crashes=0)
