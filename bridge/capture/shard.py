"""One partition of the announcements: its chats, its transactions, its recovery.

The loop: take what the inbox holds, fold it, commit it as one transaction, repeat; while a transaction commits, the
inbox collects the next batch. Any error of the producer, of whatever kind, ends in the same way: drop it, open a new
one (which fences the old and settles what was in doubt), restore the chats from the checkpoints, fold again what was
not committed. Links know nothing of this (P4): they stay joined.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bridge.capture.inbox import Announced, Inbox, Input
from bridge.capture.pacing import EventRate, wait_before
from bridge.capture.session_store import FOLLOWED, SessionStore, SessionStoreSettings, TransactionPlan
from bridge.errors import BridgeError, KafkaUnavailable, ShardFenced
from bridge.telemetry import (
    BatchCommitted,
    InboxPaused,
    InboxResumed,
    ShardFencedOff,
    ShardNotOpened,
    ShardTaken,
    TransactionFailed,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bridge.backoff import Backoff
    from bridge.capture.ports import Clock, TransactionalWriter
    from bridge.sources.chat_server.session_manager import SessionManager
    from bridge.telemetry import Telemetry
    from bridge.transcript.updates import Update

_BATCH_BYTES: Final = 2 * 1024 * 1024
"""Wire bytes per transaction at most: a backlog goes out in several, each well inside the transaction time-out."""
_OVERHEAD: Final = 400
"""Bytes that an input occupies beyond its wire bytes; decoded values are about as large as their JSON again."""
_WORKED_SECONDS: Final = 10.0
"""A shard that ran for longer than this before it failed is opened again after the shortest delay."""
_HOUSEKEEPING: Final = 30.0
"""Seconds after which an idle shard looks for checkpoints to expire."""


@dataclass(slots=True, frozen=True)
class ShardSettings:
    """Bounds of one shard: bytes it may hold, seconds it may wait to fill a batch."""

    inbox_bytes: int
    linger_max: float = 0.25


class Shard:
    """Owned by a replica from the moment its partition is assigned until it is revoked, fenced or drained."""

    def __init__(  # noqa: PLR0913 - the collaborators, by name, built once in the composition root
        self,
        partition: int,
        settings: ShardSettings,
        *,
        store_settings: SessionStoreSettings,
        check_assignment: Callable[[], Awaitable[None]],
        make_writer: Callable[[int], TransactionalWriter],
        make_source: Callable[[Shard], SessionManager],
        backoff: Backoff,
        clock: Clock,
        rate: EventRate,
        telemetry: Telemetry,
    ) -> None:
        """Nothing runs before `run`. `confirm` asks whether the partition is (still) ours."""
        self.partition = partition
        self.problem: str | None = "starting"
        self.fenced = False
        self._settings = settings
        self._store_settings = store_settings
        self._confirm = check_assignment
        self._open_log = make_writer
        self._backoff = backoff
        self._clock = clock
        self._rate = rate
        self._telemetry = telemetry
        self._store = SessionStore(partition, store_settings)
        self._inbox = Inbox(settings.inbox_bytes, self._pause, self._resume)
        self._source = make_source(self)
        self._held: list[Input] = []
        self._held_since: float | None = None
        self._began: float | None = None
        self._committed_at = 0.0
        self._next_offset = 0
        self._draining = False
        self._idle = asyncio.Event()

    # --- what can be asked ---------------------------------------------------------------------------------------

    @property
    def store(self) -> SessionStore:
        """The shard's chats."""
        return self._store

    @property
    def source(self) -> SessionManager:
        """Keeps the chats joined."""
        return self._source

    @property
    def buffer_bytes(self) -> int:
        """Bytes seen and not committed."""
        return self._inbox.bytes

    @property
    def paused(self) -> bool:
        """Whether reading is paused because the buffer is full."""
        return self._inbox.paused

    def oldest_uncommitted(self, now: float) -> float:
        """Return the age in seconds of the oldest input that is not committed; 0.0 when there is none."""
        oldest = self._held_since if self._held_since is not None else self._inbox.oldest
        return 0.0 if oldest is None else max(now - oldest, 0.0)

    def under_way(self, now: float) -> float:
        """Return for how many seconds the transaction under way has been; 0.0 when there is none."""
        return 0.0 if self._began is None else now - self._began

    # --- what comes in -------------------------------------------------------------------------------------------

    def announced(self, record: Announced) -> None:
        """Take a record of the announcements partition; one that was taken before (after a rebalance) is dropped."""
        if record.offset < self._next_offset or self._draining:
            return
        self._next_offset = record.offset + 1
        self._inbox.put(record, len(record.raw) + _OVERHEAD, self._clock.monotonic())

    def learnt(self, observation: Update, size: int) -> None:
        """Take what a link saw."""
        self._inbox.put(observation, 2 * size + _OVERHEAD, self._clock.monotonic())

    # --- the loop ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Own the shard until cancelled, drained or fenced."""
        try:
            await self._own()
        except Exception:
            self.problem = "ended by a defect, see the log; it is started again within seconds"
            raise
        finally:
            self._idle.set()  # nobody waits for a drain that cannot come any more

    async def _own(self) -> None:
        unopened = ""
        while True:
            log = self._open_log(self.partition)
            started = self._clock.monotonic()
            opened = False
            try:
                # Opening fences whoever holds the shard: never without asking whether it is ours. A replica that was
                # paused for a minute does not know that it is not.
                await self._confirm()
                await log.open()
                opened = True
                await self._recover(log)
                self.problem = None
                if await self._commit_forever(log):
                    return
            except ShardFenced:
                self._telemetry.emit(ShardFencedOff(shard=self.partition))
                if self._draining or not await self._still_ours():
                    self.fenced = True
                    self.problem = "fenced: another replica owns this shard"
                    await self._source.close(leave=True)
                    return
                self.problem = "its log was opened by somebody else although it is ours: opening it again"
            except BridgeError as error:
                self.problem = str(error)
                name = _name_of(error)
                if opened:
                    self._telemetry.emit(TransactionFailed(shard=self.partition, error=name))
                elif name != unopened:  # once, not every ten seconds of an outage
                    self._telemetry.emit(ShardNotOpened(shard=self.partition, error=name))
                unopened = "" if opened else name
            finally:
                await log.close()
            if self._clock.monotonic() - started > _WORKED_SECONDS:
                self._backoff.reset()
            await asyncio.sleep(self._backoff.next())

    async def _still_ours(self) -> bool:
        """Tell whether the group still gives us the partition, although somebody opened our log."""
        try:
            await self._confirm()
        except ShardFenced:
            return False
        except KafkaUnavailable:
            return True  # not known: `run` asks again before it opens the log
        return True

    async def drain(self) -> None:
        """Take no more announcements; return when all that was seen is committed, or will never be committed here."""
        self._draining = True
        self._inbox.wake()
        await self._idle.wait()

    async def close(self, *, leave: bool) -> None:
        """End the links. The caller cancels `run` before or after."""
        await self._source.close(leave=leave)

    async def _recover(self, log: TransactionalWriter) -> None:
        """Read the chats back and fold again what was taken and not committed."""
        stored = await log.checkpoints()
        store = SessionStore(self.partition, replace(self._store_settings, limits=log.limits))
        store.restore(stored)
        self._store = store
        self._telemetry.emit(ShardTaken(shard=self.partition, sessions=len(store.followed())))
        if self._held:
            await self._commit(log, self._held)
        for chat in store.followed():
            self._source.follow(chat.transcript.session_id, chat.servers, chat.announcement.password)

    async def _commit_forever(self, log: TransactionalWriter) -> bool:
        """Commit batch after batch; return True when drained."""
        while True:
            if not len(self._inbox):
                if self._draining:
                    self._idle.set()
                    return True
                try:
                    await asyncio.wait_for(self._inbox.arrival(), _HOUSEKEEPING)
                except TimeoutError:
                    await self._commit(log, [])
                    continue
                if not len(self._inbox):
                    continue
            await self._linger()
            self._held_since = self._inbox.oldest
            self._held = self._inbox.take(_BATCH_BYTES)
            await self._commit(log, self._held)

    async def _linger(self) -> None:
        now = self._clock.monotonic()
        most = 0.0 if self._draining or self._inbox.paused else self._settings.linger_max
        wait = wait_before(self._rate.at(now), most, now - self._committed_at)
        if wait:
            await asyncio.sleep(wait)

    async def _commit(self, log: TransactionalWriter, inputs: list[Input]) -> None:
        """Fold inputs and write them as one transaction; only then do they count as captured (P3)."""
        plan = self._store.fold(inputs, self._clock.now_us())
        if plan.cut and await log.refresh_limits() != log.limits:
            raise KafkaUnavailable("a topic's max.message.bytes is another now: opening the shard again")
        self._act(plan)
        if not len(plan.batch) and plan.batch.announcement_offset is None:
            self._settled(plan, 0.0)
            return
        self._began = started = self._clock.monotonic()
        try:
            await log.commit(plan.batch)
        finally:
            self._began = None
        self._settled(plan, self._clock.monotonic() - started)

    def _act(self, plan: TransactionPlan) -> None:
        for session_id in plan.forget:  # first: one that was given up may be announced again in the same batch
            self._source.forget(session_id)
        for chat in plan.follow:
            if chat.state == FOLLOWED:
                self._source.follow(chat.transcript.session_id, chat.servers, chat.announcement.password)

    def _settled(self, plan: TransactionPlan, seconds: float) -> None:
        now = self._clock.monotonic()
        oldest = self.oldest_uncommitted(now)
        self._held = []
        self._held_since = None
        self._committed_at = now
        self._inbox.settle()
        events = len(plan.batch.events)
        self._rate.add(events, now)
        if len(plan.batch):
            self._telemetry.emit(
                BatchCommitted(
                    shard=self.partition,
                    kinds=plan.kinds,
                    records=len(plan.batch),
                    bytes=sum(len(record.value or b"") for record in plan.batch.events),
                    seconds=seconds,
                    oldest_seconds=oldest,
                )
            )
        for fact in plan.facts:
            self._telemetry.emit(fact)

    def _pause(self) -> None:
        self._telemetry.emit(InboxPaused(shard=self.partition))
        self._source.pause()

    def _resume(self) -> None:
        self._telemetry.emit(InboxResumed(shard=self.partition))
        self._source.resume()


def _name_of(error: BaseException) -> str:
    """Return the name of the underlying client's error, which says more than our own class."""
    return type(error.__cause__ or error).__name__
