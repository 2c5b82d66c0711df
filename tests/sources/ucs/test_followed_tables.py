"""Tables that are followed for ever: a test for each loss of exporters that page by date alone."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bridge.sources.ucs.feeder_facts import StartDateOffsetSeen, StoredChatMissing
from bridge.sources.ucs.table_position import FollowingRules
from tests.sources.ucs.followed_tables import DAY, MINUTE, FollowedTables, change, delete, execute
from tests.sources.ucs.interaction_table import InteractionTable, transcript

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    import pytest


def follow(followed: FollowedTables, steps: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with followed.following():
            await steps()

    asyncio.run(main())


def test_equal_seconds_chats_of_one_second_are_all_read_however_the_pages_end(url: str) -> None:
    table = InteractionTable(url)
    for at in range(7):
        table.add(f"S{at}", f"text {at}", start=f"2031-03-04 10:00:0{at // 5}")
    for rows in (1, 2, 3, 7, 8):
        followed = FollowedTables(url, page_rows=rows)

        async def more(followed: FollowedTables = followed) -> None:
            await followed.round()

        follow(followed, more)
        assert followed.texts == [(f"S{at}", f"text {at}", True) for at in range(7)]


def test_late_commits_a_row_that_becomes_visible_behind_the_bookmark_is_read(url: str) -> None:
    table = InteractionTable(url)
    table.add("S1", "one", start="2031-03-04 10:20:00")
    followed = FollowedTables(url)

    async def late() -> None:
        assert followed.of("S1") == [("one", True)]
        table.add("LATE", "late", start="2031-03-04 09:21:00")
        table.add("S0", "of the same second", start="2031-03-04 10:20:00")
        await followed.round(MINUTE)
        assert followed.of("LATE") == [("late", True)]
        assert followed.of("S0") == [("of the same second", True)]

    follow(followed, late)
    assert len(followed.texts) == 3


def test_late_commits_what_a_writer_commits_after_later_rows_were_read_is_read(postgres: str) -> None:
    table = InteractionTable(postgres)
    followed = FollowedTables(postgres)

    async def late() -> None:
        with table.engine.connect() as writer:
            table.add("LATE", "late", start="2031-03-04 10:00:00", connection=writer)
            table.add("S1", "one", start="2031-03-04 10:00:01")
            await followed.round(MINUTE)
            assert followed.texts == [("S1", "one", True)]
            writer.commit()
        await followed.round(MINUTE)
        assert followed.texts == [("S1", "one", True), ("LATE", "late", True)]

    follow(followed, late)


def test_null_text_a_row_that_is_over_gets_its_text_later_or_is_told_to_be_missing(url: str) -> None:
    table = InteractionTable(url)
    table.add("S1", None)
    table.add("S2", None)
    followed = FollowedTables(url)

    async def later() -> None:
        assert followed.texts == []
        assert followed.feeder.waiting_chats == 2
        change(table, "S1", "one")
        await followed.round(MINUTE)
        assert followed.texts == [("S1", "one", True)]
        await followed.round(DAY)
        await followed.round(DAY)
        assert followed.feeder.waiting_chats == 0

    follow(followed, later)
    [missing] = followed.told(StoredChatMissing)
    assert (missing.code, missing.session) == ("NO_TEXT", "S2")


def test_null_enddate_a_chat_without_an_end_date_is_read_as_one_with_it(url: str) -> None:
    table = InteractionTable(url)
    table.add("S1", "one")
    table.add("S2", "two")
    execute(table, "UPDATE {t} SET ENDDATE = STARTDATE WHERE ID = 'S2'")
    followed = FollowedTables(url)
    follow(followed, followed.round)
    assert followed.texts == [("S1", "one", True), ("S2", "two", True)]


def test_ill_formed_xml_is_passed_on_as_it_is_and_the_next_goes_on(url: str) -> None:
    table = InteractionTable(url)
    broken = transcript("S1", "a & b")[:-30] + "\u0001"
    table.add("S1", broken)
    table.add("S2", transcript("S2", "a").replace('"1.0"', '"1.0" encoding="UTF-16"'))
    followed = FollowedTables(url)
    follow(followed, followed.round)
    assert followed.of("S1") == [(broken.partition("?>")[2], True)]
    assert followed.of("S2") == [(transcript("S2", "a").partition("?>")[2], True)]


def test_edits_after_export_are_passed_on_again_also_if_the_length_stays(url: str) -> None:
    table = InteractionTable(url)
    table.add("S1", "card 1234", start="2031-03-04 10:25:00")
    followed = FollowedTables(url)

    async def edits() -> None:
        change(table, "S1", "card removed")
        await followed.round(MINUTE)
        assert followed.of("S1") == [("card 1234", True), ("card removed", True)]
        change(table, "S1", "card *******")
        await followed.round(MINUTE)
        assert len(followed.texts) == 2
        await followed.round(20 * MINUTE)
        assert followed.of("S1")[2:] == [("card *******", True)]
        await followed.round(20 * MINUTE)
        assert len(followed.texts) == 3

    follow(followed, edits)


def test_moves_to_the_archive_before_while_and_after_a_chat_is_read(url: str, tmp_path: Path) -> None:
    main, archive = InteractionTable(url), InteractionTable(f"sqlite:///{tmp_path}/archive.db")
    archive.add("BEFORE", "before", start="2031-03-04 09:30:00")
    main.add("WAITS", None, status=2, start="2031-03-04 10:00:00")
    main.add("READ", "read", start="2031-03-04 10:00:01")
    followed = FollowedTables(url, archive.url)

    async def moves() -> None:
        assert sorted(followed.texts) == [("BEFORE", "before", True), ("READ", "read", True)]
        for moved, said in (("WAITS", "ended"), ("READ", "read")):
            delete(main, moved)
            archive.add(moved, said, start="2031-03-04 10:00:01")
        await followed.round(MINUTE)
        await followed.round(30 * MINUTE)
        assert followed.of("WAITS") == [("ended", True)]
        assert followed.of("READ") == [("read", True)]
        change(archive, "READ", "read, and edited")
        await followed.round(30 * MINUTE)
        assert followed.of("READ")[1:] == [("read, and edited", True)]
        main.add("NEW", "new", start="2031-03-06 10:00:00")
        await followed.round(2 * DAY)
        archive.add("LONG READ", "moved long after it was read", start="2031-03-04 10:00:00")
        await followed.round(MINUTE)
        assert followed.of("LONG READ") == []

    follow(followed, moves)


def test_a_row_that_is_deleted_is_told_to_be_missing_only_if_its_text_was_expected(url: str) -> None:
    table = InteractionTable(url)
    table.add("WAITS", None, status=2)
    table.add("READ", "read")
    followed = FollowedTables(url)

    async def gone() -> None:
        delete(table, "WAITS")
        delete(table, "READ")
        await followed.round(MINUTE)
        assert followed.feeder.waiting_chats == 1
        await followed.round(DAY)
        assert followed.feeder.waiting_chats == 0

    follow(followed, gone)
    assert [fact.code for fact in followed.told(StoredChatMissing)] == ["ROW_GONE"]


def test_a_chat_that_ends_days_after_the_bookmark_has_passed_its_start_is_read(url: str) -> None:
    table = InteractionTable(url)
    table.add("LONG", "begins", status=2)
    followed = FollowedTables(url)

    async def ends() -> None:
        table.add("NEW", "new", start="2031-03-07 10:00:00")
        await followed.round(3 * DAY)
        assert followed.texts == [("NEW", "new", True)]
        change(table, "LONG", "begins and ends")
        await followed.round(61 * MINUTE)
        assert followed.of("LONG") == [("begins and ends", True)]
        change(table, "LONG", "begins and ****")  # an edit, long behind the bookmark
        await followed.round(59 * MINUTE)
        assert followed.of("LONG")[1:] == [("begins and ****", True)]

    follow(followed, ends)


def test_the_end_of_a_chat_is_seen_in_the_next_round_or_within_an_hour_if_it_was_longer_than_the_overlap(
    tmp_path: Path,
) -> None:
    table = InteractionTable(f"sqlite:///{tmp_path}/ucs.db")
    table.add("LONG", None, status=2, start="2031-03-04 10:00:00")
    followed = FollowedTables(table.url)

    def begin(session_id: str, status: int) -> None:
        start = datetime.fromtimestamp(followed.clock.at / 1e6, UTC).replace(tzinfo=None)
        table.add(session_id, "text", status=status, start=start.isoformat())

    async def seen_after(session_id: str) -> int:
        for minutes in range(1, 100):
            await followed.round(MINUTE)
            if followed.of(session_id):
                return minutes
        return -1

    async def three_hours() -> None:
        for number in range(14):  # newer chats take the bookmark along: at last the long one lies before the overlap
            await followed.round(10 * MINUTE)
            begin(f"S{number}", status=3)
        begin("SHORT", status=2)
        change(table, "LONG", "text")
        await followed.round()
        await followed.round(50 * MINUTE)  # it is asked for by its id, and next after as long again
        change(table, "SHORT", "text")
        assert await seen_after("SHORT") == 1
        assert await seen_after("LONG") == 60 - 51

    follow(followed, three_hours)


def test_near_live_passes_on_what_running_chats_have_grown_by_and_the_other_modes_do_not(url: str) -> None:
    table = InteractionTable(url)
    table.add("S1", "a", status=2)
    near = FollowedTables(url, rules=FollowingRules(near_live=True, soonest=5, latest=60))
    archive_only = FollowedTables(url)

    async def grows() -> None:
        assert near.texts == [("S1", "a", False)]
        await near.round(5)
        change(table, "S1", "ab", status=2)
        await near.round(5)
        change(table, "S1", "abc", status=2)
        await near.round(5)
        change(table, "S1", "abc")
        await near.round(5)

    follow(near, grows)
    assert near.of("S1") == [("a", False), ("ab", False), ("abc", False), ("abc", True)]
    change(table, "S1", "abc", status=2)
    follow(archive_only, archive_only.round)
    assert archive_only.texts == []


def test_fill_and_check_waits_for_the_live_source_before_a_text_is_passed_on(url: str) -> None:
    table = InteractionTable(url)
    table.add("S1", "a")
    followed = FollowedTables(url, rules=FollowingRules(grace=120))

    async def waits() -> None:
        await followed.round(119)
        assert followed.texts == []
        await followed.round(1)
        assert followed.texts == [("S1", "a", True)]

    follow(followed, waits)


def test_a_doubt_about_the_time_zone_is_told_once_with_the_offset(url: str) -> None:
    table = InteractionTable(url)
    for at in range(3):
        table.add(f"S{at}", transcript(f"S{at}", "a"), start=f"2031-03-04 12:00:0{at}")
    followed = FollowedTables(url)

    async def then() -> None:
        await followed.round(3 * 3_600)
        assert followed.feeder.start_offsets.latest == 120

    follow(followed, then)
    assert len(followed.texts) == 3
    assert [fact.minutes for fact in followed.told(StartDateOffsetSeen)] == [120]


def test_what_is_delivered_together_is_bounded_and_a_full_inbox_stops_it(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.sources.ucs.table_feeder._PORTION", 10)
    table = InteractionTable(url)
    for at in range(6):
        table.add(f"S{at}", f"text {at}")
    followed = FollowedTables(url, page_rows=6)

    async def main() -> None:
        followed.feeder.pause()
        followed.feeder.start({})
        await followed.until(lambda: len(followed.reads) == 1)
        assert followed.texts == []
        followed.feeder.resume()
        await followed.until(lambda: len(followed.texts) == 6)
        await followed.feeder.close()

    asyncio.run(main())
    assert [len(read.texts) for read in followed.reads if read.texts] == [1] * 6
