"""The private attributes of aiokafka as they behave while a client runs."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import IllegalOperation, ProducerClosed, ProducerFenced

from bridge.adapters.kafka.aiokafka_internals import (
    consumer_client,
    coordinator_known,
    fail_pending_batches,
    forget_static_membership,
    last_answer,
    member_id,
    metadata_task_ended,
    producer_error,
    sender_tasks,
)
from bridge.adapters.kafka.producers import ignore_unretrieved_batches
from bridge.adapters.kafka.stopping import stop_producer
from tests.integration.test_transactional_writer import play

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.adapters.kafka.connection import KafkaConnection

_POLL_SECONDS = 0.05


async def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(_POLL_SECONDS)


async def members(settings: KafkaConnection) -> list[str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap_servers)
    await admin.start()
    try:
        responses = await admin.describe_consumer_groups([settings.group])
        return [member[0] for response in responses for group in response.groups for member in group[5]]
    finally:
        await admin.close()


def test_a_running_consumer_knows_its_coordinator_and_leaves_without_its_instance_id(broker: str) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        for forgets in (False, True):
            consumer = AIOKafkaConsumer(
                settings.topics.announcements,
                bootstrap_servers=broker,
                group_id=settings.group,
                group_instance_id="worker-1",
                enable_auto_commit=False,
            )
            await consumer.start()
            await until(consumer.assignment)
            assert coordinator_known(consumer)
            own = member_id(consumer)
            assert await members(settings) == [own]
            assert not metadata_task_ended(consumer)
            before = last_answer(consumer_client(consumer))
            assert 0 < before <= time.monotonic()
            await consumer.committed(TopicPartition(settings.topics.announcements, 0))
            assert last_answer(consumer_client(consumer)) > before
            if forgets:
                forget_static_membership(consumer)
            await consumer.stop()
            assert metadata_task_ended(consumer)
            assert await members(settings) == ([] if forgets else [own])

    play(scenario, broker)


def test_a_metadata_task_that_died_is_noticed(broker: str) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        consumer = AIOKafkaConsumer(settings.topics.announcements, bootstrap_servers=broker)
        await consumer.start()
        assert not metadata_task_ended(consumer)
        task = consumer._client._sync_task
        task.cancel()
        await asyncio.wait([task])
        assert metadata_task_ended(consumer)
        await consumer.stop()

    play(scenario, broker)


def test_the_tasks_of_a_sender_are_found_and_its_batches_failed(broker: str) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        producer, other = (AIOKafkaProducer(bootstrap_servers=broker, acks="all") for _ in range(2))
        await producer.start()
        await other.start()
        await until(lambda: sender_tasks(producer))
        assert producer._sender.sender_task in sender_tasks(producer)
        assert not set(sender_tasks(producer)) & set(sender_tasks(other))
        await producer.partitions_for(settings.topics.announcements)
        sent = await producer.send(settings.topics.announcements, key=b"k", value=b"v", partition=0)
        error = ProducerClosed()
        fail_pending_batches(producer, error)
        with pytest.raises(ProducerClosed):
            await sent
        assert producer_error(producer) is error
        for task in sender_tasks(producer):
            task.cancel()
        await until(lambda: not sender_tasks(producer))
        await producer.stop()
        await other.stop()

    play(scenario, broker)


def test_what_fenced_a_producer_is_kept_as_its_error(broker: str) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        name = uuid.uuid4().hex
        fenced, owner = (AIOKafkaProducer(bootstrap_servers=broker, transactional_id=name) for _ in range(2))
        await fenced.start()
        await fenced.begin_transaction()
        assert producer_error(fenced) is None
        await owner.start()
        await owner.begin_transaction()
        await owner.abort_transaction()
        asyncio.get_running_loop().set_exception_handler(ignore_unretrieved_batches)
        sent = await fenced.send(settings.topics.announcements, key=b"k", value=b"v", partition=0)
        with pytest.raises(ProducerFenced):
            await sent
        assert isinstance(producer_error(fenced), ProducerFenced)
        with pytest.raises(IllegalOperation):  # says nothing of the fencing
            await fenced.send(settings.topics.announcements, key=b"k", value=b"v", partition=0)
        await stop_producer(fenced)
        await owner.stop()

    play(scenario, broker)
