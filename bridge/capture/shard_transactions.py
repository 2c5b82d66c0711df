"""The transactions of one shard, one after the other: inputs are folded and written, unless they are written already.

Each has three steps: `decide` folds (pure), `prepare` completes the records and may wait, `commit` writes them.

Only after a commit are the inputs dropped and the facts counted (P3). The answer to a commit may be lost: the plan is
kept until the checkpoints that are read back tell whether it is on Kafka (`batch_numbers.py`). If they hold less than
this shard has committed, Kafka has forgotten: the chats in memory, which are as of after that plan, are kept.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from bridge.capture.known_offsets import take_offsets
from bridge.capture.pacing import wait_before
from bridge.capture.session_store import SessionStore
from bridge.capture.stored_chats import stored_shard
from bridge.errors import KafkaUnavailable
from bridge.facts import BatchCommitted, ShardTaken

if TYPE_CHECKING:
    from bridge.capture.batch_builder import TransactionPlan
    from bridge.capture.inbox import Inbox, Input
    from bridge.capture.pacing import EventRate
    from bridge.capture.ports import Clock, Preparation, TransactionalWriter
    from bridge.capture.session_store_settings import SessionStoreSettings
    from bridge.capture.shard_recovery import Repair, ShardRecovery
    from bridge.telemetry import Telemetry


class ShardTransactions:
    """`restore` with each new writer; then `decide`, `prepare` and `commit`, in turn. `store` holds the chats.

    `next_announcement` is the offset of announcements that was committed last, None before the first. `overtaken`: when
    the shard was restored last, another owner had committed since; `void_ends` are chats that were given up before, and
    are followed all the same, `taken_back` those that are watched here and that the other owner gave up. Whoever
    follows them anew takes them out.
    """

    def __init__(  # noqa: PLR0913 - the collaborators, by name, built once by the shard
        self,
        partition: int,
        settings: SessionStoreSettings,
        inbox: Inbox,
        *,
        preparation: Preparation,
        clock: Clock,
        rate: EventRate,
        linger_max: float,
        rest: float,
        telemetry: Telemetry,
    ) -> None:
        """`linger_max` and `rest` in seconds; `rate` is shared by all shards of the worker."""
        self.store = SessionStore(partition, settings)
        self.next_announcement: int | None = None
        self.overtaken = False
        self.void_ends: set[str] = set()
        self.taken_back: set[str] = set()
        self._partition = partition
        self._settings = settings
        self._inbox = inbox
        self._preparation = preparation
        self._clock = clock
        self._rate = rate
        self._linger_max = linger_max
        self._rest = rest
        self._telemetry = telemetry
        self._uncertain: tuple[TransactionPlan, float] | None = None
        self._last_number = 0
        self._restored_number: int | None = None
        self._opened = False
        self._began: float | None = None
        self._committed_at = 0.0

    def under_way(self, now: float) -> float:
        """Return the age in seconds of the transaction in progress; 0.0 when there is none."""
        return 0.0 if self._began is None else now - self._began

    async def restore(self, writer: TransactionalWriter, recovery: ShardRecovery, *, since: float) -> Repair:
        """Restore the chats from their checkpoints, unless Kafka holds less than memory: then that is written again.

        `since` is the monotonic time at which the attempt to open the shard began.

        Returns what the next transaction has to tell. Inputs whose transaction turns out to be committed, although its
        commit failed, are no longer held (P1); neither is what another owner has made void since.
        """
        checkpoints = None
        while checkpoints is None:
            await recovery.before_opening()
            checkpoints = await writer.checkpoints()
        stored = stored_shard(checkpoints, self._settings.writers)
        store = SessionStore(self._partition, replace(self._settings, limits=writer.limits))
        store.restore(stored)
        before, kept = store.numbers.shard, self._kept(store, recovery)
        if kept:
            before = self.store.numbers.shard
            self.store.supersede(store)
            await self._write_again(writer, store, recovery)
        else:
            self.store, self._opened = store, False
            if self._settings.keys is not None:
                self._settings.keys.undone()
            if self._uncertain is not None and store.numbers.committed(self._uncertain[0].number):
                self._settled(self._uncertain[0], self._clock.monotonic() - self._uncertain[1])
            self._uncertain = None
        known, highest = self._restored_number, self.store.numbers.highest
        self.overtaken = not kept and known is not None and highest > max(known, self._last_number)
        repair = await recovery.opening(self.store, before=before, kept=kept)
        self._restored_number = highest
        if self.overtaken:
            # Of announcements of another log, what is held is not what was committed there.
            committed = repair.committed if repair.next_announcement is None else 0
            self.void_ends.update(self._inbox.overtaken(committed))
        self._opened = True
        seconds, sessions = self._clock.monotonic() - since, len(self.store.followed())
        self._telemetry.emit(ShardTaken(shard=self._partition, sessions=sessions, seconds=seconds))
        return repair

    def _kept(self, restored: SessionStore, recovery: ShardRecovery) -> bool:
        """Return whether Kafka has forgotten what this shard has committed, and nobody else had the shard since."""
        own, there = self.store.numbers, restored.numbers
        if not self._opened or not self._last_number or there.owners - own.owners:
            return False  # until it was opened, a store may lack what Kafka has forgotten
        forgotten = there.highest < self._last_number or bool(restored.incomplete)
        return forgotten or recovery.checkpoints_changed(own.shard)

    async def _write_again(self, writer: TransactionalWriter, restored: SessionStore, recovery: ShardRecovery) -> None:
        """Write the last plan again if it is not on Kafka, with all checkpoints: memory is as of after it."""
        store = self.store
        store.limit(writer.limits)
        if self._uncertain is None:
            return
        plan, since = self._uncertain
        if not restored.numbers.committed(plan.number) and not await recovery.landed(plan, store.numbers.shard):
            store.adopt(())
            again = await self._fold([], mark=True)
            await self.prepare(plan)
            await self.prepare(again)
            plan.add(again, instead_of=self._settings.checkpoints)
            await self.commit(writer, plan)
        else:
            self._settled(plan, self._clock.monotonic() - since)

    async def linger(self, writer: TransactionalWriter, *, hurried: bool) -> None:
        """Wait before the next transaction, for it to grow; briefly if it is `hurried` or large anyway."""
        now = self._clock.monotonic()
        most = 0.0 if hurried or self._inbox.paused or self._inbox.in_parts else self._linger_max
        wait = wait_before(self._rate.at(now), most, now - self._committed_at, self._rest)
        if wait:
            await asyncio.sleep(wait)
        if not self._inbox.announces:  # else a chat is to be joined, which may end soon
            await writer.turn()

    async def decide(self, writer: TransactionalWriter, inputs: list[Input], *, mark: bool) -> TransactionPlan:
        """Fold inputs; with `mark` the plan is never empty.

        Raises KafkaUnavailable when the topics' limits changed, SealingFailed when a chat's key cannot be had.
        """
        plan = await self._fold(inputs, mark=mark)
        self._uncertain = plan, self._clock.monotonic()
        if plan.cut and await writer.refresh_limits() != writer.limits:
            raise KafkaUnavailable("max.message.bytes of a topic has changed; re-opening the shard")
        return plan

    async def _fold(self, inputs: list[Input], *, mark: bool) -> TransactionPlan:
        """Fold inputs, with all keys at hand that this may need: what expires meanwhile waits for the next fold."""
        now = self._clock.now_us()
        if self._settings.keys is not None:
            await self._settings.keys.ready(inputs, self.store.needing_keys(now))
        return self.store.fold(inputs, now, mark=mark, behind=self._inbox.behind(inputs))

    async def prepare(self, plan: TransactionPlan) -> None:
        """Complete the records of a plan, once; it may wait. Raises what the preparation raises, and SealingFailed."""
        if plan.prepared or not plan.number:
            return
        self._began = self._clock.monotonic()
        try:
            if self._settings.keys is not None:
                await self._settings.keys.wrap(plan.batch)
            await self._preparation.prepare(plan.batch)
        finally:
            self._began = None
        plan.prepared = True

    async def commit(self, writer: TransactionalWriter, plan: TransactionPlan) -> None:
        """Write a plan as one transaction, if it holds anything; only then do its inputs count as captured (P3)."""
        if not plan.number:
            self._settled(plan, 0.0)
            return
        self._began = started = self._clock.monotonic()
        self._uncertain = plan, started
        try:
            await writer.commit(plan.batch)
        finally:
            self._began = None
        self._settled(plan, self._clock.monotonic() - started)

    def _settled(self, plan: TransactionPlan, seconds: float) -> None:
        now = self._clock.monotonic()
        oldest = self._inbox.age_of_taken(now)
        self._uncertain = None
        self._last_number = plan.number or self._last_number
        self._committed_at = now
        ages = [(now - at, events) for at, events in zip(self._inbox.held_at, plan.events, strict=False) if events]
        if plan.batch.announcement_offset is not None:
            self.next_announcement = plan.batch.announcement_offset
        take_offsets(plan.batch.records, self.store.chats, self._settings.outputs)
        if self._settings.keys is not None:
            self._settings.keys.settled(plan.batch, self.store.chats.keys())
        self._preparation.committed(plan.batch)
        self._inbox.settle()
        self._rate.add(sum(plan.kinds.values()), now)
        if len(plan.batch):
            self._telemetry.emit(
                BatchCommitted(
                    shard=self._partition,
                    kinds=plan.kinds,
                    records=len(plan.batch),
                    bytes=plan.event_bytes,
                    seconds=seconds,
                    oldest_seconds=oldest,
                    ages=ages,
                )
            )
        for fact in plan.facts:
            self._telemetry.emit(fact)
