"""A shard whose commit is applied and not answered, in virtual time, with a writer that keeps what it writes."""

from __future__ import annotations

from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from bridge.capture.chat_facts import GapRecorded, Quarantined, Resumed
from bridge.errors import KafkaUnavailable, Problem, ShardFenced
from bridge.facts import BatchCommitted, TransactionFailed
from bridge.records.avro import QUARANTINED_INPUT, TRANSCRIPT_EVENT
from tests.capture.disturbed_chat import CONTENT, DISTURBANCE, QUARANTINED, beginning, disturbance
from tests.capture.hand_fed_shard import feed, hand_fed_shard, settled, until, while_it_runs, without_faults
from tests.capture.recorded_facts import RecordedFacts
from tests.capture.scripted_kafka import ScriptedKafka, ScriptedWriter
from tests.capture.test_batch_numbers import SharedTopic
from tests.capture.test_session_store import decoded, settings
from tests.capture.virtual_servers import VirtualClock, play
from tests.capture.written_topics import CHECKPOINTS, EVENTS, QUARANTINE, forwards, same_limits
from tests.transcript.build import push, said

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from bridge.capture.inbox import Input
    from bridge.capture.ports import Batch, Limits, Outgoing
    from bridge.capture.shard import Shard
    from bridge.telemetry import Telemetry


@dataclass
class KeptPartition:
    """One partition of each topic. `refuse` and `lose` are the next commits that fail without and with effect."""

    kafka: ScriptedKafka
    epoch: int = 0
    refuse: int = 0
    lose: int = 0
    limits: Limits = field(default_factory=lambda: same_limits(1_000_000))
    topic: SharedTopic = field(default_factory=SharedTopic)
    events: list[Outgoing] = field(default_factory=list)
    quarantine: list[Outgoing] = field(default_factory=list)
    forwards: list[tuple[int, Outgoing]] = field(default_factory=list)

    def outline(self) -> list[str]:
        return [record["kind"] for record in decoded(TRANSCRIPT_EVENT, self.events)]

    def reasons(self) -> list[Problem]:
        return [Problem(record["code"], record["detail"]) for record in decoded(QUARANTINED_INPUT, self.quarantine)]


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
        kept.events += batch.on(EVENTS)
        kept.quarantine += batch.on(QUARANTINE)
        kept.forwards += forwards(batch)
        for record in batch.on(CHECKPOINTS):
            if record.value is None:
                kept.topic.values.pop(record.key.decode(), None)
            else:
                kept.topic.values[record.key.decode()] = record.value
        if kept.lose:
            kept.lose -= 1
            raise KafkaUnavailable("scripted: the answer is lost")


@asynccontextmanager
async def running(kept: KeptPartition, owner: int, telemetry: Telemetry) -> AsyncIterator[Shard]:
    shard = hand_fed_shard(3, lambda _: KeepingWriter(kept), VirtualClock(), telemetry, settings(owner=owner))
    async with while_it_runs(shard):
        yield shard


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
            feed(shard, beginning())
            await settled(shard)
            kept.refuse, kept.lose = refuse, lose
            feed(shard, disturbance())
            await settled(shard)
            assert told.count(TransactionFailed) == refuse + lose
            assert kept.outline() == [*CONTENT, *DISTURBANCE]
            feed(shard, [push(said(9))])
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
                feed(shard, inputs)
                await settled(shard)
        assert told.count(TransactionFailed) == 3
        check_once(kept, told)

    play(scene())


def test_inputs_that_no_commit_was_tried_with_are_folded_again_although_the_batch_before_is_committed() -> None:
    async def scene() -> None:
        kept, told = kept_partition(), RecordedFacts()
        kept.limits = same_limits(100_000)
        async with running(kept, 1, told) as shard:
            feed(shard, beginning())
            await settled(shard)
            kept.limits = same_limits(1_000_000)  # noticed only when a record was cut: then the shard opens again
            feed(shard, [push(said(3, "x" * 200_000))])
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
            feed(shard, beginning())
            await settled(shard)
            kept.lose, kept.refuse = int(applied), int(not applied)
            feed(shard, disturbance())
            await until(lambda: told.count(TransactionFailed) > 0)
            async with running(kept, 2, other) as rival:  # while the first one waits before it opens again
                for last in (push(said(9)), push(said(10))):
                    feed(rival, [last])
                    await settled(rival)
            assert kept.epoch == 2
            await settled(shard)
            assert kept.epoch == 3
        ours: list[Sequence[Input]] = [disturbance()]
        theirs: list[Sequence[Input]] = [[push(said(9))], [push(said(10))]]
        assert kept.outline() == kinds(
            without_faults(3, settings(), beginning(), *(ours + theirs if applied else theirs + ours))
        )
        assert kept.reasons() == QUARANTINED
        assert told.kinds() + other.kinds() == Counter(kept.outline())
        assert told.count(Quarantined) + other.count(Quarantined) == len(QUARANTINED)
        assert kept.topic.highest() == told.count(BatchCommitted) + other.count(BatchCommitted) == 4

    play(scene())


def kinds(batches: list[Batch]) -> list[str]:
    return [record["kind"] for batch in batches for record in decoded(TRANSCRIPT_EVENT, batch.on(EVENTS))]
