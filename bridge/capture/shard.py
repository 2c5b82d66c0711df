r"""The shard of one announcements partition: follows its chats, commits its transactions, recovers from errors.

Theory of operation. A shard exists from the moment its partition is assigned to this worker until the partition is
revoked, fenced or drained. It has three parts: a Source, which delivers updates; an Inbox, which holds them until a
transaction takes them; a SessionStore, which turns them into records. `run` is the only task. Its states:

    OPENING   check the assignment, initialise the transactional id (which fences the former owner)
    RESTORING read the checkpoints back, fold the uncommitted inputs again, follow every open chat
    RUNNING   commit batch after batch
    BACKOFF   after any error of the producer, or when the shard could not be opened; then OPENING again
    FENCED    another worker owns the partition; the chats are left, `run` returns
    DRAINED   every input is committed; `run` returns

    OPENING -> RESTORING -> RUNNING -> DRAINED
       ^  \         \          |  \
       |   +---------+--> BACKOFF   +-> FENCED
       +--------------------+

In RUNNING a batch is taken from the inbox, folded (pure) and committed as one transaction, while the inbox collects
the next one. Only after the commit are the inputs dropped and the facts counted (P3). Between two transactions it
pauses briefly, and lingers under load (`pacing.py`).

There is one path for every error of the producer, whatever its class: the writer is dropped, a new one fences it and
resolves any transaction in doubt, the store is restored from the checkpoints, and the inputs that are still held are
folded again. The source is not affected: chats stay joined (P4) while Kafka is unavailable, and reading pauses when the
inbox is full (P6). Any other exception than BridgeError is a defect: it ends the task; the worker starts a new shard.

Before opening a writer, a shard always asks the group coordinator whether the partition is still assigned to this
worker: one that was paused for a minute does not know that it lost its partitions, and would fence their new owner.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bridge.capture.chat import FOLLOWED, Chat
from bridge.capture.inbox import Announced, Inbox, Input
from bridge.capture.pacing import EventRate, wait_before
from bridge.capture.readiness_codes import SHARD_CRASHED, SHARD_OPENING
from bridge.capture.session_store import SessionStore
from bridge.errors import BridgeError, KafkaUnavailable, Problem, ShardFenced
from bridge.facts import (
    BatchCommitted,
    InboxPaused,
    InboxResumed,
    ShardFencedOff,
    ShardNotOpened,
    ShardTaken,
    TransactionFailed,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.backoff import Backoff
    from bridge.capture.batch_builder import SessionStoreSettings, TransactionPlan
    from bridge.capture.ports import CheckAssignment, Clock, MakeSource, Source, TransactionalWriter
    from bridge.telemetry import Telemetry
    from bridge.transcript.updates import Update

_BATCH_BYTES: Final = 2 * 1024 * 1024
"""Source bytes per transaction at most: a backlog takes several, each well within the transaction time-out."""
_OVERHEAD: Final = 400
"""Bytes that an input occupies beyond its source bytes, which count twice: decoded values are about as large."""
_WORKED_SECONDS: Final = 10.0
"""A shard that ran for longer than this before it failed is opened again after the shortest delay."""
_HOUSEKEEPING: Final = 30.0
"""Seconds after which an idle shard looks for checkpoints to expire."""


@dataclass(slots=True, frozen=True)
class ShardSettings:
    """Limits of one shard: bytes of uncommitted input, and longest linger in seconds."""

    inbox_bytes: int
    linger_max: float = 0.25


class Shard:
    """One shard of this worker. `run` owns it until it is cancelled, drained or fenced."""

    def __init__(  # noqa: PLR0913 - the collaborators, by name, built once in the composition root
        self,
        partition: int,
        settings: ShardSettings,
        *,
        store_settings: SessionStoreSettings,
        check_assignment: CheckAssignment,
        make_writer: Callable[[int], TransactionalWriter],
        make_source: MakeSource,
        backoff: Backoff,
        clock: Clock,
        rate: EventRate,
        telemetry: Telemetry,
    ) -> None:
        """Nothing runs before `run`. `check_assignment`: see `Announcements.check_assignment`."""
        self.partition = partition
        self.problem: Problem | None = Problem(SHARD_OPENING, "starting")
        self.fenced = False
        self._settings = settings
        self._store_settings = store_settings
        self._check_assignment = check_assignment
        self._make_writer = make_writer
        self._backoff = backoff
        self._clock = clock
        self._rate = rate
        self._telemetry = telemetry
        self._store = SessionStore(partition, store_settings)
        self._inbox = Inbox(settings.inbox_bytes, self._pause, self._resume)
        self._source = make_source(self.update_received)
        self._held: list[Input] = []
        self._held_since: float | None = None
        self._began: float | None = None
        self._committed_at = 0.0
        self._next_offset = 0
        self._draining = False
        self._idle = asyncio.Event()

    # --- state ---------------------------------------------------------------------------------------------------

    @property
    def store(self) -> SessionStore:
        """The shard's chats."""
        return self._store

    @property
    def source(self) -> Source:
        """The source that delivers the shard's chats."""
        return self._source

    @property
    def buffer_bytes(self) -> int:
        """Bytes delivered and not yet committed."""
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
        """Return the age in seconds of the transaction in progress; 0.0 when there is none."""
        return 0.0 if self._began is None else now - self._began

    # --- input ---------------------------------------------------------------------------------------------------

    def announced(self, record: Announced) -> None:
        """Queue a record of the announcements partition; one seen before (after a rebalance) is ignored."""
        if record.offset < self._next_offset or self._draining:
            return
        self._next_offset = record.offset + 1
        self._inbox.put(record, len(record.raw) + _OVERHEAD, self._clock.monotonic())

    def update_received(self, update: Update, size: int) -> None:
        """Queue an update of the source."""
        self._inbox.put(update, 2 * size + _OVERHEAD, self._clock.monotonic())

    # --- the loop ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Own the shard until cancelled, drained or fenced."""
        try:
            await self._own()
        except Exception:
            self.problem = Problem(
                SHARD_CRASHED, "crashed because of a defect (see the log); restarting within seconds"
            )
            raise
        finally:
            self._idle.set()  # release a `drain` that waits for this task

    async def _own(self) -> None:
        unopened = ""
        while True:
            writer = self._make_writer(self.partition)
            started = self._clock.monotonic()
            opened = False
            try:
                await self._check_assignment()  # opening fences whoever holds the shard
                await writer.open()
                opened = True
                await self._restore(writer)
                self.problem = None
                if await self._commit_forever(writer):
                    return
            except ShardFenced:
                self._telemetry.emit(ShardFencedOff(shard=self.partition))
                if self._draining or not await self._still_ours():
                    self.fenced = True
                    self.problem = Problem(ShardFenced.code, "fenced: another worker owns this shard")
                    await self._source.close(leave=True)
                    return
                self.problem = Problem(SHARD_OPENING, "fenced but still assigned to this worker; opening again")
            except BridgeError as error:
                self.problem = error.problem
                name = _name_of(error)
                if opened:
                    self._telemetry.emit(TransactionFailed(shard=self.partition, error=name))
                elif name != unopened:  # once, not every ten seconds of an outage
                    self._telemetry.emit(ShardNotOpened(shard=self.partition, error=name))
                unopened = "" if opened else name
            finally:
                await writer.close()
            if self._clock.monotonic() - started > _WORKED_SECONDS:
                self._backoff.reset()
            await asyncio.sleep(self._backoff.next())

    async def _still_ours(self) -> bool:
        """Return whether the partition is still assigned to this worker, although its producer was fenced."""
        try:
            await self._check_assignment()
        except ShardFenced:
            return False
        except KafkaUnavailable:
            return True  # unknown: `run` checks again before it opens a writer
        return True

    async def drain(self) -> None:
        """Stop accepting announcements; return when all input is committed, or the task has ended."""
        self._draining = True
        self._inbox.wake()
        await self._idle.wait()

    async def close(self, *, leave: bool) -> None:
        """Close the source. The caller cancels `run` before or after."""
        await self._source.close(leave=leave)

    async def _restore(self, writer: TransactionalWriter) -> None:
        """Restore the chats from their checkpoints and fold the uncommitted inputs again."""
        stored = await writer.checkpoints()
        store = SessionStore(self.partition, replace(self._store_settings, limits=writer.limits))
        store.restore(stored)
        self._store = store
        self._telemetry.emit(ShardTaken(shard=self.partition, sessions=len(store.followed())))
        if self._held:
            await self._commit(writer, self._held)
        for chat in store.followed():
            self._follow(chat)

    async def _commit_forever(self, writer: TransactionalWriter) -> bool:
        """Commit batch after batch; return True when drained."""
        while True:
            if not len(self._inbox):
                if self._draining:
                    self._idle.set()
                    return True
                try:
                    async with asyncio.timeout(_HOUSEKEEPING):
                        await self._inbox.arrival()
                except TimeoutError:
                    await self._commit(writer, [])
                    continue
                if not len(self._inbox):
                    continue
            await self._linger()
            self._held_since = self._inbox.oldest
            self._held = self._inbox.take(_BATCH_BYTES)
            await self._commit(writer, self._held)

    async def _linger(self) -> None:
        now = self._clock.monotonic()
        most = 0.0 if self._draining or self._inbox.paused else self._settings.linger_max
        wait = wait_before(self._rate.at(now), most, now - self._committed_at)
        if wait:
            await asyncio.sleep(wait)

    async def _commit(self, writer: TransactionalWriter, inputs: list[Input]) -> None:
        """Fold inputs and write them as one transaction; only then do they count as captured (P3)."""
        plan = self._store.fold(inputs, self._clock.now_us())
        if plan.cut and await writer.refresh_limits() != writer.limits:
            raise KafkaUnavailable("max.message.bytes of a topic has changed; re-opening the shard")
        self._act(plan)
        if not len(plan.batch) and plan.batch.announcement_offset is None:
            self._settled(plan, 0.0)
            return
        self._began = started = self._clock.monotonic()
        try:
            await writer.commit(plan.batch)
        finally:
            self._began = None
        self._settled(plan, self._clock.monotonic() - started)

    def _follow(self, chat: Chat) -> None:
        self._source.follow(chat.session_id, tuple(chat.announcement.places()), chat.announcement.password)

    def _act(self, plan: TransactionPlan) -> None:
        for session_id in plan.forget:  # first: a chat that was given up may be announced again in the same batch
            self._source.forget(session_id)
        for chat in plan.follow:
            if chat.state == FOLLOWED:
                self._follow(chat)

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
    """Return the class name of the client's error, which is more specific than the bridge's own."""
    return type(error.__cause__ or error).__name__
