"""Workers whose calls of Kafka are written down as a trace, and which can be killed: then nothing returns any more.

They are workers in one process over a Kafka in memory, or processes over a real one (`traced_bridge.py`).
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from bridge.capture.shard_claims import ShardClaims
from bridge.capture.worker_transactions import WorkerTransactions
from bridge.errors import ShardFenced
from tests.handover.claim_trace import ANSWERED, ASKED, KILLED, TraceLine

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
    from typing import Protocol

    from bridge.capture.claims import ClaimList
    from bridge.capture.ports import Batch, Clock
    from bridge.capture.shard_claims import HeldShard
    from bridge.capture.worker_ports import ClaimRecord, ClaimTopic, ProducerEpoch, WorkerProducer
    from bridge.errors import BridgeError

    class TraceLines(Protocol):
        """Where a trace is written to."""

        def append(self, line: TraceLine, /) -> None: ...


LEAVE: Final = "leave"
_Answer = TypeVar("_Answer")
_renews: ContextVar[bool] = ContextVar("whether a claim is being renewed", default=False)
_shard: ContextVar[int] = ContextVar("shard that is being taken")


@dataclass(slots=True)
class TraceWriter:
    """Writes what one life of a worker asks for to a trace that all workers share."""

    worker: int
    lines: TraceLines
    killed: bool = False
    waiting: int = 0
    """How many initialisations are on their way, of its own id or of another one."""

    async def asked(
        self,
        what: str,
        answer: Callable[[], Awaitable[_Answer]],
        shard: int = -1,
        known: tuple[tuple[int, int], ...] = (),
        **more: Any,
    ) -> _Answer:
        """Ask for something; write down when, and when there is an answer."""
        await self.hang_if_killed()
        fences = what in ("fence", "initialise")
        self.lines.append(TraceLine(ASKED, self.worker, what, shard, known, **more))
        outcome: int | None = None
        self.waiting += fences
        try:
            found = await answer()
            outcome = True
        except ShardFenced:
            outcome = None if what == "commit" else False  # a worker takes any error of an end for a commit in doubt
            raise
        finally:
            self.waiting -= fences
            if not self.killed:
                self.lines.append(TraceLine(ANSWERED, self.worker, what, shard, known, outcome, **more))
        await self.hang_if_killed()
        return found

    def reached(self, what: str) -> None:
        """Do nothing, where something is about to be done that is no request."""

    def read(self, shard: int, known: int) -> None:
        """Write down that a shard was read."""
        self.lines.append(TraceLine(ASKED, self.worker, "read", shard))
        self.lines.append(TraceLine(ANSWERED, self.worker, "read", shard, outcome=known))

    def kill(self) -> None:
        """Let nothing return that was asked for, and nothing be asked for."""
        self.killed = True
        self.lines.append(TraceLine(KILLED, self.worker))

    async def hang_if_killed(self) -> None:
        if self.killed:
            await asyncio.Event().wait()


class RecordedClaims(ShardClaims):
    """Writes down which shard what is asked for is of. `of_worker`: whether an id is a worker's, not a shard's."""

    writer: TraceWriter
    of_worker: Callable[[str], bool]

    async def claim(self, partition: int, owner: object) -> HeldShard:
        _shard.set(partition)
        _renews.set(False)
        return await super().claim(partition, owner)

    async def renew(self, held: HeldShard) -> None:
        _shard.set(held.partition)
        _renews.set(True)
        await super().renew(held)

    async def remove(self, held: HeldShard) -> None:
        self.writer.reached(LEAVE)
        await super().remove(held)

    async def check(self) -> None:
        await self.writer.asked("check", super().check)

    async def _read(self, claims: ClaimList, held: HeldShard) -> None:
        await self.writer.asked(
            "look", lambda: super(RecordedClaims, self)._read(claims, held), held.partition, renews=_renews.get()
        )

    async def _fence_each(self, transactional_ids: Iterable[str]) -> None:
        fenced = set(transactional_ids)
        if not any(map(self.of_worker, fenced)):  # those of shards, which no worker of the model has
            await super()._fence_each(fenced)
            return
        await self.writer.asked("fence", lambda: super(RecordedClaims, self)._fence_each(fenced), _shard.get())


@dataclass(slots=True)
class RecordedTopic:
    """A `ClaimTopic`."""

    writer: TraceWriter
    topic: ClaimTopic

    async def write(self, partition: int, key: str, claimant: str) -> int:
        return await self.writer.asked(
            "claim", lambda: self.topic.write(partition, key, claimant), partition, keys=(key,), renews=_renews.get()
        )

    async def remove(self, partition: int, keys: Collection[str]) -> None:
        await self.writer.asked("remove", lambda: self.topic.remove(partition, keys), partition, keys=tuple(keys))

    async def read(self, since: Mapping[int, int]) -> Mapping[int, tuple[Sequence[ClaimRecord], int]]:
        return await self.topic.read(since)

    async def fence(self, transactional_id: str, *, abandoned: ProducerEpoch | None) -> None:
        await self.topic.fence(transactional_id, abandoned=abandoned)

    async def members(self) -> Collection[str]:
        return await self.topic.members()

    async def close(self) -> None:
        await self.topic.close()


@dataclass(slots=True)
class RecordedProducer:
    """A `WorkerProducer`. `at`: which of its worker's ids it has; `known_to`: how many commits a batch goes on from."""

    writer: TraceWriter
    producer: WorkerProducer
    at: int
    known_to: Callable[[Batch], int]
    known: tuple[tuple[int, int], ...] = ()

    @property
    def epoch(self) -> ProducerEpoch:
        return self.producer.epoch

    async def open(self) -> None:
        await self.writer.asked("initialise", self.producer.open, at=self.at)

    async def unmarked(self, transactional_id: str) -> Collection[int | None] | None:
        return await self.producer.unmarked(transactional_id)

    async def unwritable(
        self, batches: Mapping[int, Batch], doubted: Collection[int]
    ) -> Mapping[int, BridgeError | None]:
        return await self.producer.unwritable(batches, doubted)

    async def send(self, batches: Mapping[int, Batch]) -> Mapping[int, Future[None]]:
        await self.writer.hang_if_killed()
        self.known = tuple(sorted((shard, self.known_to(batch)) for shard, batch in batches.items()))
        return await self.producer.send(batches)

    async def commit_offsets(self) -> None:
        await self.producer.commit_offsets()

    async def end(self) -> bool:
        return await self.writer.asked("commit", self.producer.end, known=self.known)

    async def close(self) -> None:
        await self.producer.close()


class RecordedWorker:
    """One life of a worker. `transactions` are as in the bridge, with recorded ports."""

    def __init__(
        self,
        number: int,
        names: Sequence[str],
        lines: list[TraceLine],
        *,
        topic: ClaimTopic,
        make_producer: Callable[[str], WorkerProducer],
        claim_number: Callable[[], str],
        clock: Clock,
    ) -> None:
        """`names` are the transactional ids of all workers, each of which has one."""
        self.writer = TraceWriter(number, lines)
        claims = RecordedClaims(
            RecordedTopic(self.writer, topic), worker=names[number], number=claim_number, shard_id="shard-{}".format
        )
        claims.writer, claims.of_worker = self.writer, names.__contains__
        self.transactions = WorkerTransactions(
            ids=[names[number]],
            make_producer=lambda name: RecordedProducer(self.writer, make_producer(name), 0, known_in_first_key),
            claims=claims,
            most_seconds=60.0,
            clock=clock,
            tell=lambda _: None,
        )


def known_in_first_key(batch: Batch) -> int:
    """Return how many commits to the shard a test's batch says that it goes on from."""
    return int(batch.records[0].key)


def last_looks(lines: Sequence[TraceLine]) -> list[TraceLine]:
    """Return a trace without the looks at claims that are followed by another one: what counts is the last one."""
    kept: list[TraceLine] = []
    later: dict[tuple[int, int], bool] = {}
    for line in reversed(lines):
        place = line.worker, line.shard
        if line.what == "look" and later.get(place):
            continue
        if line.what == "look":
            later[place] = line.kind == ASKED
        elif line.what in ("claim", "fence"):
            later[place] = False
        kept.append(line)
    return kept[::-1]
