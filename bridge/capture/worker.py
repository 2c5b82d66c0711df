"""The worker of this process: one consumer group member on the announcements topic, one shard per assigned partition.

A rebalance does not interrupt the shards that stay: a shard is only stopped when the new assignment is known and does
not contain its partition (P4). It is stopped while its new owner already joins its chats; for a moment two monitors
may be in a chat, which is better than none.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from bridge.announcement import parse
from bridge.capture.inbox import Announced
from bridge.capture.readiness_codes import BUFFER_FULL, DRAINING, NO_PARTITIONS, WAITING_FOR_PARTITIONS
from bridge.errors import BridgeError, KafkaUnavailable, Problem, ShardFenced, UnreadableAnnouncement, places
from bridge.facts import ConsumerFailed, ShardCrashed, ShardReleased
from bridge.waiting import all_ended

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bridge.backoff import Backoff
    from bridge.capture.ports import AnnouncementRecord, Announcements, CheckAssignment, Clock
    from bridge.capture.shard import Shard
    from bridge.telemetry import Telemetry


_DRAINING: Final = Problem(DRAINING, "draining")
_BUFFER_FULL: Final = Problem(BUFFER_FULL, "buffer full, reading paused")
_NO_PARTITIONS: Final = Problem(NO_PARTITIONS, "no partitions assigned: are there more workers than partitions?")
_FENCE_SECONDS: Final = 2.0
"""How long new owners may take from their assignment to initialising the shards' transactional ids."""
_CRASH_SECONDS: Final = 10.0
"""Minimum time between two restarts of a crashing shard: its chats must not be joined and left continuously (P4)."""
_HANDOVER_SHARE: Final = 0.5
"""Fraction of the drain time that shards wait for new owners; the rest is for shards that were not taken over."""


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
        self._shards: dict[int, Shard] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._releases: set[asyncio.Task[None]] = set()
        self._rest_until: dict[int, float] = {}
        self._draining = False
        self.drained = False
        self.problem: Problem | None = Problem(WAITING_FOR_PARTITIONS, "waiting for partitions")

    # --- state ---------------------------------------------------------------------------------------------------

    @property
    def shards(self) -> Iterable[Shard]:
        """The shards of this worker, by partition."""
        return [self._shards[partition] for partition in sorted(self._shards)]

    def problems(self) -> list[Problem]:
        """Return why the worker is not ready; empty when it is."""
        found = [_DRAINING] if self._draining else []
        if self.problem:
            found.append(self.problem)
        if self._announcements is not None and self._announcements.problem:
            found.append(self._announcements.problem)
        for shard in self.shards:
            told = [shard.problem] if shard.problem else []
            told += [_BUFFER_FULL] if shard.paused else []
            found += [Problem(one.code, f"shard {shard.partition}: {one.detail}") for one in told]
        return found

    # --- running -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Read announcements and pass them to their shards until cancelled; a consumer that fails is replaced."""
        while not self._draining:
            self._announcements = consumer = self._make_announcements()
            try:
                await consumer.start(self._assigned)
                self._backoff.reset()
                while not self._draining:
                    # P6: a shard with a full inbox gets no more records; one fetch may exceed the limit.
                    full = frozenset(shard.partition for shard in self._shards.values() if shard.paused)
                    for record in await consumer.fetch(full):
                        self._dispatch(record)
                    await self._restart_crashed(consumer)
            except KafkaUnavailable as error:
                self.problem = error.problem
                self._telemetry.emit(ConsumerFailed(error=type(error.__cause__ or error).__name__))
            except BridgeError as error:
                self.problem = error.problem
                self._telemetry.emit(ConsumerFailed(error=type(error).__name__))
            finally:
                await consumer.leave()  # without effect when `drain` has left
            if not self._draining:
                await asyncio.sleep(self._backoff.next())

    async def drain(self, seconds: float) -> None:
        """Hand the shards over and leave the chats with KeepAlive, within `seconds`.

        The worker leaves the group first: while other workers take over, its shards keep capturing until their new
        owners fence them. Shards that are not taken over commit what they hold and are closed.
        """
        self._draining = True
        if self._announcements is not None:
            await self._announcements.leave()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds * _HANDOVER_SHARE):
                    if self._tasks and await self._announcements.handed_over():
                        # A shard notices that it is fenced only when it commits; an idle one does not.
                        await asyncio.wait(self._tasks.values(), timeout=_FENCE_SECONDS)
        able = [shard for shard in self.shards if not shard.problem]
        await asyncio.gather(*(shard.drain() for shard in able))
        self.drained = all(shard.fenced or not shard.problem for shard in self.shards)
        await self.close()

    async def close(self) -> None:
        """Stop every shard at once; chats are left with KeepAlive. A cancellation is raised when all have stopped."""
        self._draining = True
        stops = [asyncio.get_running_loop().create_task(self._stop(partition)) for partition in self._shards]
        await all_ended([*stops, *self._releases])
        for stop in stops:
            stop.result()

    # --- internals -----------------------------------------------------------------------------------------------

    async def _assigned(self, partitions: frozenset[int]) -> None:
        """Start shards for new partitions, keep the running ones, stop those of revoked partitions."""
        if self._draining:
            return
        self.problem = None if partitions else _NO_PARTITIONS
        for partition in set(self._shards) - partitions:
            task = asyncio.get_running_loop().create_task(self._stop(partition), name=f"release {partition}")
            self._releases.add(task)
            task.add_done_callback(self._releases.discard)
        for partition in sorted(partitions):
            if partition not in self._shards:
                self._take(partition)
            elif self._shards[partition].fenced:  # assigned again: another worker owned and fenced it in between
                await self._stop(partition)
                self._take(partition)

    def _take(self, partition: int) -> None:
        async def check_assignment() -> None:
            if self._draining:
                raise ShardFenced("this worker has left the group")
            if self._announcements is None:
                raise KafkaUnavailable("the consumer has not started yet")
            await self._announcements.check_assignment(partition)

        shard = self._shards[partition] = self._make_shard(partition, check_assignment)
        self._tasks[partition] = asyncio.get_running_loop().create_task(shard.run(), name=f"shard {partition}")

    async def _stop(self, partition: int) -> None:
        shard, task = self._shards.pop(partition), self._tasks.pop(partition)
        task.cancel()
        try:
            await shard.close(leave=True)  # before the wait for Kafka, in which this may be cancelled
        finally:
            await all_ended([task])
        self._telemetry.emit(ShardReleased(shard=partition))

    async def _restart_crashed(self, consumer: Announcements) -> None:
        """Restart shards whose tasks ended because of a defect. A fenced one waits for the next assignment."""
        now = self._clock.monotonic()
        ended = [one for one, task in self._tasks.items() if task.done() and not self._shards[one].fenced]
        for partition in ended:
            if now < self._rest_until.get(partition, 0.0):
                continue
            self._rest_until[partition] = now + _CRASH_SECONDS
            # P2: announcements that it had read and not committed are lost with it; its successor reads them again.
            await consumer.reread(partition)
            task = self._tasks.get(partition)
            if task is None or not task.done() or self._draining:
                continue  # revoked meanwhile
            error = None if task.cancelled() else task.exception()
            if error is not None:
                self._telemetry.emit(ShardCrashed(shard=partition, error=type(error).__name__, at=places(error)))
            release = asyncio.get_running_loop().create_task(self._shards[partition].close(leave=True))
            self._releases.add(release)
            release.add_done_callback(self._releases.discard)
            self._take(partition)

    def _dispatch(self, record: AnnouncementRecord) -> None:
        shard = self._shards.get(record.partition)
        if shard is None:
            return  # revoked meanwhile: its new owner reads it
        raw = record.value or b""
        try:
            announcement, problem = parse(raw), ""
        except UnreadableAnnouncement as error:
            announcement, problem = None, error.message
        shard.announced(Announced(record.offset, raw, record.key, announcement, problem, self._clock.now_us()))
