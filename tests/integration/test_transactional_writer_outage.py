"""KafkaTransactionalWriter while Kafka does not answer: closing takes seconds and leaves no task behind."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import pytest
from aiokafka import TopicPartition

from bridge.adapters.kafka import worker_producer
from bridge.adapters.kafka.announcement_producer import AnnouncementProducer
from bridge.adapters.kafka.kept_client import asking_client
from bridge.adapters.kafka.worker_producer import KafkaWorkerProducer
from bridge.announcement import Announcement
from bridge.capture.ports import Batch
from bridge.errors import AnnouncementsNotWritten, KafkaUnavailable, TopicMissing
from bridge.sandbox import LocalBroker
from tests.integration.test_transactional_writer import committed, prepared, record, settings_for, writer_of
from tests.support.kafka_tools import CREATES_TOPICS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from bridge.adapters.kafka.connection import KafkaConnection


@pytest.fixture(scope="module")
def patient_broker() -> Iterator[LocalBroker]:
    """Give a broker whose controller does not take it for gone when a test has paused it."""
    with LocalBroker(overrides={"broker.session.timeout.ms": "60000"}) as broker:
        yield broker


async def nothing_left(before: set[asyncio.Task[object]], seconds: float) -> None:
    """Wait until no task runs that did not run before."""
    deadline = time.monotonic() + seconds
    while left := asyncio.all_tasks() - before:
        assert time.monotonic() < deadline, f"still running: {left}"
        await asyncio.sleep(0.05)


def test_a_log_that_is_closed_during_a_transaction_without_kafka_leaves_no_task_behind(
    patient_broker: LocalBroker,
) -> None:
    async def scenario(broker: LocalBroker) -> None:
        before = asyncio.all_tasks()
        settings = await prepared(settings_for(broker.bootstrap_servers, client={"request_timeout_ms": 3000}))
        log = writer_of(settings, 0)
        await log.open()
        broker.pause()
        try:
            committing = asyncio.ensure_future(
                log.commit(Batch([record(settings.topics.events, 0, 1)], announcement_offset=1))
            )
            done, _ = await asyncio.wait([committing], timeout=2)
            assert not done
            committing.cancel()
            began = time.monotonic()
            await log.close()
            assert time.monotonic() - began < 11
            await nothing_left(before, 10)
        finally:
            broker.resume()

    asyncio.run(asyncio.wait_for(scenario(patient_broker), 60))


def test_a_transaction_that_the_broker_has_given_up_is_not_waited_for(patient_broker: LocalBroker) -> None:
    async def scenario(broker: LocalBroker) -> None:
        settings = await prepared(settings_for(broker.bootstrap_servers, transaction_timeout=3.0))
        log = writer_of(settings, 0)
        await log.open()
        broker.pause()
        try:
            with pytest.raises(KafkaUnavailable, match="did not answer"):
                await log.commit(Batch([record(settings.topics.events, 0, 1)]))
            await log.close()
            hopeless = writer_of(settings, 0)
            with pytest.raises(KafkaUnavailable):
                await hopeless.open()
            await hopeless.close()
        finally:
            broker.resume()
        again = writer_of(settings, 0)
        await again.open()
        await again.commit(Batch([record(settings.topics.events, 0, 1)]))
        await again.close()
        assert len(await committed(settings, settings.topics.events, 0)) == 1

    asyncio.run(asyncio.wait_for(scenario(patient_broker), 90))


def test_an_announcement_is_refused_after_seconds_and_not_kept_when_kafka_is_away(
    patient_broker: LocalBroker,
) -> None:
    async def scenario(broker: LocalBroker) -> None:
        before = asyncio.all_tasks()
        settings = await prepared(settings_for(broker.bootstrap_servers))
        announcer = AnnouncementProducer(settings)
        await announcer.announce([Announcement(session_id="0000HERE00000001", host="chat-1", port=4800)])
        broker.pause()
        try:
            began = time.monotonic()
            with pytest.raises(AnnouncementsNotWritten) as refused:
                await announcer.announce([Announcement(session_id="0000AWAY00000001", host="chat-1", port=4800)] * 3)
            assert refused.value.accepted == 0
            assert time.monotonic() - began < 22
            await nothing_left(before, 12)
        finally:
            broker.resume()
        await announcer.announce([Announcement(session_id="0000BACK00000001", host="chat-1", port=4800)])
        await announcer.close()

    asyncio.run(asyncio.wait_for(scenario(patient_broker), 90))


@contextlib.asynccontextmanager
async def open_producer(settings: KafkaConnection) -> AsyncIterator[KafkaWorkerProducer]:
    """Give a worker's producer that writes events."""
    questions = asking_client(settings)
    producer = KafkaWorkerProducer(settings, questions, f"{settings.group}-worker:one", (settings.topics.events,))
    await producer.open()
    try:
        yield producer
    finally:
        await producer.close()
        await questions.close()


def test_a_topic_of_which_no_broker_tells_is_not_called_missing() -> None:
    async def scenario(broker: LocalBroker) -> None:
        settings = await prepared(settings_for(broker.bootstrap_servers))
        batch, unknown = (Batch([record(topic, 0, 1)]) for topic in (settings.topics.events, "unknown"))
        async with open_producer(settings) as producer:
            found = await producer.unwritable({0: unknown}, ())
            assert [type(one) for one in found.values()] == [TopicMissing]
            broker.kill()
            with pytest.raises(KafkaUnavailable) as raised:
                await producer.unwritable({0: batch}, ())
            assert type(raised.value) is KafkaUnavailable

    with LocalBroker(overrides=CREATES_TOPICS) as broker:
        asyncio.run(asyncio.wait_for(scenario(broker), 60))


def test_that_kafka_does_not_say_who_is_in_sync_is_not_taken_for_all_are() -> None:
    async def scenario(broker: LocalBroker) -> None:
        settings = await prepared(settings_for(broker.bootstrap_servers))
        batches = {shard: Batch([record(settings.topics.events, 0, shard)]) for shard in (0, 1)}
        async with open_producer(settings) as producer:
            assert await producer.unwritable(batches, [0]) == {}
            broker.pause()
            found = await producer.unwritable(batches, [0])
            broker.resume()
            assert found == {0: None}

    with LocalBroker(overrides=CREATES_TOPICS) as broker:
        asyncio.run(asyncio.wait_for(scenario(broker), 60))


def test_of_partitions_the_replicas_of_which_are_all_in_sync_nothing_more_has_to_be_told(
    own_broker: LocalBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def behind(*_: object) -> dict[TopicPartition, tuple[int, int]]:
        return {TopicPartition(events, 0): (1, 2)}

    async def not_told(*_: object) -> dict[TopicPartition, str]:
        raise KafkaUnavailable("no answer")

    async def scenario() -> None:
        batches = {shard: Batch([record(events, shard, 0)]) for shard in (0, 1)}
        async with open_producer(settings) as producer:
            assert await producer.unwritable(batches, [0, 1]) == {0: None}

    settings = asyncio.run(prepared(settings_for(own_broker.bootstrap_servers)))
    events = settings.topics.events
    monkeypatch.setattr(worker_producer, "replicas_behind", behind)
    monkeypatch.setattr(worker_producer, "too_few_in_sync", not_told)
    asyncio.run(asyncio.wait_for(scenario(), 60))
