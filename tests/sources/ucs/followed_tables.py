"""A feeder over tables of a real database, with a clock that tests set, and what a shard would have committed of it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from bridge.backoff import Backoff
from bridge.sources.ucs.database import ReadingLimits, UcsDatabase
from bridge.sources.ucs.database_access import DatabaseAccess
from bridge.sources.ucs.interactions import InteractionNames
from bridge.sources.ucs.table_feeder import FeederSettings, TableFeeder
from bridge.sources.ucs.table_position import FollowingRules
from bridge.sources.ucs.texts_by_id import TextsById
from tests.capture.recorded_facts import RecordedFacts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from contextlib import AbstractAsyncContextManager

    from bridge.capture.ports import Failed
    from bridge.capture.stored_inputs import StoredRead
    from bridge.sources.ucs.interaction_rows import PagePlace, RowHead
    from bridge.sources.ucs.texts_by_id import AsksById
    from tests.sources.ucs.interaction_table import InteractionTable

SINCE: Final = datetime(2031, 3, 4, 9)  # noqa: DTZ001 - the column has no zone
NOW: Final = datetime(2031, 3, 4, 10, 30, tzinfo=UTC)
MINUTE: Final = 60
DAY: Final = 86_400


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.at = int(NOW.timestamp()) * 1_000_000

    def now_us(self) -> int:
        return self.at

    def monotonic(self) -> float:
        return self.at / 1e6

    def move(self, seconds: float) -> None:
        self.at += int(seconds * 1_000_000)


class CountedDatabase(UcsDatabase):
    """A database that tells whoever opened it when its table is read from where it begins."""

    def __init__(self, url: str, names: InteractionNames, limits: ReadingLimits, read: Callable[[], None]) -> None:
        super().__init__(url, names, limits)
        self._read = read

    def heads(self, after: PagePlace, rows: int) -> list[RowHead]:
        if not after.id:
            self._read()
        return super().heads(after, rows)


class FollowedTables:
    """What follows one or two databases, and what it has delivered."""

    def __init__(
        self,
        *urls: str,
        rules: FollowingRules | None = None,
        page_rows: int = 3,
        names: InteractionNames | None = None,
        limits: ReadingLimits | None = None,
        http: AbstractAsyncContextManager[AsksById] | None = None,
    ) -> None:
        self.clock = HandClock()
        self.telemetry = RecordedFacts()
        self.urls = list(urls)
        self.texts: list[tuple[str, str, bool]] = []
        self.missing: list[tuple[str, str]] = []
        self.set_aside: list[tuple[str, str]] = []
        self.positions: dict[str, bytes] = {}
        self.reads: list[StoredRead] = []
        self.defects: list[Exception] = []
        self.rounds = 0
        self.commits = True
        names, limits = names or InteractionNames(), limits or ReadingLimits()
        self.accesses = [
            DatabaseAccess(
                name,
                url=lambda at=at: self.urls[at],  # type: ignore[misc]
                open_database=lambda url: CountedDatabase(url, names, limits, lambda: self._begun(url)),
                statement_seconds=60,
                backoff=Backoff(lambda: 1.0, first=1.0, maximum=60.0),
                clock=self.clock,
                telemetry=self.telemetry,
            )
            for at, name in enumerate(("main", "archive")[: len(urls)])
        ]
        self._texts_by_id = None if http is None else TextsById(http, self.telemetry)
        self._settings = FeederSettings(rules or FollowingRules(), SINCE, 3_600, page_rows)
        self.feeder = self.new_feeder()

    def new_feeder(
        self, deliver: Callable[[StoredRead, int], None] | None = None, failed: Failed | None = None
    ) -> TableFeeder:
        return TableFeeder(
            self._settings,
            self.accesses,
            deliver=deliver or self._deliver,
            failed=failed or self.defects.append,
            clock=self.clock,
            telemetry=self.telemetry,
            texts_by_id=self._texts_by_id,
        )

    def _begun(self, url: str) -> None:
        self.rounds += url == self.urls[0]

    def _deliver(self, read: StoredRead, size: int) -> None:
        assert size >= sum(len(one.text) for one in read.texts)
        self.reads.append(read)
        if not self.commits:
            return
        self.texts += [(one.session_id, one.text.decode(), one.final) for one in read.texts if not one.missing]
        self.missing += [(one.session_id, one.missing) for one in read.texts if one.missing]
        self.set_aside += [(one.session_id, one.reason.code) for one in read.unreadable]
        for name, value in read.positions.items():
            if value is None:
                del self.positions[name]
            else:
                self.positions[name] = value

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Follow them, and read them to their end once."""
        self.feeder.start(self.positions)
        try:
            await self.round()
            yield
        finally:
            await self.feeder.close()
            assert self.defects == []

    async def round(self, seconds: float = 0) -> None:
        """Wait until the tables were read to their end, `seconds` later."""
        self.clock.move(seconds)
        for _ in range(2):  # when the next round has begun, one has ended
            before = self.rounds
            await self.until(lambda before=before: self.rounds > before)  # type: ignore[misc]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition, without pauses between the rounds."""
        async with asyncio.timeout(60):
            while not condition():
                self.feeder.wake()
                await asyncio.sleep(0.001)

    async def kill_and_go_on(self) -> None:
        """End the feeder, and begin anew elsewhere with what is committed."""
        await self.feeder.close()
        self.feeder = self.new_feeder()
        self.feeder.start(self.positions)

    def of(self, session_id: str) -> list[tuple[str, bool]]:
        """What was said of a chat: (text, final)."""
        return [(said, final) for one, said, final in self.texts if one == session_id]

    def told(self, kind: type[Any]) -> list[Any]:
        return [fact for fact in self.telemetry.facts if isinstance(fact, kind)]


def execute(table: InteractionTable, statement: str, **values: object) -> None:
    """Run a statement on a table, which is written `{t}`, in a transaction of its own."""
    with table.engine.begin() as connection:
        connection.execute(text(statement.format(t=table.table)), values)


def change(table: InteractionTable, session_id: str, stored: str | None, status: int = 3) -> None:
    """Give a row another text and status."""
    execute(
        table, "UPDATE {t} SET STRUCTUREDTEXT = :said, STATUS = :status WHERE ID = :id",
        said=stored, status=status, id=session_id,
    )  # fmt: skip


def delete(table: InteractionTable, session_id: str) -> None:
    execute(table, "DELETE FROM {t} WHERE ID = :id", id=session_id)


def rows_of(table: InteractionTable) -> Iterator[tuple[str, int, str | None]]:
    """The plain full read: (id, status, text) of each chat."""
    with table.engine.connect() as connection:
        found = connection.execute(text(f"SELECT ID, STATUS, STRUCTUREDTEXT FROM {table.table}")).all()  # noqa: S608
    return iter([(row[0], int(row[1]), row[2]) for row in found])
