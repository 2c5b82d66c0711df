"""The second step of a commit: it may wait; nothing is written before it is done, nor if it fails."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from bridge.errors import KafkaUnavailable
from bridge.facts import BatchCommitted, TransactionFailed
from bridge.records.avro import TRANSCRIPT_EVENT
from tests.capture.disturbed_chat import announced, beginning, disturbance
from tests.capture.hand_fed_shard import feed, hand_fed_shard, settled, until
from tests.capture.recorded_facts import RecordedFacts
from tests.capture.test_commit_answers import KeepingWriter, KeptPartition, check_once, kept_partition
from tests.capture.test_session_store import decoded, settings
from tests.capture.virtual_servers import VirtualClock, play
from tests.transcript.build import CHAT, history, joined, push, said

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bridge.capture.ports import Batch
    from bridge.capture.shard import Shard

SECONDS = 2.0


@dataclass
class Signatures:
    """A preparation that waits; `fails` are raised by the next ones. It marks the records that it has completed."""

    kept: KeptPartition
    fails: list[Exception] = field(default_factory=list)
    seconds: float = SECONDS
    waiting: bool = False
    prepared: list[int] = field(default_factory=list)

    async def prepare(self, batch: Batch) -> None:
        before = len(self.kept.events)
        self.waiting = True
        await asyncio.sleep(self.seconds)
        self.waiting = False
        assert len(self.kept.events) == before, "something was committed meanwhile"
        if self.fails:
            raise self.fails.pop()
        for record in batch.records:
            assert SIGNED not in record.headers
            record.headers.append(SIGNED)
        self.prepared.append(len(batch))

    def committed(self, batch: Batch) -> None:
        assert all(record.headers.count(SIGNED) == 1 for record in batch.records)


SIGNED = ("signed", b"yes")


class CheckingWriter(KeepingWriter):
    """Takes only what is prepared."""

    async def commit(self, batch: Batch) -> None:
        assert all(record.headers.count(SIGNED) == 1 for record in batch.records)
        await super().commit(batch)


@asynccontextmanager
async def running(signatures: Signatures, told: RecordedFacts) -> AsyncIterator[tuple[Shard, asyncio.Task[None]]]:
    kept = signatures.kept
    shard = hand_fed_shard(
        3, lambda _: CheckingWriter(kept), VirtualClock(), told, settings(owner=1), preparation=signatures
    )
    task = asyncio.ensure_future(shard.run())
    try:
        await settled(shard)
        yield shard, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def ids(kept: KeptPartition) -> list[int]:
    return [record["eventId"] for record in decoded(TRANSCRIPT_EVENT, kept.events)]


def test_what_arrives_meanwhile_is_committed_afterwards_in_order() -> None:
    async def scene() -> None:
        signatures, told = Signatures(kept_partition()), RecordedFacts()
        async with running(signatures, told) as (shard, _):
            feed(shard, [announced(CHAT, 0), history(joined(1))])
            for number in range(2, 7):
                await until(lambda: signatures.waiting)
                assert shard.under_way(VirtualClock().monotonic() + 1.0) >= 1.0
                feed(shard, [push(said(number))])
                await until(lambda: not signatures.waiting)
            await settled(shard)
        assert ids(signatures.kept) == [1, 2, 3, 4, 5, 6]
        assert len(signatures.prepared) == told.count(BatchCommitted) == 6

    play(scene())


def test_when_it_fails_nothing_is_committed_and_the_same_inputs_are_decided_again() -> None:
    async def scene() -> None:
        signatures, told = Signatures(kept_partition()), RecordedFacts()
        kept = signatures.kept
        async with running(signatures, told) as (shard, _):
            feed(shard, beginning())
            await settled(shard)
            before = len(kept.events), kept.topic.highest()
            signatures.fails += [KafkaUnavailable("scripted: no key"), KafkaUnavailable("scripted: no key")]
            feed(shard, disturbance())
            for failures in (1, 2):
                await until(lambda: told.count(TransactionFailed) == failures)  # noqa: B023
                assert (len(kept.events), kept.topic.highest()) == before
                assert shard.uncommitted
            await settled(shard)
            feed(shard, [push(said(9))])
            await settled(shard)
        check_once(kept, told)
        assert len(signatures.prepared) == told.count(BatchCommitted) == 3

    play(scene())


def test_a_defect_in_it_ends_the_shard_and_commits_nothing() -> None:
    async def scene() -> None:
        signatures, told = Signatures(kept_partition()), RecordedFacts()
        async with running(signatures, told) as (shard, task):
            signatures.fails.append(ZeroDivisionError())
            feed(shard, beginning())
            await asyncio.wait([task])
            assert isinstance(task.exception(), ZeroDivisionError)
        assert (signatures.kept.events, signatures.kept.topic.values) == ([], {})

    play(scene())


@pytest.mark.parametrize("lost", [False, True], ids=["refused", "answer lost"])
def test_what_is_prepared_is_what_is_decided_anew_after_a_failed_commit(lost: bool) -> None:
    async def scene() -> None:
        signatures, told = Signatures(kept_partition()), RecordedFacts()
        kept = signatures.kept
        async with running(signatures, told) as (shard, _):
            feed(shard, beginning())
            await settled(shard)
            kept.lose, kept.refuse = int(lost), int(not lost)
            feed(shard, disturbance())
            await settled(shard)
            feed(shard, [push(said(9))])
            await settled(shard)
        check_once(kept, told)
        assert len(signatures.prepared) == (3 if lost else 4)

    play(scene())


def test_what_kafka_has_forgotten_is_prepared_once_and_written_again() -> None:
    async def scene() -> None:
        signatures, told = Signatures(kept_partition()), RecordedFacts()
        kept = signatures.kept
        async with running(signatures, told) as (shard, _):
            feed(shard, beginning())
            await settled(shard)
            kept.refuse = 1
            feed(shard, disturbance())
            await until(lambda: told.count(TransactionFailed) == 1)
            kept.topic.values.clear()  # memory is ahead of what is there: the plan that failed is written, as it was
            await settled(shard)
            feed(shard, [push(said(9))])
            await settled(shard)
        check_once(kept, told)

    play(scene())
