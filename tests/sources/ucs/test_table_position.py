"""Following a table: what each row says, when unfinished chats are asked again, and that the position can be stored."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.sources.ucs.interaction_rows import InteractionRow
from bridge.sources.ucs.table_position import RowNews, TablePosition

START = datetime(2031, 3, 4, 10)  # noqa: DTZ001 - the column has no zone
NOW = 1_930_000_000
DAY = 86_400


def row(text: str | None, *, status: int = 3, row_id: str = "S1", second: int = 0) -> InteractionRow:
    return InteractionRow(row_id, status, START + timedelta(seconds=second), text)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([row("a"), row("a"), row("b"), row("b")], [RowNews.FINAL, RowNews.NOTHING, RowNews.CHANGED, RowNews.NOTHING]),
        ([row(None, status=2), row("a", status=2), row("a", status=2)],
         [RowNews.NOTHING, RowNews.GROWN, RowNews.NOTHING]),
        ([row("a", status=2), row("a"), row("a")], [RowNews.GROWN, RowNews.FINAL, RowNews.NOTHING]),
        ([row(None), row("a")], [RowNews.NOTHING, RowNews.FINAL]),
        ([row("a"), row(None), row("a")], [RowNews.FINAL, RowNews.NOTHING, RowNews.NOTHING]),
        ([row("a"), row("b", status=2), row("a")], [RowNews.FINAL, RowNews.CHANGED, RowNews.CHANGED]),
    ],
)  # fmt: skip
def test_each_row_says_what_was_not_known(rows: list[InteractionRow], expected: list[RowNews]) -> None:
    position = TablePosition(START)
    assert [position.take(one, NOW) for one in rows] == expected
    assert not rows[-1].is_final or position.waiting == {}


def test_an_unfinished_chat_is_asked_after_a_minute_and_twice_as_late_each_time_up_to_an_hour() -> None:
    position = TablePosition(START)
    position.take(row(None, status=2), NOW)
    now, waits = NOW, []
    for _ in range(9):
        due = position.waiting["S1"].due
        assert position.due(due - 1) == []
        assert position.due(due) == ["S1"]
        waits.append(due - now)
        now = due
        position.take(row(None, status=2), now)
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    position.take(row(None, status=2), now + 1)  # read with a page, before it is due
    assert position.due(now + 3599) == []
    position.take(row("a", status=2), now + 2)
    assert position.due(now + 62) == ["S1"]
    position.take(row("a"), now + 62)
    assert position.waiting == {}


def test_a_chat_that_is_over_without_a_text_is_missing_after_a_day_once_and_final_if_the_text_comes() -> None:
    position = TablePosition(START)
    assert position.take(row(None), NOW) is RowNews.NOTHING
    assert position.take(row(None), NOW + DAY - 1) is RowNews.NOTHING
    assert position.take(row(None), NOW + DAY) is RowNews.MISSING
    assert position.take(row(None), NOW + 2 * DAY) is RowNews.NOTHING
    assert position.waiting == {}
    assert position.take(row("a"), NOW + 3 * DAY) is RowNews.FINAL


def test_the_table_is_read_from_an_hour_before_the_highest_row_so_that_late_commits_are_seen() -> None:
    position = TablePosition(START)
    position.take(row("a", row_id="S2", second=7200), NOW)
    position.take(row("a", row_id="LATE", second=3600), NOW)
    assert (position.start, position.id) == (START + timedelta(hours=2), "S2")
    assert position.begin() == START + timedelta(hours=1)


def test_hashes_of_long_ago_are_forgotten_but_not_those_that_are_needed() -> None:
    position = TablePosition(START)
    position.take(row("a", row_id="OLD"), 0)
    position.take(row("a", row_id="WAITS", status=2), 0)
    position.take(row("a", row_id="NEW", second=40 * DAY), 0)
    position.forget(int(START.timestamp()) + 41 * DAY)
    assert position.texts.keys() == {"WAITS", "NEW"}


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from([None, "a", "b"]), st.sampled_from([2, 3]))))
def test_a_stored_position_goes_on_as_if_it_had_not_been_stored(rows: list[tuple[str, str | None, int]]) -> None:
    kept = again = TablePosition(START)
    for at, (row_id, text, status) in enumerate(rows):
        again = msgspec.msgpack.decode(msgspec.msgpack.encode(again), type=TablePosition)
        one = row(text, status=status, row_id=row_id, second=at)
        assert kept.take(one, NOW + 50 * at) is again.take(one, NOW + 50 * at)
        assert again == kept
