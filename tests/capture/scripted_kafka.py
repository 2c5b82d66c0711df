"""Kafka as the ports of the engine see it, scripted: workers with their shards, their group and writers in memory.

Every port takes a little time for each call, keeps its contract when it is cancelled, and is in `open` from its first
call until it is closed. Transactions are stored as Kafka stores them: whole, and only from the last owner of a shard.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from bridge.announcement import Announcement, encode
from bridge.backoff import Backoff
from bridge.capture.pacing import EventRate
from bridge.capture.preparation import NothingToPrepare
from bridge.capture.shard import Shard
from bridge.capture.shard_settings import ShardSettings
from bridge.capture.stored_door import StoredDoor
from bridge.capture.worker import Worker
from bridge.errors import KafkaUnavailable, Problem, ShardFenced
from bridge.records.avro import SESSION_RECORD, TRANSCRIPT_EVENT
from tests.capture.hand_fed_shard import UnclaimedShard
from tests.capture.recorded_facts import RecordedFacts
from tests.capture.scripted_logs import steady
from tests.capture.scripted_source import ScriptedSource
from tests.capture.scripted_stored import NoStoredTopic
from tests.capture.test_session_store import PREFIX, SCHEMAS, settings
from tests.capture.written_topics import CHECKPOINTS, TOPICS, same_limits
from tests.transcript.build import CHAT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from bridge.capture.ports import Batch, CheckAssignment, Clock, Deliver, Failed, Limits, MakeSource, Outgoing

CALL_SECONDS = 0.01
_FETCH_SECONDS = 0.2
_TIMEOUT = 60.0
_OPENED_AFTER = 0.1
"""Seconds that unseen members of the group take from the departure of a worker until they have opened its shards."""


@dataclass(slots=True, frozen=True)
class ScriptedRecord:
    """A record of the announcements topic."""

    partition: int
    offset: int
    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass
class ScriptedKafka:
    """What the ports share.

    `fails` holds the numbers of the commits that fail; `refuses` says how many next ones of a shard fail; `loses` holds
    the shards whose next commit is stored, but not answered; `slow` says how many seconds more each commit of a shard
    takes, `answers_after` how many seconds after it was stored it is answered. With `away` no call is answered.
    `closes_after` and `leaves_after` are seconds that a writer and a group member take to close; `hurried` counts what
    was cancelled meanwhile. `others` tells whether the group has members that are not seen here; they take over what a
    worker has left. `silent`: what the group is asked after a worker has left has no answer.
    """

    clock: Clock
    assignment: frozenset[int] = frozenset({0, 1})
    announced: dict[int, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    fails: set[int] = field(default_factory=set)
    refuses: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    loses: set[int] = field(default_factory=set)
    slow: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    answers_after: float = 0.0
    away: bool = False
    silent: bool = False
    others: bool = False
    closes_after: float = CALL_SECONDS
    leaves_after: float = CALL_SECONDS
    commits: int = 0
    epochs: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    offsets: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    checkpoints: dict[int, dict[str, bytes]] = field(default_factory=lambda: defaultdict(dict))
    stored: dict[str, list[Outgoing]] = field(default_factory=lambda: defaultdict(list))
    open: set[object] = field(default_factory=set)
    sources: list[ScriptedSource] = field(default_factory=list)
    members: list[ScriptedAnnouncements] = field(default_factory=list)
    group: dict[int, frozenset[int]] = field(default_factory=dict)  #: worker -> its partitions
    telemetry: RecordedFacts = field(default_factory=RecordedFacts)
    left_at: float | None = None
    hurried: int = 0
    owners: count[int] = field(default_factory=count)
    claims: dict[int, tuple[int, int]] | None = None  #: shard -> who opened it last and its epoch, where that counts

    def announce(self, partition: int, session_id: str = CHAT, *servers: str) -> None:
        """Announce a chat; its first server is chat-1:4800 if none is named."""
        host, _, port = (servers or ("chat-1:4800",))[0].rpartition(":")
        announcement = Announcement(session_id=session_id, host=host, port=int(port), servers=list(servers[1:]))
        self.announced[partition].append(encode(announcement))

    def steal(self, *partitions: int) -> None:
        """Let another producer initialise the transactional ids of shards: their owners are fenced."""
        for partition in partitions:
            self.epochs[partition] += 1

    def events(self, session_id: str = CHAT) -> list[int | str]:
        """What is on the events topic of a chat: event ids, and the kinds of records without one."""
        records = [_decoded(TRANSCRIPT_EVENT, one) for one in self.stored["events"]]
        return [one["eventId"] or one["kind"] for one in records if one["sessionId"] == session_id]

    def closed(self) -> list[str]:
        """Chats with a certificate, once for each."""
        records = [_decoded(SESSION_RECORD, one) for one in self.stored["sessions"]]
        return [one["sessionId"] for one in records if one["certificate"]]

    # --- the parts that use it ------------------------------------------------------------------------------------

    def worker(self, make_source: MakeSource | None = None, partitions: frozenset[int] | None = None) -> Worker:
        name = len(self.group)
        self.group[name] = self.assignment if partitions is None else partitions
        return Worker(
            lambda: self.member(name),
            lambda partition, check: self.shard(partition, check, make_source),
            backoff=Backoff(lambda: 0.5),
            clock=self.clock,
            telemetry=self.telemetry,
        )

    def member(self, name: int) -> ScriptedAnnouncements:
        member = ScriptedAnnouncements(self, name)
        self.members.append(member)
        return member

    def source(self, deliver: Deliver, failed: Failed) -> ScriptedSource:
        source = ScriptedSource(self.open, deliver, failed)
        self.sources.append(source)
        return source

    def shard(self, partition: int, check: CheckAssignment, make_source: MakeSource | None = None) -> Shard:
        store_settings, owner = settings(partition_of=lambda _: partition), next(self.owners)
        return Shard(
            partition,
            ShardSettings(1 << 20),
            owner=owner,
            store_settings=store_settings,
            check_assignment=check,
            writers=UnclaimedShard(lambda number: ScriptedWriter(self, number, owner)),
            make_source=make_source or self.source,
            preparation=NothingToPrepare(),
            stored=StoredDoor(partition, NoStoredTopic()),
            recovery=steady(partition, store_settings, self.clock, self.telemetry),
            backoff=Backoff(lambda: 0.5),
            clock=self.clock,
            rate=EventRate(),
            telemetry=self.telemetry,
        )

    async def call(self) -> None:
        await asyncio.sleep(CALL_SECONDS)
        if self.away:
            await asyncio.sleep(_TIMEOUT)
            raise KafkaUnavailable("scripted: no answer")

    async def close(self, port: object, seconds: float) -> None:
        try:
            if port in self.open:
                await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.hurried += 1
            raise
        finally:
            self.open.discard(port)


class ScriptedWriter:
    """The writer of one shard."""

    limits: Limits = same_limits(1_000_000)

    def __init__(self, kafka: ScriptedKafka, partition: int, owner: int = -1) -> None:
        self._kafka = kafka
        self._partition = partition
        self._owner = owner
        self._epoch = -1

    async def refresh_limits(self) -> Limits:
        await self._kafka.call()
        return self.limits

    async def goes_on(self) -> bool:
        await self._kafka.call()
        own = self._owner, self._kafka.epochs[self._partition]
        return self._kafka.claims is not None and self._kafka.claims.get(self._partition) == own

    async def open(self) -> None:
        self._kafka.open.add(self)
        await self._kafka.call()
        self._kafka.steal(self._partition)
        self._epoch = self._kafka.epochs[self._partition]
        if self._kafka.claims is not None:
            self._kafka.claims[self._partition] = self._owner, self._epoch

    async def checkpoints(self) -> list[tuple[str, bytes]]:
        await self._kafka.call()
        return list(self._kafka.checkpoints[self._partition].items())

    async def turn(self) -> None:
        """Nobody else writes."""

    async def commit(self, batch: Batch) -> None:
        kafka, own = self._kafka, self._partition
        await asyncio.sleep(kafka.slow[own])
        await kafka.call()
        kafka.commits += 1
        if kafka.commits in kafka.fails:
            raise KafkaUnavailable("scripted: refused")
        if kafka.refuses[own]:
            kafka.refuses[own] -= 1
            raise KafkaUnavailable("scripted: refused")
        if self._epoch != kafka.epochs[own] or self._taken():
            raise ShardFenced("scripted: another owner")
        self._store(batch)
        if kafka.answers_after:
            await asyncio.sleep(kafka.answers_after)
        if own in kafka.loses:
            kafka.loses.discard(own)
            raise KafkaUnavailable("scripted: the answer was lost")

    def _taken(self) -> bool:
        kafka = self._kafka
        return kafka.others and kafka.left_at is not None and kafka.clock.monotonic() > kafka.left_at + _OPENED_AFTER

    def _store(self, batch: Batch) -> None:
        kafka, own = self._kafka, self._partition
        for kind in ("events", "sessions", "quarantine"):
            kafka.stored[kind] += batch.on(TOPICS[kind])
        for record in batch.on(CHECKPOINTS):
            if record.value is None:
                kafka.checkpoints[own].pop(record.key.decode(), None)
            else:
                kafka.checkpoints[own][record.key.decode()] = record.value
        if batch.announcement_offset is not None:
            kafka.offsets[own] = batch.announcement_offset

    async def close(self) -> None:
        await self._kafka.close(self, self._kafka.closes_after)


class ScriptedAnnouncements:
    """A group member. `rebalance` assigns other partitions, `break_down` lets the next fetch fail.

    `deaf`: it gets no records. `cut_off`: it is not told whether a partition is still assigned to it.
    """

    problem: Problem | None = None

    def __init__(self, kafka: ScriptedKafka, name: int) -> None:
        self.name = name
        self.deaf = False
        self.cut_off = False
        self.defect: Exception | None = None
        self._kafka = kafka
        self._position: dict[int, int] = {}
        self._assigned: Callable[[frozenset[int]], Awaitable[None]] | None = None
        self._broken = False
        self._abandoned = False

    async def start(self, assigned: Callable[[frozenset[int]], Awaitable[None]]) -> None:
        self._kafka.open.add(self)
        await self._kafka.call()
        self._assigned = assigned
        await self.rebalance(*self._kafka.group[self.name])

    async def rebalance(self, *partitions: int) -> None:
        self._kafka.group[self.name] = frozenset(partitions)
        self._position = {partition: self._kafka.offsets[partition] for partition in partitions}
        if self._assigned is not None:
            await self._assigned(frozenset(partitions))

    def break_down(self) -> None:
        self._broken = True

    async def fetch(self, full: frozenset[int]) -> Sequence[ScriptedRecord]:
        await asyncio.sleep(_FETCH_SECONDS)
        if self.defect is not None:
            raise self.defect
        if self._broken or self not in self._kafka.open:
            raise KafkaUnavailable("scripted: cannot fetch")
        found = []
        for partition in frozenset() if self.deaf else self._kafka.group[self.name] - full:
            values = self._kafka.announced[partition]
            found += [ScriptedRecord(partition, at, values[at]) for at in range(self._position[partition], len(values))]
            self._position[partition] = len(values)
        return found

    def positions(self) -> list[tuple[int, int, int]]:
        """Tell nothing: what is read are announcements only."""
        return []

    @property
    def answered(self) -> bool:
        """Answer whatever is asked, as long as it is open."""
        return self in self._kafka.open and not self._kafka.away

    async def reread(self, partition: int) -> None:
        await self._kafka.call()
        self._position[partition] = self._kafka.offsets[partition]

    async def check_assignment(self, partition: int) -> None:
        await self._kafka.call()
        if self.cut_off:
            raise KafkaUnavailable("scripted: the group is rebalancing")
        if partition not in self._kafka.group[self.name] or self not in self._kafka.open:
            raise ShardFenced("scripted: not assigned")

    async def leave(self) -> None:
        if self in self._kafka.open or self._abandoned:
            self._abandoned = False
            await self._kafka.close(self, self._kafka.leaves_after)
            self._kafka.left_at = self._kafka.clock.monotonic()

    async def abandon(self) -> None:
        self._abandoned = True
        await self._kafka.close(self, CALL_SECONDS)

    async def outlast_successor(self) -> None:
        raise AssertionError("no other process has taken the place")

    async def taken_over(self) -> bool:
        kafka = self._kafka
        await kafka.call()
        if kafka.silent:
            await asyncio.sleep(_TIMEOUT)
            raise KafkaUnavailable("scripted: no answer")
        others = {one.name for one in kafka.members if one.name != self.name and one in kafka.open}
        if not others and not kafka.others:
            return False
        theirs = frozenset[int]().union(*(kafka.group[name] for name in others))
        if self in kafka.open or not (kafka.others or kafka.group[self.name] <= theirs):
            raise KafkaUnavailable("scripted: the group is rebalancing")
        return True


def _decoded(schema: str, record: Outgoing) -> dict[str, Any]:
    return SCHEMAS.decode(schema, (record.value or b"")[len(PREFIX) :])
