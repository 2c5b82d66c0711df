"""A log of which the cleaner has left the marker of a transaction without its record: it is read as any other."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from confluent_kafka.admin import NewTopic

from bridge.adapters.kafka.calls import unavailable
from bridge.adapters.kafka.connection import KafkaConnection
from bridge.adapters.kafka.kept_client import asking_client
from bridge.adapters.kafka.log_ends import know_leaders, log_bounds
from bridge.adapters.kafka.partition_reading import committed_records
from bridge.adapters.kafka.topic_manager import TopicNames
from bridge.adapters.kafka.topic_reader import reader
from bridge.sandbox import LocalBroker
from tests.support.kafka_tools import create
from tests.support.log_batches import LogBatch, read_batches

if TYPE_CHECKING:
    from collections.abc import Iterator

QUICK_CLEANER = {"log.cleaner.backoff.ms": "100", "log.initial.task.delay.ms": "100"}
CLEANED = {
    "cleanup.policy": "compact",
    "delete.retention.ms": "0",
    "segment.ms": "200",
    "max.compaction.lag.ms": "200",
    "min.cleanable.dirty.ratio": "0.01",
}
SECONDS = 60
KEY = b"a chat"
_failed = unavailable("no answer")


@pytest.fixture(scope="module")
def cleaning_broker() -> Iterator[LocalBroker]:
    """Give a broker whose cleaner looks for work all the time."""
    with LocalBroker(overrides=QUICK_CLEANER) as broker:
        yield broker


def producer(servers: str, transactional_id: str) -> AIOKafkaProducer:
    return AIOKafkaProducer(bootstrap_servers=servers, transactional_id=transactional_id, linger_ms=0)


async def batches(servers: str, at: TopicPartition) -> list[LogBatch]:
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False)
    await consumer.start()
    try:
        return [one async for one in read_batches(consumer, at)]
    finally:
        await consumer.stop()


async def leave_a_marker_without_its_record(servers: str, at: TopicPartition) -> bytes:
    """Fence a producer in its transaction, as a shard's next owner does; return the last value that is committed."""
    fenced, owner, other = (producer(servers, f"{at.topic}-{one}") for one in ("shard", "shard", "other"))
    await fenced.start()
    await fenced.begin_transaction()
    sent = await fenced.send_and_wait(at.topic, b"aborted", key=KEY, partition=at.partition)
    await owner.start()
    await other.start()
    number, marker = 0, sent.offset + 1
    try:
        async with asyncio.timeout(SECONDS):
            while not any(one.first == marker and not one.records for one in await batches(servers, at)):
                number += 1  # a segment is closed, and its cleaning due, when something is written
                async with other.transaction():
                    await other.send_and_wait(at.topic, b"%d" % number, key=KEY, partition=at.partition)
        return b"%d" % number
    finally:
        await other.stop()
        await owner.stop()
        await fenced.stop()


def test_the_marker_of_a_fenced_transaction_of_which_nothing_is_left_ends_no_reading(
    cleaning_broker: LocalBroker,
) -> None:
    servers, at = cleaning_broker.bootstrap_servers, TopicPartition(uuid.uuid4().hex, 0)
    create(servers, NewTopic(at.topic, 1, 1, config=CLEANED))

    async def scenario() -> None:
        last = await leave_a_marker_without_its_record(servers, at)
        async with reader({"bootstrap_servers": servers}) as topics:
            read = [one.value async for records in topics.whole(at.topic, [at.partition]) for one in records]
            following = topics.follow(at.topic, [at.partition], from_beginning=True)
            followed: list[bytes | None] = []
            while last not in followed:
                followed += [one.value for one in await anext(following)]
        questions = asking_client(KafkaConnection(servers, "group", TopicNames()))
        try:
            async with questions.use() as client:
                await know_leaders(client, [at])
                starts, ends = await log_bounds(client, [at], _failed)
                found = committed_records(client, at, starts[at], ends[at], seconds=10.0, translate=_failed)
                shard = [one.value async for records in found for one in records]
        finally:
            await questions.close()
        for values in (read, followed, shard):
            assert values[-1] == last
            assert b"aborted" not in values

    asyncio.run(asyncio.wait_for(scenario(), 2 * SECONDS))
