"""A Kafka in memory for workers that hand shards over by claims: logs of claims, transactional ids, transactions."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, TypeVar

from bridge.capture.fencing_writer import FencingWriter
from bridge.capture.ports import Batch, Outgoing
from bridge.capture.shard_claims import ShardClaims
from bridge.capture.worker_transactions import WorkerTransactions
from bridge.errors import KafkaUnavailable, ShardFenced, TransactionNotMarked
from tests.capture.loop_clock import LoopClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator, Mapping, Sequence
    from typing import Any

    from bridge.capture.ports import Limits
    from bridge.capture.shard_claims import HeldShard
    from bridge.capture.worker_ports import ClaimRecord, ProducerEpoch
    from bridge.errors import BridgeError
    from bridge.facts import Fact


_Answer = TypeVar("_Answer")


@dataclass
class ClaimedKafka:
    """`logs`: shard -> its records of claims. `committed`: shard -> what was committed, with who did.

    `refused`: shard -> what its records are refused with. `silent` are shards whose records are never acknowledged.
    `refusing`: shards with a partition that accepts nothing, no records and no end of a transaction, though it has a
    leader: too few replicas are in sync. It is told only of shards that are doubted. `stuck`: nobody is told of those;
    `in_sync_untold`: of none. `state_untold`: what has become of transactions is not told. `doubted`: about which
    shards it was asked. `not_marked`: ids whose last transaction is decided, and a partition of which has no leader;
    `aborted`: those of which it is decided that it is aborted; `unmarked`: id -> its partitions that hold it up, where
    that is told. `unheard`: how many ends of transactions are done although their answers are lost.
    `leader_lost_at_end`: the next end is decided, and not marked. `late`: seconds that the next request takes, and that
    the next answer takes. `stable`: shard -> the last stable offset of its claims, as long as a transaction is open
    before the others. `offsets_refused`: what committing offsets fails with, `offsets_silent`: it is not answered;
    `offsets_stuck`: nor is the end of a transaction marked that was to commit some, and it is not told that this is
    missing; `acknowledged_before_offsets`: shards of each transaction. `reads`: shards whose claims were read, and from
    where on; `checkpoint_reads`: from where on reads of checkpoints had to be stable. `before_removal` is called once,
    before claims are removed; `before_end` before each end. `before_look` is awaited each time it is asked who leads
    the partitions; `unreadable`: shards whose claims are. `group`: the names of workers that are in the group; None: it
    does not answer. `questions`: how often it was asked.
    """

    logs: dict[int, list[ClaimRecord]] = field(default_factory=lambda: defaultdict(list))
    epochs: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    committed: dict[int, list[tuple[str, bytes]]] = field(default_factory=lambda: defaultdict(list))
    refused: dict[int, Exception] = field(default_factory=dict)
    silent: set[int] = field(default_factory=set)
    refusing: set[int] = field(default_factory=set)
    stuck: set[int] = field(default_factory=set)
    in_sync_untold: bool = False
    state_untold: bool = False
    doubted: list[int] = field(default_factory=list)
    not_marked: set[str] = field(default_factory=set)
    aborted: set[str] = field(default_factory=set)
    unmarked: dict[str, set[int]] = field(default_factory=dict)
    leaderless: set[int] = field(default_factory=set)
    stable: dict[int, int] = field(default_factory=dict)
    reads: list[tuple[int, int]] = field(default_factory=list)
    checkpoint_reads: list[int] = field(default_factory=list)
    before_removal: Callable[[], Awaitable[None]] | None = None
    before_end: Callable[[], None] | None = None
    before_look: Callable[[], Awaitable[None]] | None = None
    unreadable: set[int] = field(default_factory=set)
    group: set[str] | None = None
    questions: int = 0
    offsets_refused: Exception | None = None
    offsets_silent: bool = False
    offsets_stuck: bool = False
    acknowledged_before_offsets: list[int] = field(default_factory=list)
    unheard: int = 0
    leader_lost_at_end: bool = False
    transactions: list[set[int]] = field(default_factory=list)
    told: list[Fact] = field(default_factory=list)
    began: asyncio.Event = field(default_factory=asyncio.Event)
    late: Callable[[], float] = field(default=lambda: 0.0)
    numbers: Iterator[int] = field(default_factory=count)
    arriving: set[asyncio.Task[Any]] = field(default_factory=set)

    def writer(self, shard: int) -> FencingWriter:
        """Return a writer under the shard's own transactional id."""
        return FencingWriter(shard, MemoryShardProducer(self, shard), self._claims("shards"))

    def _claims(self, worker: str) -> ShardClaims:
        return ShardClaims(MemoryClaims(self), worker=worker, number=lambda: str(next(self.numbers)), shard_id=str)

    def worker(self, name: str, ids: int = 3) -> WorkerTransactions:
        """Return the transactions of a worker with so many ids."""
        return WorkerTransactions(
            ids=[name, *(f"{name}:{number}" for number in range(2, ids + 1))],
            make_producer=lambda transactional_id: MemoryProducer(self, transactional_id),
            claims=self._claims(name),
            most_seconds=60.0,
            clock=LoopClock(),
            tell=self.told.append,
        )

    async def asked(self, do: Callable[[], _Answer]) -> _Answer:
        """Answer a request. It arrives, and something is done, also if nobody waits for it any more."""

        async def arrives() -> _Answer:
            await asyncio.sleep(self.late())
            return do()

        arriving = asyncio.ensure_future(arrives())
        self.arriving.add(arriving)
        arriving.add_done_callback(self._arrived)
        answer = await asyncio.shield(arriving)
        await asyncio.sleep(self.late())
        return answer

    def _arrived(self, arriving: asyncio.Task[Any]) -> None:
        self.arriving.discard(arriving)
        if not arriving.cancelled():
            arriving.exception()  # nobody may wait for it any more

    def in_force(self, shard: int) -> list[str]:
        """Return who has a claim to a shard, in the order of the log."""
        found: dict[str, str] = {}
        for key, claimant in self.logs[shard]:
            found.pop(key, None)
            if claimant is not None:
                found[key] = claimant
        return list(found.values())


@dataclass
class MemoryClaims:
    """A `ClaimTopic`."""

    kafka: ClaimedKafka

    async def write(self, partition: int, key: str, claimant: str) -> int:
        log = self.kafka.logs[partition]

        def written() -> int:
            log.append((key, claimant))
            return len(log) - 1

        return await self.kafka.asked(written)

    async def remove(self, partition: int, keys: Collection[str]) -> None:
        called, self.kafka.before_removal = self.kafka.before_removal, None
        if called is not None:
            await called()
        log = self.kafka.logs[partition]
        for key in keys:
            await self.kafka.asked(partial(log.append, (key, None)))

    async def read(self, since: Mapping[int, int]) -> Mapping[int, tuple[Sequence[ClaimRecord], int]]:
        self.kafka.reads += since.items()
        logs = self.kafka.logs
        return await self.kafka.asked(
            lambda: {
                shard: (logs[shard][at:], len(logs[shard]))
                for shard, at in since.items()
                if shard not in self.kafka.unreadable
            }
        )

    async def fence(self, transactional_id: str, *, abandoned: ProducerEpoch | None) -> None:
        while not await self.kafka.asked(lambda: self._fenced(transactional_id, abandoned)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    def _fenced(self, transactional_id: str, abandoned: ProducerEpoch | None) -> bool:
        last = abandoned == (0, self.kafka.epochs[transactional_id])
        if transactional_id in self.kafka.not_marked - self.kafka.aborted and not last:
            return False
        self.kafka.epochs[transactional_id] += 1
        return True

    async def members(self) -> Collection[str]:
        self.kafka.questions += 1
        if self.kafka.group is None:
            raise KafkaUnavailable("no coordinator")
        return await self.kafka.asked(lambda: frozenset(self.kafka.group or ()))

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class MemoryShardProducer:
    """A `ShardProducer`; the only checkpoints are claims."""

    kafka: ClaimedKafka
    shard: int
    number: int = 0
    read_all: bool = False

    @property
    def limits(self) -> Limits:
        return {}

    async def refresh_limits(self) -> Limits:
        return {}

    async def take_limits(self) -> None:
        """There are none."""

    async def open(self) -> None:
        await asyncio.sleep(0)
        self.kafka.epochs[str(self.shard)] += 1
        self.number = self.kafka.epochs[str(self.shard)]

    async def checkpoints(self, least: int = 0) -> list[tuple[str, bytes]]:
        await asyncio.sleep(0)
        kafka, log = self.kafka, self.kafka.logs[self.shard]
        kafka.checkpoint_reads.append(least)
        if least:
            kafka.stable.pop(self.shard, None)  # it is marked in the end
        end = kafka.stable.get(self.shard, len(log))
        self.read_all = end >= len(log)
        found = dict(log[:end])
        return [(key, value.encode()) for key, value in found.items() if value is not None]

    async def commit(self, batch: Batch) -> None:
        await asyncio.sleep(0)
        if self.number != self.kafka.epochs[str(self.shard)]:
            raise ShardFenced("fenced")
        self.kafka.committed[self.shard] += [(str(self.shard), record.key) for record in batch.records]

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class MemoryProducer:
    """A `WorkerProducer`."""

    kafka: ClaimedKafka
    name: str
    number: int = 0
    sent: Mapping[int, Batch] = field(default_factory=dict)
    acknowledged: int = 0
    offsets_asked: bool = False

    async def open(self) -> None:
        self.number = await self.kafka.asked(self._initialised)

    def _initialised(self) -> int:
        if self.name in self.kafka.not_marked:
            raise TransactionNotMarked("a partition has no leader")
        self.kafka.epochs[self.name] += 1
        return self.kafka.epochs[self.name]

    @property
    def epoch(self) -> ProducerEpoch:
        return 0, self.number

    async def unmarked(self, transactional_id: str) -> Collection[int | None] | None:
        not_marked = transactional_id in self.kafka.not_marked
        remaining = self.kafka.unmarked.get(transactional_id, {None}) if not_marked else ()
        return None if self.kafka.state_untold else remaining

    async def unwritable(
        self, batches: Mapping[int, Batch], doubted: Collection[int]
    ) -> Mapping[int, BridgeError | None]:
        if self.kafka.before_look is not None:
            await self.kafka.before_look()
        self.kafka.doubted += doubted
        if self.kafka.in_sync_untold:
            return dict.fromkeys(doubted)
        unwritable = batches.keys() & (self.kafka.leaderless | self.kafka.refusing.intersection(doubted))
        return {shard: KafkaUnavailable("no leader") for shard in unwritable}

    async def send(self, batches: Mapping[int, Batch]) -> Mapping[int, asyncio.Future[None]]:
        self.sent, self.acknowledged = batches, 0
        self.kafka.transactions.append(set(batches))
        self.kafka.began.set()
        return {shard: asyncio.ensure_future(self._acknowledged(shard)) for shard in batches}

    async def _acknowledged(self, shard: int) -> None:
        await self.kafka.asked(self._fenced)
        if self.name in self.kafka.not_marked:
            await asyncio.Event().wait()
        if shard in self.kafka.refused:
            raise self.kafka.refused[shard]
        if shard in self.kafka.silent | self.kafka.refusing | self.kafka.stuck:
            await asyncio.Event().wait()
        self.acknowledged += 1

    async def commit_offsets(self) -> None:
        self.kafka.acknowledged_before_offsets.append(self.acknowledged)
        if self.kafka.offsets_refused is not None:
            raise self.kafka.offsets_refused
        self.offsets_asked = True
        if self.kafka.offsets_silent or self.kafka.offsets_stuck:
            await asyncio.Event().wait()

    async def end(self) -> bool:
        return await self.kafka.asked(self._ended)

    def _ended(self) -> bool:
        if self.kafka.before_end is not None:
            self.kafka.before_end()
        self._fenced()
        for shard, batch in self.sent.items():
            self.kafka.committed[shard] += [(self.name, record.key) for record in batch.records]
        if self.kafka.unheard:
            self.kafka.unheard -= 1
            raise KafkaUnavailable("no answer")
        if self.kafka.leader_lost_at_end:
            self.kafka.leader_lost_at_end = False
            self.kafka.not_marked.add(self.name)
            return False
        return True

    async def close(self) -> None:
        if stuck := (self.kafka.refusing | self.kafka.stuck) & self.sent.keys():
            self.kafka.not_marked.add(self.name)
            self.kafka.aborted.add(self.name)  # by whoever initialises the id
            self.kafka.unmarked[self.name] = {one.partition for shard in stuck for one in self.sent[shard].records}
        if self.offsets_asked and self.kafka.offsets_stuck:
            self.kafka.not_marked.add(self.name)
            self.kafka.aborted.add(self.name)

    def _fenced(self) -> None:
        if self.number != self.kafka.epochs[self.name]:
            raise ShardFenced("fenced")


def batch(shard: int, name: str) -> Batch:
    return Batch([Outgoing("events", shard, name.encode(), b"")])


def play(work: Coroutine[Any, Any, None]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(30):
            await work

    asyncio.run(limited())


async def taken(worker: WorkerTransactions, *shards: int) -> list[HeldShard]:
    owner = object()
    return [await worker.take(shard, owner) for shard in shards]
