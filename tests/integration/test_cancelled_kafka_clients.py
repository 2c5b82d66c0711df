"""Kafka clients whose whole work is cancelled at every suspension, against a running broker: nothing stays."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from bridge.adapters.kafka.announcement_consumer import AnnouncementConsumer
from bridge.adapters.kafka.announcement_producer import AnnouncementProducer
from bridge.adapters.kafka.producers import ignore_unretrieved_batches
from bridge.adapters.kafka.required_topics import TopicShape
from bridge.adapters.kafka.topic_manager import TopicManager
from bridge.adapters.kafka.topic_reader import reader
from bridge.announcement import Announcement
from bridge.capture.ports import Batch
from tests.integration.test_cancelled_closes import nothing_stays, sockets
from tests.integration.test_transactional_writer import prepared, record, settings_for, writer_of
from tests.support.cancellation import Attempt
from tests.support.wanted_topics import wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from bridge.adapters.kafka.connection import KafkaConnection

    Cycle = Callable[[KafkaConnection], Coroutine[None, None, None]]


async def announcing(settings: KafkaConnection) -> None:
    producer = AnnouncementProducer(settings)
    announcement = Announcement(session_id="0000HERE00000001", host="chat-1", port=4800)
    try:
        await producer.announce([announcement] * 3)
        await producer.announce([announcement])
    finally:
        await producer.close()


async def managing_topics(settings: KafkaConnection) -> None:
    topics = TopicManager(settings.bootstrap_servers, {}, wanted(settings.topics, TopicShape(4, 1, 1_000_000, 60, 60)))
    await topics.plan()
    await topics.apply()
    await topics.lifetime(settings.topics.events)


async def reading(settings: KafkaConnection) -> None:
    async with reader({"bootstrap_servers": settings.bootstrap_servers}) as topics:
        async for _ in topics.whole(settings.topics.checkpoints, range(4)):
            pass


async def consuming(settings: KafkaConnection) -> None:
    assigned = asyncio.Event()

    async def note(_: frozenset[int]) -> None:
        assigned.set()

    consumer = AnnouncementConsumer(settings, worker_id="worker-1", session_timeout=6)
    try:
        await consumer.start(note)
        while not assigned.is_set():
            await consumer.fetch(frozenset())
        await consumer.fetch(frozenset({1}))
        await consumer.check_assignment(0)
        await consumer.reread(0)
    finally:
        await consumer.leave()


async def writing(settings: KafkaConnection) -> None:
    writer = writer_of(settings, 0)
    try:
        await writer.open()
        await writer.checkpoints()
        for number in (1, 2):
            await writer.commit(
                Batch(
                    [record(settings.topics.events, 0, number), record(settings.topics.checkpoints, 0, 3)],
                    announcement_offset=number,
                )
            )
        await writer.refresh_limits()
    finally:
        await writer.close()


_STRIDES: dict[object, int] = {consuming: 5}
"""To join and leave a group takes most of a second: its cycle is cancelled at every fifth suspension only."""


@pytest.mark.parametrize("cycle", [announcing, managing_topics, reading, consuming, writing])
def test_a_client_that_is_cancelled_at_any_step_leaves_nothing(broker: str, cycle: Cycle) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(ignore_unretrieved_batches)
        settings = await prepared(settings_for(broker))
        tasks, before = asyncio.all_tasks(), sockets()
        at, hit, cancelled = 1, True, 0
        while hit:
            attempt = Attempt(at, 0)
            attempt.watch(loop)
            await attempt.outcome(cycle(settings), seconds=8 if cycle is consuming else 2)
            at, hit, cancelled = at + _STRIDES.get(cycle, 1), attempt.hit, cancelled + attempt.hit
            await nothing_stays(tasks, before)
        assert cancelled > 10

    asyncio.run(scenario())
