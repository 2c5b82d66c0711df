"""Clients of a Kafka with TLS: closing is bounded, and nothing that is opened waits for it."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka.admin import NewTopic

from bridge.adapters.event_loop import TLS_SHUTDOWN_SECONDS, EventLoop
from bridge.adapters.kafka.stopping import stop_consumer
from bridge.config.security import client_arguments
from tests.integration.test_transactional_writer import prepared, settings_for
from tests.support.kafka_tools import create, write

if TYPE_CHECKING:
    from collections.abc import Coroutine

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
