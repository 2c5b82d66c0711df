"""Following a table: what each row says, when chats are asked again, what is forgotten, and that it can be stored."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.sources.ucs.followed_chats import BUCKET_CHATS
from bridge.sources.ucs.interaction_rows import PagePlace, ReadText, RowHead
from bridge.sources.ucs.position_format import PositionUnreadable
from bridge.sources.ucs.table_position import ARCHIVE, MAIN, FollowingRules, RowNews, TablePosition, us_of

START: Final = datetime(2031, 3, 4, 10)  # noqa: DTZ001 - the column has no zone
NOW: Final = us_of(START) // 1_000_000 + 600
DAY: Final = 86_400
ALWAYS: Final = FollowingRules(near_live=True)
ANY_NEWS: Final = st.lists(
    st.tuples(st.sampled_from("ABC"), st.sampled_from([None, "a", "b", "cc"]), st.sampled_from([2, 3]))
)


class KeptPosition:
    """A position, and the storage that it is kept in."""

    def __init__(self, rules: FollowingRules = ALWAYS) -> None:
        self.rules = rules
        self.stored: dict[str, bytes] = {}
        self.position = TablePosition(rules, {}, NOW, START)
        self.store()

    def take(
        self,
        text: str | None,
        now: int = NOW,
        *,
        status: int = 3,
        row: str = "S1",
        second: float = 0,
    ) -> RowNews:
        """Read a row as the feeder does, and store what is to be stored."""
        head = RowHead(row, status, START + timedelta(seconds=second), None if text is None else len(text))
        read = ReadText(text) if self.position.wants(head, now) else None
        news = self.position.take(head, read, now)
        self.position.passed(head, now, MAIN)
        self.store()
        return news

    def store(self) -> dict[str, bytes | None]:
        changes = self.position.changes()
        for name, value in changes.items():
            if value is None:
                del self.stored[name]
            else:
                self.stored[name] = value
        return changes

    def again(self, now: int = NOW) -> None:
        """Go on with what is stored."""
        self.position = TablePosition(self.rules, self.stored, now, START + timedelta(days=9))

    @property
    def remembered(self) -> set[str]:
        return {chat.id for chat in self.position.chats}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("a", 3), ("a", 3), ("bb", 3), ("bb", 3)], ["FINAL", "NOTHING", "CHANGED", "NOTHING"]),
        ([(None, 2), ("a", 2), ("a", 2), ("ab", 2)], ["NOTHING", "GROWN", "NOTHING", "GROWN"]),
        ([("a", 2), ("a", 3), ("a", 3)], ["GROWN", "FINAL", "NOTHING"]),
        ([(None, 3), ("a", 3)], ["NOTHING", "FINAL"]),
        ([("a", 3), (None, 3), ("a", 3)], ["FINAL", "NOTHING", "NOTHING"]),
        ([("a", 3), ("ab", 2), ("ab", 2), ("abc", 3)], ["FINAL", "NOTHING", "GROWN", "FINAL"]),
        ([("", 3), ("a", 3)], ["NOTHING", "FINAL"]),
    ],
)
def test_each_row_says_what_was_not_known(rows: list[tuple[str | None, int]], expected: list[str]) -> None:
    followed = KeptPosition()
    assert [followed.take(text, status=status).value for text, status in rows] == expected


def test_running_rows_are_not_read_unless_it_is_near_live() -> None:
    followed = KeptPosition(FollowingRules())
    assert followed.take("a", status=2) is RowNews.NOTHING
    assert not followed.position.wants(RowHead("S1", 2, START, 5), NOW)
    assert followed.take("ab") is RowNews.FINAL


def test_an_edit_that_keeps_the_length_is_found_when_the_row_is_asked_by_its_id() -> None:
    followed = KeptPosition()
    assert followed.take("1234") is RowNews.FINAL
    assert followed.take("****") is RowNews.NOTHING
    assert followed.position.due(NOW + 899, 9) == []
    assert followed.position.due(NOW + 900, 9) == ["S1"]
    assert followed.take("****", NOW + 900) is RowNews.CHANGED


def test_an_unfinished_chat_is_asked_after_a_minute_and_twice_as_late_each_time_up_to_an_hour() -> None:
    followed = KeptPosition()
    followed.take(None, status=2)
    now, waits = NOW, []
    for _ in range(9):
        due = followed.position.next_due()
        assert due is not None
        assert followed.position.due(due - 1, 9) == []
        assert followed.position.due(due, 9) == ["S1"]
        waits.append(due - now)
        now = due
        followed.take(None, now, status=2)
    assert waits == [60, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    followed.take(None, now + 1, status=2)  # read with a page, before it is due
    assert followed.position.next_due() == now + 3600
    followed.take("a", now + 2, status=2)
    assert followed.position.next_due() == now + 62
    followed.take("a", now + 62)
    assert followed.position.chats.waiting == 0


def test_a_chat_that_is_over_without_a_text_is_missing_after_a_day_once_and_final_if_the_text_comes() -> None:
    followed = KeptPosition()
    assert followed.take(None) is RowNews.NOTHING
    assert followed.take(None, NOW + DAY - 1) is RowNews.NOTHING
    assert followed.take(None, NOW + DAY) is RowNews.NO_TEXT
    assert followed.take(None, NOW + 2 * DAY) is RowNews.NOTHING
    assert followed.position.chats.waiting == 0
    assert followed.take("a", NOW + 2 * DAY) is RowNews.FINAL


def test_a_chat_that_is_not_over_and_does_not_change_is_given_up_at_last() -> None:
    followed = KeptPosition()
    followed.take(None, status=2)
    assert followed.take(None, NOW + 30 * DAY - 1, status=2) is RowNews.NOTHING
    assert followed.take(None, NOW + 30 * DAY, status=2) is RowNews.NOT_OVER


def test_a_row_that_is_gone_is_missing_after_a_day_but_only_if_its_text_was_expected() -> None:
    followed = KeptPosition()
    followed.take(None, row="WAITS", status=2)
    followed.take("a", row="READ")
    assert followed.position.absent("WAITS", NOW + DAY - 1) is RowNews.NOTHING
    assert followed.position.absent("WAITS", NOW + DAY) is RowNews.ROW_GONE
    assert followed.position.absent("READ", NOW + 2 * DAY) is RowNews.NOTHING


def test_a_text_that_cannot_be_read_is_told_once_and_asked_again() -> None:
    followed = KeptPosition()
    head, unreadable = RowHead("S1", 3, START, 7), ReadText(unreadable="DataError XX001")
    assert followed.position.take(head, unreadable, NOW) is RowNews.UNREADABLE_ROW
    assert followed.position.take(head, unreadable, NOW + 900) is RowNews.NOTHING
    assert followed.position.wants(head, NOW + 1800)
    assert followed.position.take(head, ReadText("mended."), NOW + 1800) is RowNews.FINAL


def test_beside_a_live_door_a_text_is_passed_on_after_a_grace() -> None:
    followed = KeptPosition(FollowingRules(grace=120))
    assert followed.take("a") is RowNews.NOTHING
    assert followed.take("a", NOW + 59) is RowNews.NOTHING
    assert followed.take("a", NOW + 60) is RowNews.NOTHING
    assert followed.position.next_due() == NOW + 120
    assert followed.take("a", NOW + 120) is RowNews.FINAL


def test_the_table_is_read_from_an_overlap_before_the_highest_row_so_that_late_commits_are_seen() -> None:
    followed = KeptPosition()
    followed.take("a", NOW + 9000, row="S2", second=7200)
    followed.take("a", NOW + 9000, row="LATE", second=3600)
    assert followed.position.begin(MAIN) == PagePlace(START + timedelta(hours=1))


def test_a_row_of_the_future_does_not_take_the_bookmark_along() -> None:
    followed = KeptPosition()
    assert followed.take("a", second=90 * 365 * DAY) is RowNews.FINAL
    assert followed.position.age(NOW) == 0
    followed.position.forget(NOW)
    assert followed.remembered == {"S1"}


def test_what_the_overlap_does_not_bring_again_is_forgotten_and_what_waits_is_not() -> None:
    followed = KeptPosition()
    followed.take("a", row="OLD")
    followed.take("a", row="WAITS", status=2)
    later = NOW + 2 * DAY
    followed.take("a", later, row="WAITED", status=2)
    followed.take("a", later, row="WAITED")
    followed.take("a", later, row="NEW", second=DAY)
    assert followed.position.forget(later) == []
    assert followed.remembered == {"WAITS", "WAITED", "NEW"}  # WAITED may still be edited
    followed.position.forget(later + 3600)
    assert followed.remembered == {"WAITS", "NEW"}


def test_memory_is_bounded_and_what_is_forgotten_too_soon_is_not_read_again_as_new() -> None:
    followed = KeptPosition(FollowingRules(most_chats=3))
    for at in range(5):
        followed.take("a", row=f"S{at}", second=at // 2)
    assert followed.position.forget(NOW) == []
    assert followed.remembered == {"S2", "S3", "S4"}
    assert followed.position.begin(MAIN) == PagePlace(START, "S1")
    for at in range(4):
        followed.take(None, NOW + at, row=f"W{at}", status=2)
    assert followed.position.forget(NOW + 9) == [("W0", RowNews.LIST_FULL)]
    followed.store()
    followed.again()
    assert followed.position.begin(MAIN).id != ""


def test_the_archive_is_read_behind_the_main_table_so_that_what_is_moved_later_is_not_read_twice() -> None:
    followed = KeptPosition()
    followed.take("a", NOW + DAY, second=DAY)
    assert followed.position.begin(ARCHIVE).start < START
    followed.position.archive_read()
    assert followed.position.begin(ARCHIVE) == followed.position.begin(MAIN)


def test_a_transaction_writes_little_however_many_chats_wait() -> None:
    followed = KeptPosition()
    for at in range(2_000):
        followed.position.take(RowHead(f"{at:016}", 2, START, None), None, NOW)
    assert len(followed.store()) == 1 + -(-2_000 // BUCKET_CHATS)
    followed.position.take(RowHead(f"{700:016}", 3, START, 1), ReadText("a"), NOW)
    changes = followed.position.changes()
    assert len(changes) == 2
    assert sum(len(value or b"") for value in changes.values()) < 100 * BUCKET_CHATS
    assert followed.position.changes() == {}


def test_a_bucket_whose_chats_are_forgotten_is_deleted_with_the_next_change() -> None:
    followed = KeptPosition(FollowingRules())
    for at in range(BUCKET_CHATS):
        followed.take("a", row=f"S{at}")
    followed.take("a", NOW + DAY, row="NEW", second=DAY)
    before = set(followed.stored)
    followed.position.forget(NOW + DAY)
    assert followed.store() == {}
    followed.take("a", NOW + DAY, row="NEWER", second=DAY)
    assert len(followed.stored) == len(before) - 1


def test_a_position_of_another_version_is_read_unless_it_says_that_it_cannot_be() -> None:
    followed = KeptPosition()
    followed.take("a", status=2)
    [bucket] = [name for name in followed.stored if name != "ucs"]
    later = msgspec.json.decode(followed.stored[bucket])
    later["chats"][0].append("a field of a later version")
    followed.stored[bucket] = msgspec.json.encode({**later, "more": 1})
    followed.again()
    assert followed.remembered == {"S1"}
    first = msgspec.json.decode(followed.stored[bucket])
    first["chats"][0] = first["chats"][0][:4]  # a version that had fewer fields
    followed.stored[bucket] = msgspec.json.encode(first)
    followed.again()
    assert followed.remembered == {"S1"}
    for bad in (msgspec.json.encode({**later, "v": 2}), b"{", b'{"v": 1}', b""):
        followed.stored[bucket] = bad
        with pytest.raises(PositionUnreadable):
            followed.again()
    del followed.stored[bucket]
    followed.stored["ucs.chats.x"] = b""
    with pytest.raises(PositionUnreadable):
        followed.again()


def test_positions_of_others_are_left_alone() -> None:
    followed = KeptPosition()
    followed.take("a")
    followed.stored |= {"stored": b"\x00", "other.chats.1": b""}
    followed.again()
    assert followed.remembered == {"S1"}


@given(ANY_NEWS)
def test_a_stored_position_goes_on_as_if_it_had_not_been_stored(rows: list[tuple[str, str | None, int]]) -> None:
    kept, again = KeptPosition(), KeptPosition()
    for at, (row, text, status) in enumerate(rows):
        again.again(NOW + at)
        assert kept.take(text, NOW + at, status=status, row=row) is again.take(text, NOW + at, status=status, row=row)
        assert list(kept.position.chats) == list(again.position.chats)
        assert kept.stored == again.stored


@given(ANY_NEWS)
def test_the_last_final_text_of_each_chat_is_passed_on_once(rows: list[tuple[str, str | None, int]]) -> None:
    followed, passed_on, last = KeptPosition(), dict[str, list[str]](), dict[str, str]()
    for at, (row, text, status) in enumerate(rows):
        news = followed.take(text, NOW + 3_600 * at, status=status, row=row)
        if news in (RowNews.FINAL, RowNews.CHANGED):
            assert text is not None
            passed_on.setdefault(row, []).append(text)
        if text is not None and status == 3:
            last[row] = text
    assert {row: texts[-1] for row, texts in passed_on.items()} == last


def test_a_bulk_read_remembers_no_more_than_a_few_pages_beyond_the_overlap() -> None:
    kept, most = KeptPosition(FollowingRules()), 0
    now = NOW + 40 * DAY
    for number in range(8_000):
        kept.take(f"text {number}", now, row=f"S{number}", second=10 * number)
        if kept.position.has_grown:
            kept.position.forget(now)
        most = max(most, len(kept.remembered))
    assert most < 1_500
    assert len(kept.stored) < 40


def test_a_chat_that_is_stored_in_two_buckets_is_remembered_once() -> None:
    kept, other = KeptPosition(FollowingRules()), KeptPosition(FollowingRules())
    for number in range(BUCKET_CHATS - 1):
        kept.take("text", row=f"S{number}", second=number)
    other.stored = dict(kept.stored)
    other.again()
    other.take(None, status=2, row="EARLIER", second=100)
    other.take(None, status=2, row="BOTH", second=101)  # the first one of the next bucket
    kept.take(None, status=2, row="BOTH", second=101)
    kept.stored = other.stored | {name: one for name, one in kept.stored.items() if name.endswith(".0")}
    kept.again()
    assert [kept.position.chats.waiting, len(kept.remembered)] == [1, BUCKET_CHATS]
    for row in ("BOTH", "EARLIER"):
        assert kept.take("final", NOW + DAY, row=row, second=100) is RowNews.FINAL
    kept.take("late", NOW + 9 * DAY, row="LATE", second=8 * DAY)
    kept.position.forget(NOW + 9 * DAY)
    kept.take("later", NOW + 9 * DAY, row="LATER", second=8 * DAY)
    kept.again(NOW + 9 * DAY)
    assert (kept.position.chats.waiting, kept.remembered) == (0, {"LATE", "LATER"})
