"""Rows of which no text is passed on: each is delivered once, so that records say so."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bridge.sources.ucs.table_position import FollowingRules
from tests.sources.ucs.followed_tables import DAY, MINUTE, FollowedTables, change, delete
from tests.sources.ucs.interaction_table import InteractionTable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

NO_ID = "no id"
"""With a blank, which no id of a chat has."""


def follow(followed: FollowedTables, steps: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with followed.following():
            await steps()

    asyncio.run(main())


def test_a_chat_that_is_over_and_gets_no_text_learns_so_once_and_its_late_text_is_passed_on(url: str) -> None:
    table = InteractionTable(url)
    table.add("S1", None)
    table.add(NO_ID, None)
    followed = FollowedTables(url)

    async def steps() -> None:
        assert (followed.missing, followed.set_aside) == ([], [])
        await followed.round(DAY)
        await followed.round(DAY // 2)
        await followed.kill_and_go_on()
        await followed.round(MINUTE)
        assert (followed.missing, followed.set_aside) == ([("S1", "NO_TEXT")], [(NO_ID, "NO_TEXT")])
        change(table, "S1", "late")
        await followed.round(DAY // 4)
        assert followed.texts == [("S1", "late", True)]

    follow(followed, steps)


def test_a_chat_whose_row_is_deleted_before_its_end_learns_so(url: str) -> None:
    table = InteractionTable(url)
    table.add("S1", "begins", status=2)
    table.add("S2", "two")
    followed = FollowedTables(url)

    async def steps() -> None:
        delete(table, "S1")
        delete(table, "S2")
        await followed.round(MINUTE)
        assert followed.missing == []
        await followed.round(DAY)

    follow(followed, steps)
    assert (followed.missing, followed.set_aside) == ([("S1", "ROW_GONE")], [])
    assert followed.texts == [("S2", "two", True)]


def test_a_row_that_has_no_end_is_set_aside_and_its_chat_may_go_on(url: str) -> None:
    table = InteractionTable(url)
    table.add("S1", "begins", status=2)
    followed = FollowedTables(url)

    async def steps() -> None:
        await followed.round(30 * DAY)
        assert (followed.missing, followed.set_aside) == ([], [("S1", "NOT_OVER")])
        change(table, "S1", "begins and ends")
        await followed.round(2 * 3_600)

    follow(followed, steps)
    assert followed.texts == [("S1", "begins and ends", True)]


def test_rows_that_wait_and_are_too_many_are_set_aside(url: str) -> None:
    table = InteractionTable(url)
    for at in range(5):
        table.add(f"S{at}", "begins", start=f"2031-03-04 10:00:0{at}", status=2)
    followed = FollowedTables(url, rules=FollowingRules(most_chats=3))
    follow(followed, followed.round)
    assert followed.missing == []
    assert {code for _, code in followed.set_aside} == {"LIST_FULL"}
    assert len({one for one, _ in followed.set_aside}) == len(followed.set_aside) == 2


def test_nothing_is_said_twice_or_lost_when_it_was_not_committed(url: str) -> None:
    table = InteractionTable(url)
    table.add("S1", None)
    table.add("S2", "begins", status=2)
    followed = FollowedTables(url)

    async def steps() -> None:
        followed.commits = False
        await followed.round(31 * DAY)
        assert followed.set_aside == []
        followed.commits = True
        await followed.kill_and_go_on()
        await followed.round(MINUTE)
        await followed.round(MINUTE)

    follow(followed, steps)
    assert (followed.missing, followed.set_aside) == ([("S1", "NO_TEXT")], [("S2", "NOT_OVER")])
