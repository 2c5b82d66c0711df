"""Follows the tables of UCS for ever: a `TranscriptFeeder` of the shard that keeps the position.

One round: the main table from its place to its end, page by page; the chats that are due, by their ids, in the archive
if the main table has them no more; the archive; then a pause. Rows are read without their texts, which are fetched only
where they may be new. What is new is delivered at once, in portions of half a MiB, with the position behind it: the
shard commits both or neither. A database that fails is left for a while, whatever it says; the other one is read on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.announcement import session_id_problem
from bridge.capture.stored_texts import StoredText
from bridge.errors import EnvironmentFault, Problem
from bridge.sources.ucs.deliveries import Delivery
from bridge.sources.ucs.feeder_codes import UCS_POSITION_UNREADABLE
from bridge.sources.ucs.feeder_facts import StartDateOffsetSeen, StoredChatMissing, UcsReadFailed, UcsRowsRead
from bridge.sources.ucs.interaction_rows import NO_START, ReadText, document_of, place_after
from bridge.sources.ucs.position_format import PositionUnreadable
from bridge.sources.ucs.start_offsets import StartOffsets
from bridge.sources.ucs.table_position import (
    ARCHIVE,
    MAIN,
    MISSING_NEWS,
    TEXT_NEWS,
    RowNews,
    TablePosition,
    date_of,
)
from bridge.waiting import all_ended

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from bridge.capture.ports import Clock, Failed
    from bridge.capture.stored_inputs import StoredRead
    from bridge.sources.ucs.database_access import DatabaseAccess
    from bridge.sources.ucs.interaction_rows import RowHead
    from bridge.sources.ucs.table_position import FollowingRules
    from bridge.sources.ucs.texts_by_id import TextsById
    from bridge.telemetry import Telemetry

_PORTION: Final = 512 * 1024
"""Characters of texts that are fetched and delivered together, unless a single text is longer."""
_LEAST_PAUSE: Final = 1.0


@dataclass(slots=True, frozen=True)
class FeederSettings:
    """How the tables are followed. `since`: STARTDATE to begin at, None: the time of the first start."""

    rules: FollowingRules
    since: datetime | None = None
    poll_seconds: float = 30.0
    page_rows: int = 100


class TableFeeder:
    """The feeder of one shard."""

    def __init__(  # noqa: PLR0913 - the collaborators, by name, built once in the composition root
        self,
        settings: FeederSettings,
        databases: Sequence[DatabaseAccess],
        *,
        deliver: Callable[[StoredRead, int], None],
        failed: Failed,
        clock: Clock,
        telemetry: Telemetry,
        texts_by_id: TextsById | None = None,
    ) -> None:
        """Nothing is read before `start`. `databases`: the main one and, if there is one, the archive.

        `texts_by_id` gives the texts that these do not, if UCS can be asked otherwise.
        """
        self.position: TablePosition | None = None
        self.start_offsets = StartOffsets()
        """How far STARTDATE of the rows that were passed on lies from their transcripts' start."""
        self._settings = settings
        self._databases = databases
        self._deliver = deliver
        self._failed = failed
        self._texts_by_id = texts_by_id
        self._clock = clock
        self._telemetry = telemetry
        self._task: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._going_on = asyncio.Event()
        self._going_on.set()
        self._wake = asyncio.Event()
        self._unreadable: Problem | None = None

    @property
    def problems(self) -> list[Problem]:
        """Why it cannot read, or not all; empty when it can."""
        if self._task is None:
            return []
        own = [] if self._unreadable is None else [self._unreadable]
        return own + [one.problem for one in self._databases if one.problem is not None]

    @property
    def follows(self) -> bool:
        """Whether it was started, and not closed."""
        return self._task is not None

    @property
    def waiting_chats(self) -> int:
        """Number of chats whose final text is still expected."""
        return 0 if self.position is None else self.position.chats.waiting

    @property
    def bookmark_age(self) -> int:
        """Age of the highest STARTDATE that was read, in seconds; 0 while nothing is followed."""
        return 0 if self.position is None else self.position.age(self._now())

    def start(self, positions: Mapping[str, bytes]) -> None:
        """Begin from these positions, also when it was started before."""
        before = frozenset(self._tasks)
        for task in before:
            task.cancel()
        self._task = task = asyncio.create_task(self._run(dict(positions), before), name="feeder of UCS")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def pause(self) -> None:
        """Deliver nothing more, but for what was already read (P6)."""
        self._going_on.clear()

    def resume(self) -> None:
        """Go on."""
        self._going_on.set()

    def wake(self) -> None:
        """End the pause: a URL has changed."""
        self._wake.set()

    async def close(self) -> None:
        """End, within 2 s whatever the database does. On return nothing is delivered any more."""
        self._task = self.position = None
        for task in self._tasks:
            task.cancel()
        await all_ended(frozenset(self._tasks))

    # --- the task ------------------------------------------------------------------------------------------------

    async def _run(self, positions: Mapping[str, bytes], before: frozenset[asyncio.Task[None]]) -> None:
        try:
            await all_ended(before)
            await self._follow(positions)
        except Exception as error:  # noqa: BLE001 - a defect, which ends the shard
            self._failed(error)
        finally:
            for one in self._databases:
                await one.close()

    async def _follow(self, positions: Mapping[str, bytes]) -> None:
        self._unreadable = None
        now = self._now()
        try:
            since = self._settings.since or date_of(now * 1_000_000)
            self.position = position = TablePosition(self._settings.rules, positions, now, since)
        except PositionUnreadable as error:
            self._unreadable = Problem(UCS_POSITION_UNREADABLE, f"how far UCS was read cannot be told: {error}")
            self._telemetry.emit(
                UcsReadFailed(database="main", code=UCS_POSITION_UNREADABLE, detail=self._unreadable.detail)
            )
            return
        self._pass_on(position)  # where it began is kept from the first moment
        while True:
            await self._round(position)
            await self._rest(position)

    async def _round(self, position: TablePosition) -> None:
        main, archive = self._databases[MAIN], self._databases[ARCHIVE:]
        read = await self._scan(position, MAIN)
        with contextlib.suppress(EnvironmentFault):  # it is the problem of the database then, and told
            while not main.wait() and await self._ask(position):
                pass
        if read and archive and await self._scan(position, ARCHIVE):
            position.archive_read()
        self._forget(position)

    async def _rest(self, position: TablePosition) -> None:
        """Wait for the next round, for a chat that is due before it, or for a database that may be tried again."""
        due = position.next_due()
        until_due = self._settings.poll_seconds if due is None else due - self._now()
        pauses = [pause for pause in (one.wait() for one in self._databases) if pause]
        main = self._databases[MAIN].wait()
        wanted = [self._settings.poll_seconds, until_due, *pauses] if not main else [main]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(min(wanted), _LEAST_PAUSE)):
                await self._wake.wait()
        self._wake.clear()

    async def _scan(self, position: TablePosition, database: int) -> bool:
        """Read a table from its place to its end; return whether it was read to its end."""
        access, rows = self._databases[database], self._settings.page_rows
        if access.wait():
            return False
        place = position.begin(database)
        with contextlib.suppress(EnvironmentFault):
            while True:
                await self._going_on.wait()
                heads = await access.run(lambda opened, after=place: opened.heads(after, rows))  # type: ignore[misc]
                await self._take(position, database, heads)
                before, place = place, place_after(heads, place)
                if len(heads) < rows or place == before:
                    return True  # a product that rounds times may give the last row again
                if position.has_grown:
                    self._forget(position)
                if not self._databases[MAIN].wait():
                    await self._ask(position)
        return False

    async def _ask(self, position: TablePosition) -> bool:
        """Ask for the chats that are due, a page of them; return whether there were any. Raises EnvironmentFault."""
        ids = position.due(self._now(), self._settings.page_rows)
        if not ids:
            return False
        await self._going_on.wait()
        gone, certain = list(ids), True
        for database, access in enumerate(self._databases):
            if not gone:
                break
            if access.wait():
                certain = False
                continue
            heads = await access.run(lambda opened, asked=gone: opened.heads_of(asked))  # type: ignore[misc]
            await self._take(position, database, heads, by_id=True)
            found = {head.id for head in heads}
            gone = [session_id for session_id in gone if session_id not in found]
        waiting = [session_id for session_id in gone if position.waits(session_id)]
        elsewhere = await self._by_id(waiting if certain else [])
        delivery = Delivery()
        for session_id in gone:
            if session_id in elsewhere:
                text = elsewhere[session_id]
                if position.found(session_id, text.text, self._now()) in TEXT_NEWS:
                    delivery.texts.append(text)
                continue
            news = position.absent(session_id, self._now(), certain=certain)
            if news in MISSING_NEWS:
                self._add_missing(delivery, session_id, news)
        self._pass_on(position, delivery)
        return True

    async def _by_id(self, session_ids: Sequence[str]) -> Mapping[str, StoredText]:
        return {} if self._texts_by_id is None else await self._texts_by_id.final(session_ids)

    async def _take(
        self, position: TablePosition, database: int, heads: Sequence[RowHead], *, by_id: bool = False
    ) -> None:
        """Take rows over, fetch the texts that may be new, and deliver what is new."""
        access = self._databases[database]
        for portion in self._portions(position, heads):
            now = self._now()
            wanted = [head for head in portion if position.wants(head, now)]
            label, texts = "", dict[str, ReadText]()
            if wanted:
                label, texts = await access.run(lambda opened, some=wanted: (opened.label, opened.texts(some)))  # type: ignore[misc]
            bad = [
                one.id for one in wanted if one.is_stopped and one.id in texts and texts[one.id].unreadable is not None
            ]
            elsewhere = await self._by_id(bad)
            texts |= {session_id: ReadText(one.text) for session_id, one in elsewhere.items()}
            found, delivery = Counter[RowNews](), Delivery()
            for head in portion:
                read = texts.get(head.id) if head.unreadable is None else ReadText(unreadable=head.unreadable)
                news = position.take(head, read, now, database)
                found[news] += 1
                place = f"{label}#{head.id}"
                if news in TEXT_NEWS and read is not None and read.text is not None:
                    document = document_of(read.text)
                    final = news is not RowNews.GROWN
                    read_here = StoredText(head.id, place, document, final, self._clock.now_us())
                    delivery.texts.append(elsewhere.get(head.id, read_here))
                    if self.start_offsets.is_new(head, document):
                        minutes = self.start_offsets.latest
                        self._telemetry.emit(StartDateOffsetSeen(database=access.name, minutes=minutes))
                if news in MISSING_NEWS:
                    detail = (read and read.unreadable) or ""
                    self._add_missing(delivery, head.id, news, detail, label=label, over=head.is_stopped)
                if not by_id and head.start_date != NO_START:
                    position.passed(head, now, database)
            self._telemetry.emit(
                UcsRowsRead(
                    database=access.name,
                    rows=len(portion),
                    texts=len(texts),
                    passed_on=found[RowNews.FINAL] + found[RowNews.CHANGED],
                    running=found[RowNews.GROWN],
                    changed=found[RowNews.CHANGED],
                )
            )
            self._pass_on(position, delivery)
            await self._going_on.wait()

    def _portions(self, position: TablePosition, heads: Sequence[RowHead]) -> Iterator[list[RowHead]]:
        """Yield rows in order, with not more text in each portion than is delivered together."""
        portion: list[RowHead] = []
        size, now = 0, self._now()
        for head in heads:
            length = (head.length or 0) if position.wants(head, now) else 0
            if portion and size + length > _PORTION:
                yield portion
                portion, size = [], 0
            portion.append(head)
            size += length
        if portion:
            yield portion

    def _pass_on(self, position: TablePosition, delivery: Delivery | None = None) -> None:
        """Deliver it with what has to be stored of the position. No await before it since the rows were taken."""
        made = (delivery or Delivery()).read(position.changes(), self._clock.now_us())
        if made is not None:
            self._deliver(*made)

    def _forget(self, position: TablePosition) -> None:
        delivery = Delivery()
        for session_id, news in position.forget(self._now()):
            self._add_missing(delivery, session_id, news)
        self._pass_on(position, delivery)

    def _add_missing(  # noqa: PLR0913 - what is told of a row
        self,
        delivery: Delivery,
        session_id: str,
        news: RowNews,
        detail: str = "",
        *,
        label: str = "",
        over: bool = False,
    ) -> None:
        why, at = Problem(news.value, detail), self._clock.now_us()
        delivery.add_missing(session_id, f"{label or self._databases[MAIN].name}#{session_id}", why, at, over=over)
        named = "" if session_id_problem(session_id) else session_id  # what is no id may be anything
        self._telemetry.emit(StoredChatMissing(session=named, code=why.code, detail=detail))

    def _now(self) -> int:
        return self._clock.now_us() // 1_000_000
