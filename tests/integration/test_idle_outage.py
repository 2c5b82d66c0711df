"""The metrics of a worker without chats, on a real broker: what they say when all is well, and when Kafka goes away."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from bridge.adapters.kafka.partitioner import partition_of
from tests.support.processes import Bridge, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.sandbox import LocalBroker

PREFIX = "idle."
TOPIC = f"{PREFIX}chat.capture.announcements.v1"
PARTITIONS = 2


async def written_in_a_transaction(servers: str, key: str, value: bytes) -> None:
    """Write an announcement, and thereby a marker after it, which takes an offset."""
    producer = AIOKafkaProducer(bootstrap_servers=servers, transactional_id=f"{PREFIX}announcer")
    await producer.start()
    try:
        async with producer.transaction():
            await producer.send_and_wait(
                TOPIC, value, key=key.encode(), partition=partition_of(key.encode(), PARTITIONS)
            )
    finally:
        await producer.stop()


async def committed_and_ends(servers: str) -> tuple[list[int | None], list[int]]:
    """Return, of each partition, the offset that the group has committed, and the end, as any tool sees them."""
    places = [TopicPartition(TOPIC, number) for number in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, group_id=f"{PREFIX}bridge", enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        return [await consumer.committed(at) for at in places], [ends[at] for at in places]
    finally:
        await consumer.stop()


def flags(bridge: Bridge) -> tuple[float, float, bool]:
    """Return ready, kafka_up, and whether there is a reason not to be ready."""
    found = bridge.metric("chatbridge_ready"), bridge.metric("chatbridge_kafka_up")
    return (*found, bridge.metric("chatbridge_not_ready") > 0)


def test_an_idle_outage_turns_the_metrics_and_the_committed_offsets_reach_the_end(
    plain_broker: LocalBroker, tmp_path: Path
) -> None:
    servers = plain_broker.bootstrap_servers
    settings = {"kafka__partitions": PARTITIONS, "kafka__session_timeout_seconds": 6}
    with Bridge(servers, tmp_path / "bridge.log", prefix=PREFIX, worker="one", **settings) as bridge:
        bridge.wait_ready()
        assert flags(bridge) == (1, 1, False)
        assert bridge.metric("chatbridge_partitions") == PARTITIONS
        assert bridge.metric("chatbridge_shards", state="open") == PARTITIONS
        assert bridge.metric("chatbridge_shard_open_seconds_count") == PARTITIONS
        key, value = "0000SIMA00000001", b'{"sessionId": "0000SIMA00000001", "host": "127.0.0.1", "port": 9}'
        asyncio.run(written_in_a_transaction(servers, key, value))
        wait_for(lambda: bridge.metric("chatbridge_announcements_total", result="taken") == 1, 30, "it is not taken")
        wait_for(lambda: bridge.metric("chatbridge_announcement_lag") == 0, 30, "the lag stays")
        committed, ends = asyncio.run(committed_and_ends(servers))
        assert max(ends) == 2  # the announcement, and the marker of its transaction
        assert [offset or 0 for offset in committed] == ends
        wait_for(lambda: bridge.metric("chatbridge_last_commit_timestamp_seconds") > 0, 30, "nothing is committed")
        before = bridge.metric("chatbridge_kafka_errors_total")
        plain_broker.kill()
        try:
            wait_for(lambda: flags(bridge) == (0, 0, True), 30, lambda: f"not noticed: {flags(bridge)}")
            wait_for(lambda: bridge.metric("chatbridge_kafka_errors_total") > before, 30, "no error is counted")
        finally:
            plain_broker.restart()
        wait_for(lambda: flags(bridge) == (1, 1, False), 90, lambda: f"not ready again: {flags(bridge)}")
        assert bridge.terminate() == 0
