"""A shard whose commit is applied and not answered, in virtual time, with a writer that keeps what it writes."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from bridge.backoff import Backoff
from bridge.capture.inbox import Announced
from bridge.capture.pacing import EventRate
from bridge.capture.ports import Limits, same_limits
from bridge.capture.session_store import SessionStore
from bridge.capture.shard import Shard, ShardSettings
from bridge.errors import KafkaUnavailable, ShardFenced
from bridge.facts import BatchCommitted, Fact, GapRecorded, Quarantined, Resumed, TransactionFailed
from bridge.records.avro import QUARANTINED_INPUT, TRANSCRIPT_EVENT
from bridge.telemetry import Telemetry
from tests.capture.disturbed_chat import CONTENT, DISTURBANCE, QUARANTINED, beginning, disturbance
from tests.capture.scripted_kafka import ScriptedKafka, ScriptedWriter
from tests.capture.test_batch_numbers import CompactedTopic
from tests.capture.test_session_store import decoded, settings
from tests.capture.virtual_servers import VirtualClock, play
from tests.transcript.build import CHAT, push, said

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from bridge.capture.inbox import Input
    from bridge.capture.ports import Batch, Deliver, Outgoing


class RecordedFacts(Telemetry):
    """Keeps what is emitted."""

    def __init__(self) -> None:
        super().__init__()
        self.facts: list[Fact] = []

    def emit(self, fact: Fact) -> None:
        super().emit(fact)
        self.facts.append(fact)

    def kinds(self) -> Counter[str]:
        """Count the event records that were counted, per kind."""
        found: Counter[str] = Counter()
        for fact in self.facts:
            if isinstance(fact, BatchCommitted):
                found.update(fact.kinds)
        return found

    def count(self, kind: type[Fact]) -> int:
        return sum(isinstance(fact, kind) for fact in self.facts)


@dataclass
class KeptPartition:
    """One partition of each topic. `refuse` and `lose` are the next commits that fail without and with effect."""

    kafka: ScriptedKafka
    epoch: int = 0
    refuse: int = 0
    lose: int = 0
    limits: Limits = field(default_factory=lambda: same_limits(1_000_000))
    topic: CompactedTopic = field(default_factory=CompactedTopic)
    events: list[Outgoing] = field(default_factory=list)
    quarantine: list[Outgoing] = field(default_factory=list)
    forwards: list[tuple[int, Outgoing]] = field(default_factory=list)

    def outline(self) -> list[str]:
        return [record["kind"] for record in decoded(TRANSCRIPT_EVENT, self.events)]

    def reasons(self) -> list[str]:
        return [record["reason"] for record in decoded(QUARANTINED_INPUT, self.quarantine)]


class KeepingWriter(ScriptedWriter):
    """Writes to a KeptPartition."""

    def __init__(self, kept: KeptPartition) -> None:
        super().__init__(kept.kafka, 3)
        self._kept = kept
        self._epoch = -1
        self.limits = kept.limits

    async def refresh_limits(self) -> Limits:
        await super().refresh_limits()
        return self._kept.limits

    async def open(self) -> None:
        await super().open()
        self._kept.epoch += 1
        self._epoch = self._kept.epoch

    async def checkpoints(self) -> list[tuple[str, bytes]]:
        await super().checkpoints()
        return list(self._kept.topic.values.items())

    async def commit(self, batch: Batch) -> None:
        await super().commit(batch)
        kept = self._kept
        if self._epoch != kept.epoch:
            raise ShardFenced("scripted")
        if kept.refuse:
            kept.refuse -= 1
            raise KafkaUnavailable("scripted: not applied")
        kept.events += batch.events
        kept.quarantine += batch.quarantine
        kept.forwards += batch.forwards
        for record in batch.checkpoints:
            if record.value is None:
                kept.topic.values.pop(record.key.decode(), None)
            else:
                kept.topic.values[record.key.decode()] = record.value
        if kept.lose:
            kept.lose -= 1
            raise KafkaUnavailable("scripted: the answer is lost")


class SilentSource:
    """Delivers nothing: the tests do."""

    connections = 0

    def __init__(self, deliver: Deliver) -> None:
        self.deliver = deliver

    def joined_at(self, session_id: str) -> str | None:
        return "chat-1:4800" if session_id == CHAT else None

    def follow(self, session_id: str, places: tuple[str, ...], secret: str | None) -> None:
        pass

    def forget(self, session_id: str) -> None:
        pass

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass

    async def close(self, *, leave: bool) -> None:
        pass


def shard_of(kept: KeptPartition, owner: int, telemetry: Telemetry) -> Shard:
    async def check_assignment() -> None:
        await asyncio.sleep(0.01)

    return Shard(
        3,
        ShardSettings(1 << 20),
        owner=owner,
        store_settings=settings(),
        check_assignment=check_assignment,
        make_writer=lambda _: KeepingWriter(kept),
        make_source=SilentSource,
        backoff=Backoff(lambda: 0.5),
        clock=VirtualClock(),
        rate=EventRate(),
        telemetry=telemetry,
    )


def take(shard: Shard, inputs: Sequence[Input]) -> None:
    """Deliver inputs at once, so that they come into one batch."""
    for one in inputs:
        if isinstance(one, Announced):
            shard.announced(one)
        else:
            shard.update_received(one, 100)


async def until(condition: Callable[[], bool]) -> None:
    """Wait in virtual time."""
    for _ in range(100_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    pytest.fail("the condition was not met within 100 s")


async def settled(shard: Shard) -> None:
    await until(lambda: shard.problem is None and not shard.buffer_bytes)


@asynccontextmanager
async def running(kept: KeptPartition, owner: int, telemetry: Telemetry) -> AsyncIterator[Shard]:
    shard = shard_of(kept, owner, telemetry)
    task = asyncio.ensure_future(shard.run())
    try:
        await settled(shard)
        yield shard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def kept_partition() -> KeptPartition:
    return KeptPartition(ScriptedKafka(VirtualClock()))


def check_once(kept: KeptPartition, told: RecordedFacts) -> None:
    """Check that each record is there once, and was counted once."""
    assert kept.outline() == [*CONTENT, *DISTURBANCE, "MESSAGE"]
    assert kept.reasons() == QUARANTINED
    assert len(kept.forwards) == 1
    assert told.kinds() == Counter(kept.outline())
    assert [told.count(kind) for kind in (Quarantined, Resumed, GapRecorded)] == [len(QUARANTINED), 1, 1]


@pytest.mark.parametrize(
    ("refuse", "lose"), [(0, 0), (1, 0), (0, 1), (2, 1)], ids=["in order", "failed", "answer lost", "both"]
)
def test_each_record_is_written_and_counted_once(refuse: int, lose: int) -> None:
    async def scene() -> None:
        kept, told = kept_partition(), RecordedFacts()
        async with running(kept, 1, told) as shard:
            take(shard, beginning())
            await settled(shard)
            kept.refuse, kept.lose = refuse, lose
            take(shard, disturbance())
            await settled(shard)
            assert told.count(TransactionFailed) == refuse + lose
            assert kept.outline() == [*CONTENT, *DISTURBANCE]
            take(shard, [push(said(9))])
            await settled(shard)
        check_once(kept, told)
        assert kept.topic.highest() == told.count(BatchCommitted) == 3

    play(scene())


def test_several_answers_in_a_row_are_lost() -> None:
    async def scene() -> None:
        kept, told = kept_partition(), RecordedFacts()
        kept.lose = 3
        async with running(kept, 1, told) as shard:
            for inputs in (beginning(), disturbance(), [push(said(9))]):
                take(shard, inputs)
                await settled(shard)
        assert told.count(TransactionFailed) == 3
        check_once(kept, told)

    play(scene())


def test_inputs_that_no_commit_was_tried_with_are_folded_again_although_the_batch_before_is_committed() -> None:
    async def scene() -> None:
        kept, told = kept_partition(), RecordedFacts()
        kept.limits = same_limits(100_000)
        async with running(kept, 1, told) as shard:
            take(shard, beginning())
            await settled(shard)
            kept.limits = same_limits(1_000_000)  # noticed only when a record was cut: then the shard opens again
            take(shard, [push(said(3, "x" * 200_000))])
            await settled(shard)
        assert kept.epoch == 2
        assert kept.outline() == [*CONTENT, "MESSAGE"]
        assert told.kinds() == Counter(kept.outline())

    play(scene())


@pytest.mark.parametrize("applied", [True, False])
def test_it_is_recognised_after_another_owner_has_committed_too(applied: bool) -> None:
    async def scene() -> None:
        kept, told, other = kept_partition(), RecordedFacts(), RecordedFacts()
        async with running(kept, 1, told) as shard:
            take(shard, beginning())
            await settled(shard)
            kept.lose, kept.refuse = int(applied), int(not applied)
            take(shard, disturbance())
            await until(lambda: told.count(TransactionFailed) > 0)
            async with running(kept, 2, other) as rival:  # while the first one waits before it opens again
                for last in (push(said(9)), push(said(10))):
                    take(rival, [last])
                    await settled(rival)
            assert kept.epoch == 2
            await settled(shard)
            assert kept.epoch == 3
        ours: list[Sequence[Input]] = [disturbance()]
        theirs: list[Sequence[Input]] = [[push(said(9))], [push(said(10))]]
        assert kept.outline() == without_faults(beginning(), *(ours + theirs if applied else theirs + ours))
        assert kept.reasons() == QUARANTINED
        assert told.kinds() + other.kinds() == Counter(kept.outline())
        assert told.count(Quarantined) + other.count(Quarantined) == len(QUARANTINED)
        assert kept.topic.highest() == told.count(BatchCommitted) + other.count(BatchCommitted) == 4

    play(scene())


def without_faults(*batches: Sequence[Input]) -> list[str]:
    """Return the kinds of the events that one store makes of these batches."""
    store = SessionStore(3, settings())
    plans = [store.fold(inputs, 1) for inputs in batches]
    return [record["kind"] for plan in plans for record in decoded(TRANSCRIPT_EVENT, plan.batch.events)]
