"""Clients of a Kafka with TLS: closing is bounded, and nothing that is opened waits for it."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka.admin import NewTopic

from bridge.adapters.event_loop import TLS_SHUTDOWN_SECONDS, EventLoop
from bridge.adapters.kafka import transactional_writer
from bridge.adapters.kafka.stopping import discard_consumer, stop_consumer
from bridge.config.security import client_arguments
from tests.integration.test_transactional_writer import prepared, settings_for, writer_of
from tests.support.kafka_tools import create, write

if TYPE_CHECKING:
    from collections.abc import Coroutine

    import pytest

    from bridge.adapters.kafka.connection import KafkaConnection
    from tests.support.secured_broker import SecuredBroker

STOPS = 24
AT_MOST = TLS_SHUTDOWN_SECONDS + 0.5


def run(scene: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=EventLoop) as runner:
        runner.run(scene)


async def secured_settings(broker: SecuredBroker) -> KafkaConnection:
    """Create topics and grant rights; return the settings of a user with a password over TLS."""
    opened = await prepared(settings_for(broker.bootstrap_servers))
    await asyncio.to_thread(broker.grant, opened.topics.prefix)
    await asyncio.to_thread(broker.grant, opened.group)
    return settings_for(
        broker.address("SECURED"), client=client_arguments(broker.scram), group=opened.group, topics=opened.topics
    )


def test_a_consumer_stops_within_a_second_whatever_it_is_fetching(secured_broker: SecuredBroker) -> None:
    topic = "closing.fetched"
    create(secured_broker.bootstrap_servers, NewTopic(topic, 1, 1))
    write(secured_broker.bootstrap_servers, topic, {str(n): random.randbytes(900_000) for n in range(40)})
    secured_broker.grant("closing.")

    async def seconds_to_stop(fetched: float) -> float:
        """Stop this long after the first records, which is in the middle of the next fetch."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=secured_broker.address("SECURED"),
            enable_auto_commit=False,
            max_partition_fetch_bytes=4 << 20,
            **client_arguments(secured_broker.scram),
        )
        await consumer.start()
        at = TopicPartition(topic, 0)
        consumer.assign([at])
        await consumer.seek_to_beginning(at)
        await consumer.getmany(at, timeout_ms=1000)
        await asyncio.sleep(fetched)
        began = time.monotonic()
        await consumer.stop()
        return time.monotonic() - began

    async def scene() -> None:
        taken = [await seconds_to_stop(0.002 * number) for number in range(STOPS)]
        assert max(taken) < AT_MOST, taken

    run(scene())


def test_a_consumer_stops_within_seconds_while_the_broker_stands_still(secured_broker: SecuredBroker) -> None:
    async def scene() -> None:
        settings = await secured_settings(secured_broker)
        consumer = AIOKafkaConsumer(bootstrap_servers=settings.bootstrap_servers, **settings.client)
        await consumer.start()
        at = TopicPartition(settings.topics.announcements, 0)
        consumer.assign([at])
        await consumer.getmany(at, timeout_ms=100)
        secured_broker.pause()
        try:
            began = time.monotonic()
            await stop_consumer(consumer)
            assert time.monotonic() - began < AT_MOST
        finally:
            secured_broker.resume()

    run(scene())


def test_a_shard_is_opened_and_read_back_before_anything_has_closed(
    secured_broker: SecuredBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        closing, ended = asyncio.Event(), []

        def late(name: str) -> None:
            stop = getattr(transactional_writer, name)

            async def stop_late(client: object) -> None:
                await closing.wait()
                await stop(client)
                ended.append(name)

            monkeypatch.setattr(transactional_writer, name, stop_late)

        late("stop_admin")
        late("stop_consumer")
        writer = writer_of(await secured_settings(secured_broker), 0)
        await writer.open()
        assert await writer.checkpoints() == []
        assert ended == []
        closing.set()
        await writer.close()
        assert sorted(ended) == ["stop_admin", "stop_consumer"]

    run(scene())


def test_who_has_read_what_there_is_does_not_wait_for_the_fetch_that_finds_nothing_more(
    secured_broker: SecuredBroker,
) -> None:
    topic = "closing.read"
    create(secured_broker.bootstrap_servers, NewTopic(topic, 1, 1))
    write(secured_broker.bootstrap_servers, topic, {"a": b"1"})
    secured_broker.grant("closing.")

    async def scene() -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=secured_broker.address("SECURED"),
            enable_auto_commit=False,
            fetch_max_wait_ms=30_000,
            **client_arguments(secured_broker.scram),
        )
        await consumer.start()
        at = TopicPartition(topic, 0)
        consumer.assign([at])
        await consumer.seek_to_beginning(at)
        assert await consumer.getmany(at, timeout_ms=10_000)
        await asyncio.sleep(0.2)  # the next fetch is sent, and is answered after half a minute
        began = time.monotonic()
        await discard_consumer(consumer)
        assert time.monotonic() - began < TLS_SHUTDOWN_SECONDS / 2
        assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    run(scene())
