"""A row with values that no row should have costs itself only: it is set aside, and the others are read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from bridge.sources.ucs.database import UcsDatabase
from bridge.sources.ucs.interactions import InteractionNames
from tests.sources.ucs.followed_tables import DAY, MINUTE, SINCE, FollowedTables, change, execute
from tests.sources.ucs.interaction_table import InteractionTable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

OTHERS = [("S1", "one", True), ("S3", "three", True)]
WITHOUT_TYPES = "CREATE TABLE interaction (ID, STATUS, MEDIATYPEID, STARTDATE, ENDDATE, MODIFIEDDATE, STRUCTUREDTEXT)"


def follow(followed: FollowedTables, steps: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with followed.following():
            await steps()

    asyncio.run(main())


def add_rows(table: InteractionTable, change_to: str) -> None:
    """Three rows, of which the one in the middle is changed."""
    table.add("S1", "one", start="2031-03-04 10:00:00")
    table.add("ODD", "odd", start="2031-03-04 10:00:01")
    table.add("S3", "three", start="2031-03-04 10:00:02")
    execute(table, f"UPDATE {{t}} SET {change_to} WHERE ID = 'ODD'")  # noqa: S608


@pytest.mark.parametrize("page_rows", [1, 2, 3, 100])
@pytest.mark.parametrize(
    "change_to", ["STARTDATE = 'infinity'", "STARTDATE = '20000-01-01'", "STATUS = 'NaN'"], ids=lambda one: one[:12]
)
def test_a_value_that_python_does_not_have(postgres: str, change_to: str, page_rows: int) -> None:
    table = InteractionTable(postgres)
    execute(table, "ALTER TABLE {t} ALTER STATUS TYPE NUMERIC")
    add_rows(table, change_to)
    followed = FollowedTables(postgres, page_rows=page_rows)

    async def steps() -> None:
        await followed.round(MINUTE)
        await followed.kill_and_go_on()
        await followed.round(MINUTE)
        execute(table, "UPDATE {t} SET STARTDATE = '2031-03-04 10:00:01', STATUS = 3 WHERE ID = 'ODD'")
        await followed.round(DAY // 2)

    follow(followed, steps)
    assert followed.texts == [*OTHERS, ("ODD", "odd", True)]
    assert followed.set_aside == [("ODD", "UNREADABLE_ROW")]
    assert followed.missing == []


@pytest.mark.parametrize("change_to", ["STATUS = 'over'", "STRUCTUREDTEXT = 7"])
def test_a_value_of_another_type(tmp_path: Path, change_to: str) -> None:
    table = InteractionTable(f"sqlite:///{tmp_path}/ucs.db")
    with table.engine.begin() as connection:
        connection.execute(text("DROP TABLE interaction"))
        connection.execute(text(WITHOUT_TYPES))
    add_rows(table, change_to)
    followed = FollowedTables(table.url)
    follow(followed, followed.round)
    assert followed.texts == OTHERS
    assert followed.set_aside == [("ODD", "UNREADABLE_ROW")]


def test_a_chat_that_is_waited_for_and_loses_its_start(postgres: str) -> None:
    table = InteractionTable(postgres)
    execute(table, "ALTER TABLE {t} ALTER STARTDATE DROP NOT NULL")
    table.add("S1", "one")
    table.add("ODD", "begins", status=2)
    followed = FollowedTables(postgres)

    async def steps() -> None:
        execute(table, "UPDATE {t} SET STARTDATE = NULL WHERE ID = 'ODD'")
        await followed.round(2 * MINUTE)
        table.add("S3", "three", start="2031-03-04 10:20:00")
        await followed.round(2 * MINUTE)
        assert followed.texts == OTHERS
        assert followed.set_aside == [("ODD", "UNREADABLE_ROW")]
        execute(table, "UPDATE {t} SET STARTDATE = '2031-03-04 10:00:00' WHERE ID = 'ODD'")
        change(table, "ODD", "begins and ends")
        await followed.round(DAY // 2)

    follow(followed, steps)
    assert followed.texts == [*OTHERS, ("ODD", "begins and ends", True)]


def test_a_plain_read_passes_over_them_too(postgres: str) -> None:
    table = InteractionTable(postgres)
    add_rows(table, "STARTDATE = 'infinity'")
    database = UcsDatabase(postgres, InteractionNames())
    found = [row for page in database.pages(SINCE, 2) for row in page]
    database.close()
    assert [(row.id, row.text, row.unreadable) for row in found] == [
        ("S1", "one", None),
        ("S3", "three", None),
        ("ODD", None, "DataError"),
    ]
