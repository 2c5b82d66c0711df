"""Time stamps of heads: of what was committed only, written with a later transaction, and nothing waits for them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.backoff import Backoff
from bridge.capture.ports import Batch, Outgoing
from bridge.capture.shard_evidence import CHECKPOINT, STATEMENT
from bridge.capture.time_stamps import StampFailed, StampKept, TimeStamps
from bridge.errors import StampInvalid, StampUnavailable
from bridge.evidence.anchors import KIND
from bridge.evidence.log_stamps import STAMP
from tests.capture.evidence_topics import ANCHORS
from tests.capture.recorded_facts import RecordedFacts

if TYPE_CHECKING:
    from bridge.errors import Problem

CHECKPOINTS = "test.checkpoints"
AWAY, LYING = StampUnavailable("scripted: away"), StampInvalid("scripted: a lie")


@dataclass
class ManualClock:
    at: float = 0.0

    def monotonic(self) -> float:
        return self.at

    def now_us(self) -> int:
        return int(self.at * 1_000_000)


@dataclass
class ScriptedStamper:
    fails: list[StampUnavailable | StampInvalid] = field(default_factory=list)
    refused: bytes = b""
    stamped: list[bytes] = field(default_factory=list)

    async def stamp(self, stamped: bytes) -> bytes:
        if self.fails:
            raise self.fails.pop(0)
        if stamped == self.refused:
            raise LYING
        self.stamped.append(stamped)
        return b"stamp of " + stamped


def head(size: int, partition: int = 3) -> Outgoing:
    return Outgoing(ANCHORS, partition, b"3", b"origin\n%d\nroot\n\nsigned" % size, [(KIND, CHECKPOINT)])


def batch(*records: Outgoing, partition: int = 3) -> Batch:
    return Batch([Outgoing("other", 7, b"", b""), Outgoing(CHECKPOINTS, partition, b"", b""), *records])


class StampedShard:
    def __init__(self) -> None:
        self.stamper, self.clock, self.told = ScriptedStamper(), ManualClock(), RecordedFacts()
        self.stamps = TimeStamps(
            self.stamper,
            anchors=ANCHORS,
            checkpoints=CHECKPOINTS,
            seconds=100.0,
            backoff=Backoff(lambda: 1.0, first=5.0, maximum=300.0),
            clock=self.clock,
            telemetry=self.told,
        )

    def problem(self) -> Problem | None:
        return self.stamps.problem

    def look(self) -> float:
        return asyncio.run(self.stamps._look())

    def written(self, partition: int = 3) -> list[bytes | None]:
        """What the next transaction writes of stamps; it is not committed."""
        found = batch(partition=partition)
        self.stamps.add(found)
        added = found.on(ANCHORS)
        assert all((KIND, STAMP) in one.headers and one.partition == partition for one in added)
        return [one.value for one in added]

    def commit(self, *records: Outgoing) -> None:
        found = batch(*records)
        self.stamps.add(found)
        self.stamps.committed(found)


def test_a_committed_head_is_stamped_and_the_stamp_waits_until_it_is_committed() -> None:
    shard = StampedShard()
    shard.stamps.add(batch(head(1)))  # not committed
    shard.look()
    assert shard.stamper.stamped == []
    shard.commit(head(1), Outgoing(ANCHORS, 3, b"3", b"told", [(KIND, STATEMENT)]))
    shard.look()
    assert shard.stamper.stamped == [head(1).value]
    assert shard.written() == shard.written() == [b"stamp of " + (head(1).value or b"")]
    assert shard.written(partition=4) == []
    shard.commit()
    assert shard.written() == []
    assert [fact.shard for fact in shard.told.facts if isinstance(fact, StampKept)] == [3]


def test_only_the_newest_head_is_stamped_and_not_more_often_than_is_set() -> None:
    shard = StampedShard()
    for size in (1, 2):
        shard.commit(head(size))
    shard.look()
    shard.commit(head(3))
    shard.clock.at = 99.0
    shard.look()
    assert shard.stamper.stamped == [head(2).value]
    shard.clock.at = 100.0
    shard.look()
    assert shard.stamper.stamped == [head(2).value, head(3).value]


def test_neither_an_empty_log_nor_the_same_head_is_stamped_again() -> None:
    shard = StampedShard()
    shard.commit(head(0))
    shard.look()
    assert shard.stamper.stamped == []
    shard.commit(head(1))
    shard.look()
    shard.commit(head(1))
    shard.clock.at = 500.0
    shard.look()
    assert shard.stamper.stamped == [head(1).value]


def test_an_authority_that_is_away_or_lies_is_told_and_asked_again() -> None:
    shard = StampedShard()
    shard.commit(head(1))
    shard.stamper.fails = [AWAY, LYING]
    assert shard.look() == 5.0
    assert shard.problem() == AWAY.problem
    shard.commit(head(2))
    assert shard.written() == []
    assert shard.look() == 10.0
    assert shard.problem() == LYING.problem
    shard.look()
    assert shard.problem() is None
    assert shard.stamper.stamped == [head(2).value]
    codes = ["TIMESTAMP_UNAVAILABLE", "TIMESTAMP_INVALID"]
    assert [fact.code for fact in shard.told.facts if isinstance(fact, StampFailed)] == codes


def test_a_head_that_gets_no_valid_stamp_keeps_no_other_partition_from_its_own() -> None:
    shard = StampedShard()
    for partition in (1, 2, 3):
        shard.stamps.committed(batch(head(partition, partition), partition=partition))
    shard.stamper.refused = head(1, 1).value or b""
    for _ in range(3):
        shard.look()
    assert shard.stamper.stamped == [head(2, 2).value, head(3, 3).value]
    shard.stamper.refused = b""
    shard.look()
    assert shard.stamper.stamped[2:] == [head(1, 1).value]
