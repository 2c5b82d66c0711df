"""Partitions read on a client that all shards share, on a real Kafka."""

from __future__ import annotations

import asyncio
import random
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

from bridge.adapters.kafka import partition_reading
from bridge.adapters.kafka.calls import unavailable
from bridge.adapters.kafka.kept_client import asking_client
from bridge.adapters.kafka.log_ends import know_leaders, log_bounds
from bridge.adapters.kafka.log_positions import KafkaShardLogs
from bridge.adapters.kafka.partition_reading import Fetched, committed_records
from bridge.adapters.kafka.transactional_writer import KafkaTransactionalWriter
from bridge.errors import KafkaUnavailable
from tests.integration.test_transactional_writer import play
from tests.support.kafka_connections import SHARDS, for_each_shard
from tests.support.kafka_tools import alter

if TYPE_CHECKING:
    from aiokafka.client import AIOKafkaClient

    from bridge.adapters.kafka.connection import KafkaConnection

CONNECTIONS = 3
"""One asks any broker who leads first, two are to the only broker, which coordinates the group, too."""
LARGE = 900_000
_failed = unavailable("no answer")


async def read(
    client: AIOKafkaClient, at: TopicPartition, start: int, end: int, seconds: float = 10.0
) -> list[tuple[int, bytes | None]]:
    found = committed_records(client, at, start, end, seconds=seconds, translate=_failed)
    return [(one.offset, one.value) async for records in found for one in records]


def test_what_is_committed_between_two_offsets_is_read_and_nothing_else(broker: str) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        at = TopicPartition(settings.topics.events, 1)
        questions = asking_client(settings)
        one, two = (
            AIOKafkaProducer(bootstrap_servers=broker, transactional_id=uuid.uuid4().hex, linger_ms=0) for _ in range(2)
        )

        async def send(producer: AIOKafkaProducer, *values: bytes) -> None:
            for value in values:
                await producer.send_and_wait(at.topic, value, partition=1)

        await one.start()
        await two.start()
        try:
            async with one.transaction():
                await send(one, b"0", b"1")  # a marker is 2
            await one.begin_transaction()
            await two.begin_transaction()
            await send(one, b"aborted 3")
            await send(two, b"4")
            await send(one, b"aborted 5")
            await one.abort_transaction()
            async with questions.use() as client:
                await stable_to(client, at, 4)
                starts, ends = await log_bounds(client, [at], _failed)
                assert (starts[at], ends[at]) == (0, 4)  # what lies behind an open transaction is not told
                assert await read(client, at, 0, 4) == [(0, b"0"), (1, b"1")]
                await two.commit_transaction()
                await stable_to(client, at, 8)  # Kafka answers a commit before it is marked
                await send_whole(one, at, b"8")
                await stable_to(client, at, 10)
                assert await read(client, at, 0, 10) == [(0, b"0"), (1, b"1"), (4, b"4"), (8, b"8")]
                assert await read(client, at, 1, 5) == [(1, b"1"), (4, b"4")]
                assert await read(client, at, 5, 5) == []
        finally:
            await one.stop()
            await two.stop()
            await questions.close()

    play(scenario, broker)


async def stable_to(client: AIOKafkaClient, at: TopicPartition, end: int) -> None:
    """Wait until all transactions before an offset are marked."""
    while (await log_bounds(client, [at], _failed))[1][at] < end:  # noqa: ASYNC110 - of Kafka
        await asyncio.sleep(0.01)


async def send_whole(producer: AIOKafkaProducer, at: TopicPartition, value: bytes) -> None:
    async with producer.transaction():
        await producer.send_and_wait(at.topic, value, partition=at.partition)


def test_more_than_one_fetch_is_read_in_order_and_what_was_deleted_is_passed_over(broker: str) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        at = TopicPartition(settings.topics.checkpoints, 1)
        questions, producer = asking_client(settings), AIOKafkaProducer(bootstrap_servers=broker)
        admin = AIOKafkaAdminClient(bootstrap_servers=broker)
        values = [random.randbytes(LARGE) for _ in range(11)]
        await admin.start()
        await producer.start()
        try:
            for number, value in enumerate(values):
                await producer.send_and_wait(at.topic, value, b"%d" % number, partition=1)
            async with questions.use() as client:
                await know_leaders(client, [at])
                assert await read(client, at, 0, 11) == list(enumerate(values))
                await asyncio.to_thread(alter, broker, at.topic, "cleanup.policy", "compact,delete")
                await admin.delete_records({at: RecordsToDelete(before_offset=7)})
                assert await read(client, at, 2, 11) == list(enumerate(values))[7:]
        finally:
            await producer.stop()
            await admin.close()
            await questions.close()

    play(scenario, broker)


def test_what_never_comes_and_what_is_damaged_is_an_error(broker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        at = TopicPartition(settings.topics.events, 1)
        questions, producer = asking_client(settings), AIOKafkaProducer(bootstrap_servers=broker)
        fetched = partition_reading.fetched

        async def damaged(*arguments: Any) -> Fetched:
            found = await fetched(*arguments)
            return found._replace(content=found.content[:-1] + bytes([found.content[-1] ^ 1]))

        await producer.start()
        try:
            await producer.send_and_wait(at.topic, b"0", partition=1)
            async with questions.use() as client:
                await know_leaders(client, [at])
                with pytest.raises(KafkaUnavailable, match="beyond offset 1 within"):
                    await read(client, at, 0, 5, seconds=0.5)
                monkeypatch.setattr(partition_reading, "fetched", damaged)
                with pytest.raises(KafkaUnavailable, match="CorruptRecord"):
                    await read(client, at, 0, 1)
        finally:
            await producer.stop()
            await questions.close()

    play(scenario, broker)


def test_shards_that_are_opened_together_ask_and_read_with_the_same_connections(broker: str) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        questions, topics = asking_client(settings), (settings.topics.events, settings.topics.checkpoints)

        async def opened(shard: int) -> None:
            writer = KafkaTransactionalWriter(settings, questions, shard, topics)
            logs = KafkaShardLogs(settings, questions, shard, outputs={"events": settings.topics.events})
            await writer.take_limits()
            seen = await logs.look()
            assert await writer.checkpoints() == [("chat", b"%d" % shard)]
            assert await logs.committed() == 0
            assert await logs.marked("events") == 0
            assert [one async for one in logs.read("events", seen["events"].start, seen["events"].end)] == []
            await writer.close()

        producer = AIOKafkaProducer(bootstrap_servers=broker)
        await producer.start()
        try:
            for shard in range(SHARDS):
                await producer.send_and_wait(settings.topics.checkpoints, b"%d" % shard, b"chat", partition=shard)
            await coordinated(settings)
            await for_each_shard(opened, connections=CONNECTIONS)
        finally:
            await producer.stop()
            await questions.close()

    play(scenario, broker)


async def coordinated(settings: KafkaConnection) -> None:
    """Wait until the broker coordinates groups, which it begins with the first question about one."""
    questions = asking_client(settings)
    try:
        async with asyncio.timeout(20):
            while True:
                with suppress(KafkaUnavailable):
                    await KafkaShardLogs(settings, questions, 0).committed()
                    return
                await asyncio.sleep(0.05)
    finally:
        await questions.close()


def test_a_topic_that_is_deleted_is_not_made_again_by_who_looks_at_it(broker: str) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        events, questions = settings.topics.events, asking_client(settings)
        logs = KafkaShardLogs(settings, questions, 1, outputs={"events": events})
        admin = AIOKafkaAdminClient(bootstrap_servers=broker)
        await admin.start()
        try:
            assert "events" in await logs.look()
            await admin.delete_topics([events])
            while "events" in await logs.look():  # noqa: ASYNC110 - of Kafka
                await asyncio.sleep(0.01)
            for _ in range(20):
                assert "events" not in await logs.look()
            assert events not in await admin.list_topics()
        finally:
            await admin.close()
            await questions.close()

    play(scenario, broker)
