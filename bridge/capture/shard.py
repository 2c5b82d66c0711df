r"""The shard of one announcements partition: follows its chats, commits its transactions, recovers from errors.

Theory of operation. A shard exists from the moment its partition is assigned to this worker until the partition is
revoked, fenced or drained. It has three parts: a Source, which delivers updates; an Inbox, which holds them until a
transaction takes them; a SessionStore, which turns them into records. `run` is the only task. Its states:

    OPENING   check the assignment, open a writer (which takes the shard and fences its former owner)
    RESTORING read the checkpoints back, fold the inputs again that are not committed, follow every open chat, forget
              all others
    RUNNING   commit batch after batch; probe when there is nothing to commit (`ownership.py`)
    BACKOFF   after any error of the producer, or when the shard could not be opened; then OPENING again
    FENCED    another worker owns the partition; the chats are left, `run` returns
    DRAINED   the source is closed and every input is committed; `run` returns

    OPENING -> RESTORING -> RUNNING -> DRAINED
     | ^  \         \          |  \
     | |   +---------+--> BACKOFF   +-> FENCED
     | +---------------------+            ^
     +------------------------------------+

In RUNNING a batch is taken from the inbox and becomes a transaction in three steps: decide (fold, pure), prepare (may
wait), commit. The inbox collects the next one meanwhile. Only after the commit are the inputs dropped and the facts
counted (P3). Between two transactions it pauses briefly, and lingers under load (`pacing.py`).

There is one path for every error of the producer, whatever its class: the writer is dropped and closes in the
background, a new one fences whoever else may write and resolves any transaction in doubt, and the store is restored
from the checkpoints. They tell whether the last transaction is committed, although its answer was lost
(`batch_numbers.py`): only if not, the inputs that are still held are folded again. The source is not affected: chats
stay joined (P4) while Kafka is unavailable, and reading pauses when the inbox is full (P6). Any other exception than
BridgeError is a defect, also one in a task of the source: it ends the task; the worker starts a new shard.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bridge.capture.announcement_place import AnnouncementPlace
from bridge.capture.attempts import Attempts
from bridge.capture.following import act, reconcile, still_watched
from bridge.capture.guarded_run import GuardedRun
from bridge.capture.inbox import Announced, Inbox, Input, PassedOver, memory_of
from bridge.capture.inbox_gate import InboxGate
from bridge.capture.ownership import ProbeTimer, still_ours
from bridge.capture.readiness_codes import SHARD_CRASHED, SHARD_OPENING
from bridge.capture.shard_transactions import ShardTransactions
from bridge.closings import Closings
from bridge.errors import BridgeError, KafkaUnavailable, Problem, ShardFenced, places
from bridge.facts import ChatsReconciled, ShardCrashed, ShardFencedOff

if TYPE_CHECKING:
    from bridge.backoff import Backoff
    from bridge.capture.pacing import EventRate
    from bridge.capture.ports import CheckAssignment, Clock, MakeSource, Preparation, TransactionalWriter
    from bridge.capture.session_store import SessionStore
    from bridge.capture.session_store_settings import SessionStoreSettings
    from bridge.capture.shard_recovery import ShardRecovery
    from bridge.capture.shard_settings import ShardSettings
    from bridge.capture.stored_door import StoredDoor
    from bridge.capture.stored_inputs import StoredInput, StoredRead
    from bridge.capture.worker_ports import WritersOfShard
    from bridge.telemetry import Telemetry
    from bridge.transcript.updates import Update

_BATCH_BYTES: Final = 2 * 1024 * 1024
"""Source bytes per transaction at most: a backlog takes several, each well within the transaction time-out."""


class Shard:
    """One shard of this worker. `run` owns it until it is cancelled, drained or fenced. `source` delivers its chats."""

    def __init__(  # noqa: PLR0913 - the collaborators, by name, built once in the composition root
        self,
        partition: int,
        settings: ShardSettings,
        *,
        owner: int,
        store_settings: SessionStoreSettings,
        check_assignment: CheckAssignment,
        writers: WritersOfShard,
        make_source: MakeSource,
        preparation: Preparation,
        recovery: ShardRecovery,
        stored: StoredDoor,
        backoff: Backoff,
        clock: Clock,
        rate: EventRate,
        telemetry: Telemetry,
    ) -> None:
        """Nothing runs before `run`. `check_assignment` is called before each opening of a writer.

        `owner` is a random number of 63 bits that no other shard object has, here or on another worker.
        """
        self.partition = partition
        self.problem: Problem | None = Problem(SHARD_OPENING, "starting")
        self.fenced = False
        self.buffer_limit = settings.inbox_bytes
        self._settings = settings
        self._check_assignment = check_assignment
        self._writers = writers
        self._clock = clock
        self._telemetry = telemetry
        self.source = make_source(self.update_received, self._part_failed)
        self._stored = stored
        self._stored.bind(self.stored_received, self._part_failed)
        gate = InboxGate(partition, self.source, stored, telemetry)
        self._inbox = Inbox(settings.inbox_bytes, gate.shut, gate.open, settings.hold_back)
        self._transactions = ShardTransactions(
            partition,
            replace(store_settings, owner=owner),
            self._inbox,
            preparation=preparation,
            clock=clock,
            rate=rate,
            linger_max=settings.linger_max,
            rest=settings.rest,
            telemetry=telemetry,
        )
        self._probes = ProbeTimer(settings.probe_after)
        self._attempts = Attempts(partition, backoff, clock, telemetry)
        self._recovery = recovery
        self._recovery.tell(self._progress)
        self._place = AnnouncementPlace()
        self._overtaken = self._leaving = self._draining = self._left = False
        self._guard = GuardedRun()
        self._closings = Closings(f"release {partition}")

    # --- state ---------------------------------------------------------------------------------------------------

    @property
    def store(self) -> SessionStore:
        """The shard's chats."""
        return self._transactions.store

    @property
    def buffer_bytes(self) -> int:
        """Bytes delivered and not yet committed."""
        return self._inbox.bytes

    @property
    def announcement_lag(self) -> int:
        """Offsets of the announcements partition that are not committed yet, as far as is known."""
        return self._place.lag(self._transactions.next_announcement)

    @property
    def paused(self) -> bool:
        """Whether reading is paused because the buffer is full."""
        return self._inbox.paused

    @property
    def uncommitted(self) -> int:
        """Number of inputs from the source that are not committed; announcements are on Kafka already."""
        return self._inbox.updates

    @property
    def drained(self) -> bool:
        """Whether all chats were left and everything from the source is committed."""
        return self._left and self._guard.defect is None and not self.uncommitted

    @property
    def problems(self) -> list[Problem]:
        """Why the shard is not as it should be; empty when it is."""
        own = [self.problem] if self.problem else []
        return list(dict.fromkeys([*own, *self._recovery.problems(), *self._stored.problems]))

    def oldest_uncommitted(self, now: float) -> float:
        """Return the age in seconds of the oldest input that is not committed; 0.0 when there is none."""
        return self._inbox.age(now)

    def under_way(self, now: float) -> float:
        """Return the age in seconds of the transaction in progress; 0.0 when there is none."""
        return self._transactions.under_way(now)

    # --- input ---------------------------------------------------------------------------------------------------

    def announced(self, record: Announced) -> None:
        """Queue a record of the announcements partition; one seen before (after a rebalance) is ignored."""
        if not self._leaving and self._place.announced(record.offset):
            self._inbox.put(record, memory_of(0) + len(record.raw), self._clock.monotonic())

    def announcements_read(self, position: int, end: int) -> None:
        """Note how far the announcements partition is read, and where it ends; what is not an announcement counts."""
        if not self._leaving and self._place.read(position, end):
            self._inbox.put(PassedOver(position, self._clock.now_us()), memory_of(0), self._clock.monotonic())

    def update_received(self, update: Update, size: int) -> None:
        """Queue an update of the source."""
        self._inbox.put(update, memory_of(size), self._clock.monotonic())

    def stored_received(self, one: StoredInput | StoredRead, size: int) -> None:
        """Queue a stored transcript, or what the feeder has read; one that comes too late is read again."""
        if not self._leaving:
            self._inbox.put(one, memory_of(size), self._clock.monotonic())

    def _part_failed(self, error: Exception) -> None:
        """End `run` with a defect that ended a task of the source, or the closing of a writer."""
        if not self._guard.fail(error):
            self._telemetry.emit(ShardCrashed(shard=self.partition, error=type(error).__name__, at=places(error)))

    # --- the loop ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Own the shard until cancelled, drained or fenced. Raises what a defect raised, here or in the source."""
        try:
            await self._guard.run(self._own_and_close())
        except Exception:
            self.problem = Problem(SHARD_CRASHED, "crashed because of a defect (see the log); restarting in seconds")
            raise

    async def _own_and_close(self) -> None:
        try:
            await self._own()
        finally:
            self._closings.begin(self._writers.release(self.partition))
            await self._closings.ended()

    async def _own(self) -> None:
        while not self._draining or self._inbox.uncommitted:
            writer = self._writers.writer(self.partition)
            self._attempts.begin()
            try:
                if not (self._leaving and await writer.goes_on()):
                    await self._check_assignment()  # opening fences whoever holds the shard
                await writer.open()
                self._probes.proved(self._clock.monotonic())
                await self._restore(writer)
                self.problem = None
                await self._commit_until_drained(writer)
            except ShardFenced:
                self._telemetry.emit(ShardFencedOff(shard=self.partition))
                if not await still_ours(self._check_assignment, draining=self._draining, leaving=self._leaving):
                    self.fenced = True
                    self.problem = Problem(ShardFenced.code, "fenced: another worker owns this shard")
                    await self.close()
                    return
                self._overtaken = True
                self.problem = Problem(SHARD_OPENING, "fenced but still assigned to this worker; opening again")
            except BridgeError as error:
                self.problem = error.problem
                self._attempts.failed(error)
            else:
                return
            finally:
                # In the background: once the next writer is open, Kafka refuses whatever this one sends, and what came
                # before is in the checkpoints read back. One not initialised yet stops trying before the pause ends.
                self._closings.begin(self._closed(writer))
            await self._attempts.pause()

    async def _closed(self, writer: TransactionalWriter) -> None:
        try:
            await writer.close()
        except Exception as error:  # noqa: BLE001 - a defect, which ends the shard at once
            self._part_failed(error)

    # --- the way out ---------------------------------------------------------------------------------------------

    def probe(self) -> None:
        """Find out now whether another worker opened the shard meanwhile: the partition was assigned again."""
        self._probes.ask()
        self._attempts.wake()
        self._inbox.wake()

    def hand_over(self) -> None:
        """Accept no more announcements; go on capturing until another worker has opened the shard, or `drain`."""
        self._probes.hand_over()
        self._attempts.hurry()
        self._leaving = True
        self._stored.end()
        self._inbox.release()  # P1: the next owner may come too late for a chat that ends meanwhile
        self._inbox.wake()

    async def drain(self) -> None:
        """Leave the chats, then return when all input is committed, or the task has ended."""
        self.hand_over()
        self._draining = True
        self._inbox.drop_reread()
        await self.close()
        if self._inbox.uncommitted:
            await self._guard.ended.wait()

    async def close(self) -> None:
        """Leave the chats and close the source. The caller cancels `run` before or after."""
        self._stored.end()
        await self.source.close(leave=True)
        self._left = True
        await self._stored.close()

    # --- transactions --------------------------------------------------------------------------------------------

    async def _restore(self, writer: TransactionalWriter) -> None:
        """Restore the chats, fold again what is not committed, and make the source follow the chats of the store."""
        repair = await self._transactions.restore(writer, self._recovery, since=self._attempts.began)
        self._attempts.opened()
        self._overtaken |= self._transactions.overtaken
        self._place.expect(repair.next_announcement)
        self._stored.restored(self.store.positions, again=self._transactions.overtaken)  # nothing came in between
        held, taken_back, now = self._inbox.held, self._transactions.taken_back, self._clock.now_us()
        watched = still_watched(self.source, self.store, held, taken_back, now) if self._overtaken else []
        if held or watched or repair.due:
            await self._commit(writer, [*held, *repair.inputs, *watched], mark=repair.due)
        if self._draining:
            return  # all chats are left
        followed, forgotten = reconcile(self.source, self.store, self._transactions.void_ends, taken_back)
        if self._overtaken and (followed or forgotten):
            self._telemetry.emit(ChatsReconciled(shard=self.partition, followed=followed, forgotten=forgotten))
        self._overtaken = False

    async def _commit_until_drained(self, writer: TransactionalWriter) -> None:
        """Commit batch after batch, and probe between them; return when drained."""
        while True:
            if not self._recovery.rest():
                await self._look(writer)
            self._inbox.release_due(self._clock.monotonic())
            if len(self._inbox):
                await self._transactions.linger(writer, hurried=self._leaving)
            elif self._draining:
                return
            elif rest := self._probes.rest(self._clock.monotonic()):
                with contextlib.suppress(TimeoutError):
                    held_back = self._inbox.rest(self._clock.monotonic())
                    async with asyncio.timeout(min(rest, self._recovery.rest(), held_back)):
                        await self._inbox.arrival()
                continue
            await self._commit(writer, self._inbox.take(_BATCH_BYTES))

    async def _look(self, writer: TransactionalWriter) -> None:
        """Find out whether Kafka has forgotten something, and write what follows from that."""
        try:
            repair = await self._recovery.look(self.store, self._place.next)
        except KafkaUnavailable:
            return  # it is among the problems until the next look
        self._place.expect(repair.next_announcement)
        if repair.due:
            await self._commit(writer, repair.inputs, mark=True)

    def _progress(self, progress: Problem) -> None:
        self.problem = progress

    async def _commit(self, writer: TransactionalWriter, inputs: list[Input], *, mark: bool = False) -> None:
        """Decide what becomes of inputs, tell the source what follows from that, and write it as one transaction."""
        due = self._probes.begin(self._clock.monotonic())
        plan = await self._transactions.decide(writer, inputs, mark=due or mark)
        if not self._draining:
            act(self.source, plan)
        await self._transactions.prepare(plan)
        await self._transactions.commit(writer, plan)
        if plan.number:
            self._probes.proved(self._clock.monotonic())
