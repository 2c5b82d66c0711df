"""The worker of this process: one consumer group member on the announcements topic, one shard per assigned partition.

A rebalance does not interrupt the shards that stay: a shard is only stopped when the new assignment is known and does
not contain its partition (P4). It is stopped while its new owner already joins its chats; for a moment two monitors
may be in a chat, which is better than none. One that stays probes: another worker may have had it in between.

A worker that is stopped leaves its group first. Then its shards go on, each until its new owner has opened it, for half
of the time at most; alone in the group, it does not wait for that. The shards that are left then stop taking in, leave
their chats, and commit what they hold. Whatever hangs, the chats are left before the time is over.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from bridge.announcement import parse
from bridge.capture.hand_over import HandOver
from bridge.capture.inbox import Announced
from bridge.capture.partition_numbers import asked_number
from bridge.capture.readiness_codes import BUFFER_FULL, DRAINING, NO_PARTITIONS, WAITING_FOR_PARTITIONS
from bridge.capture.running_shard import DrainResult, RunningShard, result_of, states_of
from bridge.errors import (
    AccessDenied,
    BridgeError,
    KafkaUnavailable,
    PlaceTaken,
    Problem,
    ShardFenced,
    TopicMissing,
    UnreadableAnnouncement,
    places,
)
from bridge.facts import ConsumerFailed, ShardCrashed, ShardReleased
from bridge.waiting import all_ended

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bridge.backoff import Backoff
    from bridge.capture.consumer_ports import Announcements, ConsumedRecord
    from bridge.capture.ports import CheckAssignment, Clock
    from bridge.capture.shard import Shard
    from bridge.telemetry import Telemetry


_DRAINING: Final = Problem(DRAINING, "draining")
_BUFFER_FULL: Final = Problem(BUFFER_FULL, "buffer full, reading paused")
_NO_PARTITIONS: Final = Problem(
    NO_PARTITIONS, "no partitions assigned: are there more workers than partitions, or no topic?"
)
_CRASH_SECONDS: Final = 10.0
"""Minimum time between two restarts of a crashing shard: its chats must not be joined and left continuously (P4)."""
_HANDOVER_SHARE: Final = 0.5
"""Fraction of the drain time that shards wait for new owners; the rest is for shards that were not taken over."""
_WRITER_SECONDS: Final = 2.0
"""How long a cancelled shard may take to close its writer in order; then it is hurried."""
_LEAVE_SECONDS: Final = 5.0
"""How long a worker without shards waits until it has left its group."""


class Worker:
    """All shards of this process. `run` until cancelled; `drain` to stop in order."""

    def __init__(
        self,
        announcements: Callable[[], Announcements],
        make_shard: Callable[[int, CheckAssignment], Shard],
        *,
        backoff: Backoff,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        """`announcements` makes a new consumer each time the former one failed.

        `make_shard` gets the partition, and the check that a shard must make each time before it opens a writer.
        """
        self._make_announcements = announcements
        self._make_shard = make_shard
        self._backoff = backoff
        self._clock = clock
        self._telemetry = telemetry
        self._announcements: Announcements | None = None
        self._runs: dict[int, RunningShard] = {}
        self._ending: set[RunningShard] = set()  # no longer ours, until task and source have ended
        self._releases: set[asyncio.Task[None]] = set()
        self._rest_until: dict[int, float] = {}
        self._draining = False
        self._joined = False
        self._refused = False
        self._hand_over: HandOver | None = None
        self.problem: Problem | None = Problem(WAITING_FOR_PARTITIONS, "waiting for partitions")

    # --- state ---------------------------------------------------------------------------------------------------

    @property
    def shards(self) -> Iterable[Shard]:
        """The shards of this worker, by partition."""
        return [self._runs[partition].shard for partition in sorted(self._runs)]

    def problems(self) -> list[Problem]:
        """Return why the worker is not ready; empty when it is."""
        found = [_DRAINING] if self._draining else []
        if self.problem:
            found.append(self.problem)
        if self._announcements is not None and self._announcements.problem:
            found.append(self._announcements.problem)
        for shard in self.shards:
            told = shard.problems
            told += [_BUFFER_FULL] if shard.paused else []
            found += [Problem(one.code, f"shard {shard.partition}: {one.detail}") for one in told]
        return found

    def shard_states(self) -> dict[str, int]:
        """Return how many shards capture (open), are being opened, and are handed over or stopped (closing)."""
        return states_of(self._runs.values(), self._ending, draining=self._draining)

    @property
    def kafka_answers(self) -> bool:
        """Whether a broker has answered the reader of announcements, and not too long ago.

        That it refused something was an answer, while the next reader is waited for.
        """
        return self._refused or (self._announcements is not None and self._announcements.answered)

    # --- running -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Read announcements and pass them to their shards until cancelled; a consumer that fails is replaced.

        Raises WorkerIdInUse when another living process has this worker's id; the shards go on then, to be drained.
        """
        while not self._draining:
            self._announcements = consumer = self._make_announcements()
            taken = abandoned = self._refused = False
            try:
                self._joined = False
                await consumer.start(self._assigned)
                while not self._draining:
                    # P6: a shard with a full inbox gets no more records; one fetch may exceed the limit.
                    full = frozenset(shard.partition for shard in self.shards if shard.paused)
                    self._pass_on(await consumer.fetch(full), consumer)
                    if self._joined:  # not before: to join and to read may be denied again and again
                        self._backoff.reset()
                    await self._restart_crashed(consumer)
            except BridgeError as error:
                taken = isinstance(error, PlaceTaken)
                self._refused = isinstance(error, KafkaUnavailable) and error.answered
                if not self._draining:  # `drain` has left the group
                    self.problem = error.problem
                    cause = error.__cause__ if isinstance(error, KafkaUnavailable) else None
                    name = type(cause or error).__name__
                    self._telemetry.emit(ConsumerFailed(error=name, code=error.code, detail=str(error)))
                    # Not `leave`, which waits for Kafka: the next one is a member with the same id, gets the same
                    # partitions, and meanwhile the shards go on. Without a topic, or a right, those were none, and
                    # they would be none again: the group has to assign anew.
                    if abandoned := not isinstance(error, TopicMissing | AccessDenied):
                        await consumer.abandon()
            finally:
                if not abandoned:  # else its member stays for the next one; `drain` lets it leave
                    await consumer.leave()  # without effect when `drain` has left
            if not self._draining:
                await (consumer.outlast_successor() if taken else asyncio.sleep(self._backoff.next()))

    async def drain(self, seconds: float) -> DrainResult:
        """Leave the group, hand the shards over or drain them, and end them all, within about `seconds`.

        Raises what a defect raised, once all shards have ended.
        """
        self._draining = True
        end = self._clock.monotonic() + seconds
        runs = list(self._runs.values())
        for run in runs:
            run.shard.hand_over()
        tasks: list[asyncio.Task[None]] = []
        try:
            if self._announcements is not None:
                hand_over = self._hand_over = HandOver(self._announcements)
                create = asyncio.get_running_loop().create_task
                leaving = create(self._announcements.leave(), name="leave the group")
                tasks += [leaving, create(hand_over.watch(), name="ask the group")]
                await self._taken_over(runs, hand_over, seconds * _HANDOVER_SHARE)
                finishing = [create(self._finish(run)) for run in runs]
                tasks += finishing
                if finishing:
                    await asyncio.wait(finishing, timeout=max(end - self._clock.monotonic(), 0.0))
                # Without this the partitions would have no owner until the session time-out.
                await asyncio.wait([leaving], timeout=max(min(end - self._clock.monotonic(), _LEAVE_SECONDS), 0.0))
        finally:
            for task in tasks:
                task.cancel()
            try:
                await self.close()
            finally:
                await all_ended(tasks)
        for task in tasks:
            if not task.cancelled():
                task.result()
        return result_of(runs)

    async def close(self) -> None:
        """Stop every shard at once; chats are left with KeepAlive. A cancellation is raised when all have stopped."""
        self._draining = True
        runs, loop = {*self._runs.values(), *self._ending}, asyncio.get_running_loop()
        stops = [loop.create_task(self._stop(run), name=f"release {run.shard.partition}") for run in runs]
        await all_ended([*stops, *self._releases])
        for stop in stops:
            stop.result()

    # --- internals -----------------------------------------------------------------------------------------------

    async def _taken_over(self, runs: Iterable[RunningShard], hand_over: HandOver, seconds: float) -> None:
        """Wait until no shard runs any more, until it is known that nobody takes them over, or for `seconds`."""
        end = self._clock.monotonic() + seconds
        running = {run.task for run in runs if not run.task.done()}
        while running and not hand_over.alone.done():
            rest = max(end - self._clock.monotonic(), 0.0)
            waiting: set[asyncio.Future[None]] = {*running, hand_over.alone}
            ended, _ = await asyncio.wait(waiting, timeout=rest, return_when=asyncio.FIRST_COMPLETED)
            if not ended:
                return
            running = {task for task in running if not task.done()}

    async def _finish(self, run: RunningShard) -> None:
        await run.shard.drain()
        # It leaves the shard in order now; a cancellation would be passed on to that at once.
        await asyncio.wait([run.task], timeout=_WRITER_SECONDS)
        await self._stop(run)

    async def _assigned(self, partitions: frozenset[int]) -> None:
        """Start shards for new partitions, keep the running ones, stop those of revoked partitions."""
        if self._draining:
            return
        self._joined = True
        self.problem = None if partitions else _NO_PARTITIONS
        for partition in set(self._runs) - partitions:
            self._release(partition)
        for partition in sorted(partitions):
            run = self._runs.get(partition)
            if run is not None and run.shard.fenced:  # another worker owned it in between, and it has left its chats
                self._release(partition)
                run = None
            if run is None:
                self._take(partition)
            else:
                run.shard.probe()

    def _take(self, partition: int) -> None:
        async def check_assignment() -> None:
            if self._hand_over is None:
                if self._announcements is None:
                    raise KafkaUnavailable("the consumer has not started yet")
                try:
                    await self._announcements.check_assignment(partition)
                except ShardFenced:
                    if self._hand_over is None:
                        raise
            if self._hand_over is not None:  # the group does not know this worker any more
                self._hand_over.check()

        shard = self._make_shard(partition, check_assignment)
        task = asyncio.get_running_loop().create_task(shard.run(), name=f"shard {partition}")
        self._runs[partition] = RunningShard(shard, task)

    def _release(self, partition: int) -> None:
        """Stop a shard without waiting for it."""
        run = self._runs.pop(partition)
        self._ending.add(run)
        task = asyncio.get_running_loop().create_task(self._stop(run), name=f"release {partition}")
        self._releases.add(task)
        task.add_done_callback(self._releases.discard)

    async def _stop(self, run: RunningShard) -> None:
        """End a shard that may be stopped already, by a call that was cancelled."""
        partition = run.shard.partition
        if self._runs.get(partition) is run:
            del self._runs[partition]
        self._ending.add(run)
        run.task.cancel()
        try:
            await run.shard.close()  # before the wait for Kafka, in which this may be cancelled
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_WRITER_SECONDS):
                    await all_ended([run.task])
            if run in self._ending:
                self._ending.remove(run)
                if not self._report_crash(run):
                    self._telemetry.emit(ShardReleased(shard=partition))

    def _report_crash(self, run: RunningShard) -> bool:
        """Return whether a defect ended the shard's task, which is in the log then."""
        error = run.crash
        if error is not None and not run.reported:
            run.reported = True
            fact = ShardCrashed(shard=run.shard.partition, error=type(error).__name__, at=places(error))
            self._telemetry.emit(fact)
        return error is not None

    async def _restart_crashed(self, consumer: Announcements) -> None:
        """Restart shards whose tasks ended because of a defect. A fenced one waits for the next assignment."""
        now = self._clock.monotonic()
        ended = [(one, run) for one, run in self._runs.items() if run.task.done() and not run.shard.fenced]
        for partition, crashed in ended:
            self._report_crash(crashed)
            revoked = self._runs.get(partition) is not crashed  # while announcements were read again for another one
            if revoked or now < self._rest_until.get(partition, 0.0):
                continue
            self._rest_until[partition] = now + _CRASH_SECONDS
            # P2: announcements that it had read and not committed are lost with it; its successor reads them again.
            await consumer.reread(partition)
            run = self._runs.get(partition)
            if run is None or not run.task.done() or self._draining:
                continue  # revoked meanwhile
            self._release(partition)
            self._take(partition)

    def _pass_on(self, records: Iterable[ConsumedRecord], consumer: Announcements) -> None:
        for record in records:
            self._dispatch(record)
        for partition, position, end in consumer.positions():
            if (run := self._runs.get(partition)) is not None:
                run.shard.announcements_read(position, end)

    def _dispatch(self, record: ConsumedRecord) -> None:
        run = self._runs.get(record.partition)
        if run is None:
            return  # revoked meanwhile: its new owner reads it
        raw = record.value or b""
        try:
            announcement, problem = parse(raw), ""
        except UnreadableAnnouncement as error:
            announcement, problem = None, error.message
        now, asked = self._clock.now_us(), asked_number(record.headers)
        run.shard.announced(Announced(record.offset, raw, record.key, announcement, problem, now, asked))
