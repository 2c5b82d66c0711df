"""A table with every irregularity of rows is followed while it is written, by workers that are killed.

`make ucs CHATS=10000` runs it with more chats; they are as many as fit into a minute otherwise.
"""

from __future__ import annotations

import os
import time
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from bridge.simulator.ucs.row_treatment import Irregularities
from bridge.simulator.ucs.row_writers import ConcurrentRowWriters
from bridge.simulator.ucs.ucs_table import UcsTable
from tests.support.postgres_server import postgres_server
from tests.support.processes import Bridge, wait_for
from tests.support.stored_tables import TableComparison, compare_with_tables, row_scripts, write_ended

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bridge.simulator.ucs.row_treatment import RowStep
    from bridge.simulator.ucs.saved_chats import SavedRow

CHATS: Final = int(os.environ.get("UCS_CHATS", "150"))
SECONDS: Final = 60 + CHATS // 10
"""How long it may take until everything is published."""
SEED: Final = 13
SHARDS: Final = 4
HALF_AN_HOUR: Final = 1_800
SOME: Final = Irregularities(**{each.name: 0.2 for each in fields(Irregularities)})
PAUSE: Final = 0.02
TAKEN_OVER_SOON: Final = {"kafka__transaction_timeout_seconds": 10, "kafka__session_timeout_seconds": 6}
"""Requests have the time that is usual: the broker stays, and where all else is slow, it answers after seconds."""


@pytest.fixture(scope="module")
def databases() -> Iterator[tuple[str, str]]:
    """The URLs of a main database and of an archive, on one server."""
    with postgres_server() as url:
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("CREATE DATABASE archive")
        yield url, url.replace("/postgres", "/archive")


@pytest.fixture
def tables(databases: tuple[str, str]) -> Iterator[list[UcsTable]]:
    """Their tables of interactions, empty."""
    made = [UcsTable(url) for url in databases]
    for table in made:
        table.create()
    yield made
    for table in made:
        table.close()


def is_editable(script: list[RowStep]) -> bool:
    """Whether a chat has a text at the end, in the main table."""
    row = script[-1].row
    return row is not None and row.text is not None


def edited_row(script: list[RowStep]) -> SavedRow:
    """The last row of a chat, with its first message changed after everything was published."""
    row = script[-1].row
    assert row is not None
    assert row.text is not None
    before, tag, after = row.text.partition("<msgText>")
    assert tag
    return replace(row, text=f"{before}{tag}[changed] {after}", modified=row.modified + 1)


def owns_first_shard(bridge: Bridge) -> bool:
    """Whether it reads the tables."""
    return bridge.metric("chatbridge_ucs_bookmark_age_seconds") > 0


class TableFollower(Bridge):
    """A worker that has connections to databases, too, so that those that it holds are not counted."""

    before_end = None


@pytest.mark.timeout(4 * SECONDS + 240)  # it waits several times, and each comparison reads all there is
def test_a_table_is_published_once_and_whole_whoever_writes_and_whoever_is_killed(
    broker: str, databases: tuple[str, str], tables: list[UcsTable], tmp_path: Path
) -> None:
    main, archive = tables
    now = time.time()
    starts = [now - HALF_AN_HOUR + HALF_AN_HOUR * at / CHATS for at in range(CHATS)]
    changing = range(0, CHATS, 10)
    ended = [number for number in range(CHATS) if number not in changing]
    write_ended(row_scripts(ended, SEED, [starts[at] for at in ended], SOME), main, archive)
    scripts = row_scripts(changing, SEED, [starts[at] for at in changing], SOME, auto_save=1)
    for number in range(0, len(scripts), 20):
        del scripts[number][1:]  # these go on for ever

    prefix = f"ucs{time.time_ns()}."

    def worker(name: str) -> TableFollower:
        return TableFollower(
            broker,
            tmp_path / f"{name}.log",
            prefix=prefix,
            worker=name,
            kafka__partitions=SHARDS,
            sources__ucs__url=databases[0],
            sources__ucs__archive_url=databases[1],
            sources__ucs__since="2001-01-01T00:00:00Z",
            sources__ucs__poll_seconds=1,
            sources__ucs__page_rows=50,
            **TAKEN_OVER_SOON,
        )

    def published(bridge: Bridge) -> float:
        return bridge.metric("chatbridge_events_total")

    writers = ConcurrentRowWriters(main, archive, scripts, seed=SEED, pause=PAUSE)
    writers.allow(0.4)
    with writers:
        with worker("first") as first:
            first.wait_ready()
            wait_for(lambda: published(first) > CHATS, SECONDS, "nothing is published")
            first.kill()
            writers.allow(0.6)
        with worker("first") as first, worker("second") as second:
            first.wait_ready()
            second.wait_ready()
            both = (first, second)
            wait_for(lambda: any(map(owns_first_shard, both)), SECONDS, "nobody reads the tables")
            owner = next(one for one in both if owns_first_shard(one))
            other = second if owner is first else first
            wait_for(lambda: published(owner) > CHATS // 4, SECONDS, "nothing more is published")
            writers.allow(0.8)
            owner.kill()
            wait_for(lambda: owns_first_shard(other), SECONDS, "nobody took over")
            writers.allow(1.0)
            wait_for(lambda: not writers.is_writing, SECONDS, "the table is still written")

            def compared() -> TableComparison:
                return compare_with_tables(broker, prefix, (main, archive))

            wait_for(lambda: not compared().defects, SECONDS, lambda: str(compared()), poll=2.0)
            edited = [edited_row(script) for script in scripts if is_editable(script)]
            for row in edited:
                main.save(row)
            wait_for(lambda: not compared().defects, SECONDS, lambda: str(compared()), poll=2.0)
            assert other.terminate() == 0
    found = compared()
    assert not found.defects, str(found)
    assert found.chats == CHATS - len(range(0, len(scripts), 20))
    assert found.amendments >= len(edited)
