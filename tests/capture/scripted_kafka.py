"""Kafka as the ports of the engine see it, scripted: a worker with its shards, its group and their writers in memory.

Every port takes a little time for each call, keeps its contract when it is cancelled, and is in `open` from its first
call until it is closed.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.announcement import Announcement, encode
from bridge.backoff import Backoff
from bridge.capture.pacing import EventRate
from bridge.capture.ports import same_limits
from bridge.capture.shard import Shard, ShardSettings
from bridge.capture.worker import Worker
from bridge.errors import KafkaUnavailable, ShardFenced
from bridge.telemetry import Telemetry
from tests.capture.test_session_store import settings
from tests.transcript.build import CHAT, history, joined, push, said

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from bridge.capture.ports import Batch, CheckAssignment, Clock, Deliver, Limits, MakeSource

_CALL_SECONDS = 0.01
_FETCH_SECONDS = 0.2


@dataclass(slots=True, frozen=True)
class ScriptedRecord:
    """A record of the announcements topic."""

    partition: int
    offset: int
    value: bytes | None
    key: bytes | None = CHAT.encode()


@dataclass
class ScriptedKafka:
    """What the ports share. `fails` holds the numbers of the commits that fail, `closes_after` seconds that it takes.

    `fenced` holds shards whose next commit finds another owner; `others` tells whether the group has other members.
    `stored` holds what is on the shards' partitions of the checkpoints topic when they are opened.
    """

    clock: Clock
    assignment: frozenset[int] = frozenset({0, 1})
    announced: dict[int, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    fails: set[int] = field(default_factory=set)
    fenced: set[int] = field(default_factory=set)
    others: bool = False
    stored: dict[int, list[tuple[str, bytes]]] = field(default_factory=lambda: defaultdict(list))
    closes_after: float = _CALL_SECONDS
    commits: int = 0
    events: int = 0
    open: set[object] = field(default_factory=set)
    sources: list[ScriptedSource] = field(default_factory=list)
    members: list[ScriptedAnnouncements] = field(default_factory=list)

    def announce(self, partition: int) -> None:
        self.announced[partition].append(encode(Announcement(session_id=CHAT, host="chat-1", port=4800)))

    def member(self) -> ScriptedAnnouncements:
        member = ScriptedAnnouncements(self)
        self.members.append(member)
        return member

    def source(self, deliver: Deliver) -> ScriptedSource:
        source = ScriptedSource(self, deliver)
        self.sources.append(source)
        return source

    def worker(self, make_source: MakeSource | None = None) -> Worker:
        return Worker(
            self.member,
            lambda partition, check: self.shard(partition, check, make_source),
            backoff=Backoff(lambda: 0.5),
            clock=self.clock,
            telemetry=Telemetry(),
        )

    def shard(self, partition: int, check: CheckAssignment, make_source: MakeSource | None = None) -> Shard:
        return Shard(
            partition,
            ShardSettings(1 << 20),
            store_settings=settings(partition_of=lambda _: partition),
            check_assignment=check,
            make_writer=lambda number: ScriptedWriter(self, number),
            make_source=make_source or self.source,
            backoff=Backoff(lambda: 0.5),
            clock=self.clock,
            rate=EventRate(),
            telemetry=Telemetry(),
        )

    async def close(self, port: object) -> None:
        try:
            if port in self.open:
                await asyncio.sleep(self.closes_after)
        finally:
            self.open.discard(port)


class ScriptedWriter:
    """The writer of one shard."""

    limits: Limits = same_limits(1_000_000)

    def __init__(self, kafka: ScriptedKafka, partition: int) -> None:
        self._kafka = kafka
        self._partition = partition

    async def refresh_limits(self) -> Limits:
        await asyncio.sleep(_CALL_SECONDS)
        return self.limits

    async def open(self) -> None:
        self._kafka.open.add(self)
        await asyncio.sleep(_CALL_SECONDS)

    async def checkpoints(self) -> list[tuple[str, bytes]]:
        await asyncio.sleep(_CALL_SECONDS)
        return self._kafka.stored[self._partition]

    async def commit(self, batch: Batch) -> None:
        await asyncio.sleep(_CALL_SECONDS)
        kafka = self._kafka
        kafka.commits += 1
        if kafka.commits in kafka.fails:
            raise KafkaUnavailable("scripted")
        if self._partition in kafka.fenced:
            raise ShardFenced("scripted")
        kafka.events += len(batch.events)

    async def close(self) -> None:
        await self._kafka.close(self)


class ScriptedSource:
    """Delivers a history for each chat as soon as it is followed."""

    def __init__(self, kafka: ScriptedKafka, deliver: Deliver) -> None:
        self._kafka = kafka
        self._deliver = deliver
        self._last = 2
        kafka.open.add(self)

    @property
    def connections(self) -> int:
        return 0

    def joined_at(self, session_id: str) -> str | None:
        return "chat-1:4800" if session_id else None

    def follow(self, session_id: str, places: tuple[str, ...], secret: str | None) -> None:
        assert (session_id, places, secret) == (CHAT, ("chat-1:4800",), None)
        self._deliver(history(joined(1), said(2)), 100)

    def says(self) -> None:
        if self in self._kafka.open:
            self._last += 1
            self._deliver(push(said(self._last)), 100)

    def forget(self, session_id: str) -> None:
        assert session_id == CHAT

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass

    async def close(self, *, leave: bool) -> None:
        assert leave
        await self._kafka.close(self)


class ScriptedAnnouncements:
    """A group member. `rebalance` assigns other partitions, `break_down` lets the next fetch fail."""

    problem: str | None = None

    def __init__(self, kafka: ScriptedKafka) -> None:
        self._kafka = kafka
        self._position: dict[int, int] = {}
        self._assigned: Callable[[frozenset[int]], Awaitable[None]] | None = None
        self._broken = False

    async def start(self, assigned: Callable[[frozenset[int]], Awaitable[None]]) -> None:
        self._kafka.open.add(self)
        await asyncio.sleep(_CALL_SECONDS)
        self._assigned = assigned
        await self.rebalance(*self._kafka.assignment)

    async def rebalance(self, *partitions: int) -> None:
        self._kafka.assignment = frozenset(partitions)
        self._position = dict.fromkeys(partitions, 0)
        if self._assigned is not None:
            await self._assigned(self._kafka.assignment)

    def break_down(self) -> None:
        self._broken = True

    async def fetch(self, full: frozenset[int]) -> Sequence[ScriptedRecord]:
        await asyncio.sleep(_FETCH_SECONDS)
        if self._broken or self not in self._kafka.open:
            raise KafkaUnavailable("scripted")
        found = []
        for partition in self._kafka.assignment - full:
            values = self._kafka.announced[partition]
            found += [ScriptedRecord(partition, at, values[at]) for at in range(self._position[partition], len(values))]
            self._position[partition] = len(values)
        return found

    async def reread(self, partition: int) -> None:
        await asyncio.sleep(_CALL_SECONDS)
        self._position[partition] = 0

    async def check_assignment(self, partition: int) -> None:
        await asyncio.sleep(_CALL_SECONDS)
        if partition not in self._kafka.assignment:
            raise ShardFenced("scripted")

    async def leave(self) -> None:
        await self._kafka.close(self)

    async def handed_over(self) -> bool:
        await asyncio.sleep(_CALL_SECONDS)
        return self._kafka.others
