"""Whatever comes to a chat with two outputs: each verifies by itself, and they differ in their own GAPs only."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.transcript import fold
from bridge.transcript.entries import GAP
from bridge.transcript.gap_codes import NOT_RECORDED, OUTPUT_ADDED, TOO_LARGE
from tests.capture.test_any_inputs import INPUTS, failing
from tests.capture.test_session_store import NOW, SECOND
from tests.capture.two_outputs import BOTH, WHOLE, RecordedOutputs


@given(INPUTS, st.integers(0, 4))
def test_each_output_verifies_whatever_comes_and_whenever_the_second_one_is_added(
    transactions: list[list[Any]], added: int
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(fold, "fingerprint", failing)
        shards = [RecordedOutputs(*(BOTH if added == 0 else [WHOLE])) for _ in range(2)]
        now = NOW
        for number, transaction in enumerate(transactions, 1):
            now += ("wait" in transaction) * 40 * SECOND
            for shard in shards:
                shard.fold(*(one for one in transaction if not isinstance(one, str)), now=now)
            shards[1].restart(*(BOTH if number >= added else [WHOLE]))  # always; the other one only when it has to
            if "restart" in transaction or number == added:
                shards[0].restart(*(BOTH if number >= added else [WHOLE]))
            assert shards[0].whole == shards[1].whole
            assert shards[0].masked == shards[1].masked
        whole, masked = shards[0].whole, shards[0].masked
        assert [str(finding) for finding in (*whole.findings(), *masked.findings())] == []
        there = masked.records()
        same = whole.records()[len(whole.records()) - len(there) :]
        assert [one["sequence"] for one in there] == [one["sequence"] for one in same]
        for here, elsewhere in zip(there, same, strict=True):
            if here["gap"] and here["gap"]["code"] == OUTPUT_ADDED:
                assert here is there[0]
            elif here["id"] != elsewhere["id"]:
                assert here["kind"] == GAP
                assert here["gap"]["code"] in {TOO_LARGE, NOT_RECORDED}
                assert here["gap"]["fromEventId"] == elsewhere["eventId"]
