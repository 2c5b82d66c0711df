"""A history in parts of which not all come, or one fails: what is told of its chat is what `verify` finds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bridge.transcript import fold
from bridge.transcript.updates import JoinRefused, Verdict
from tests.capture.recorded_shard import RecordedShard
from tests.capture.test_any_inputs import failing
from tests.capture.test_session_store import NOW, announcement
from tests.capture.test_whole_or_not_at_all import DEFECT
from tests.support.core_forms import replaces_a_part
from tests.support.reasons import A_REFUSAL
from tests.transcript.build import CHAT, history, joined, push, said
from tests.transcript.test_parts import parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator

GONE = JoinRefused(CHAT, 0, A_REFUSAL, Verdict.GONE, NOW)


@pytest.fixture(name="shard")
def _shard() -> Iterator[RecordedShard]:
    """A chat that was given up after event 2, and announced again; events with the text DEFECT meet one."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(fold, "fingerprint", failing)
        shard = RecordedShard()
        shard.fold(history(joined(1), said(2)), GONE)
        shard.fold(announcement(offset=1))
        yield shard


def certified(shard: RecordedShard) -> list[tuple[str, list[Any], list[Any]]]:
    def edges(gaps: list[dict[str, Any]]) -> list[tuple[int | None, int | None]]:
        return [(gap["fromEventId"], gap["toEventId"]) for gap in gaps]

    return [(one["verdict"], edges(one["gaps"]), edges(one["filled"])) for one in shard.certificates()]


def test_a_chat_that_is_over_before_the_rest_of_its_history_came_has_its_earlier_gap_still(
    shard: RecordedShard,
) -> None:
    first, _ = parts_of(history(joined(1), said(2), said(4), said(6)), {4})
    shard.fold(first)
    shard.restarted().fold(GONE)
    assert shard.outline() == [1, 2, "GAP", "RESUMED", "GAP", 4, "GAP"]
    assert certified(shard)[-1] == ("INCOMPLETE", [(3, None), (3, 3), (5, None)], [])
    assert shard.findings() == []


@replaces_a_part
@pytest.mark.parametrize("failed", [0, 1, 2])
def test_what_follows_a_history_of_which_a_part_failed_is_verified(shard: RecordedShard, failed: int) -> None:
    told = [said(4), said(6), said(8)]
    told[failed] = said(told[failed].event_id, DEFECT)
    for part in parts_of(history(joined(1), said(2), *told), {4, 6}):
        shard.fold(part)
        shard.restarted()
    shard.fold(push(said(9), over=True))
    lost = 4 + 2 * failed
    assert shard.findings() == []
    verdict, gaps, filled = certified(shard)[-1]
    assert (verdict, (lost, lost) in gaps, filled) == ("INCOMPLETE", True, [(3, None)])
