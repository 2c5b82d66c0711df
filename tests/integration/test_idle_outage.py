"""The metrics of a worker without chats, on a real broker: what they say when all is well, and when Kafka goes away."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from bridge.adapters.kafka.connection_codes import KAFKA_REFUSES
from bridge.adapters.kafka.partitioner import partition_of
from bridge.errors import KafkaUnavailable
from tests.integration.capturing_bridge import SHORT_KAFKA_TIMEOUTS
from tests.integration.e2e_environment import E2EEnvironment, environment_on, reasons
from tests.support.processes import Bridge, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.secured_broker import SecuredBroker

PARTITIONS = 2


async def written_in_a_transaction(environment: E2EEnvironment, key: bytes, value: bytes) -> None:
    """Write an announcement, and thereby a marker after it, which takes an offset."""
    producer = AIOKafkaProducer(bootstrap_servers=environment.broker, transactional_id=f"{environment.prefix}announcer")
    await producer.start()
    try:
        async with producer.transaction():
            topic, partition = environment.topic("announcements"), partition_of(key, PARTITIONS)
            await producer.send_and_wait(topic, value, key=key, partition=partition)
    finally:
        await producer.stop()


async def committed_and_ends(environment: E2EEnvironment) -> tuple[list[int | None], list[int]]:
    """Return, of each partition, the offset that the group has committed, and the end, as any tool sees them."""
    places = [TopicPartition(environment.topic("announcements"), number) for number in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=environment.broker, group_id=f"{environment.prefix}bridge", enable_auto_commit=False
    )
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
    secured_broker: SecuredBroker, tmp_path: Path
) -> None:
    environment = environment_on(secured_broker, tmp_path, kafka__partitions=PARTITIONS, **SHORT_KAFKA_TIMEOUTS)
    with environment.bridge() as bridge:
        bridge.wait_ready()
        assert flags(bridge) == (1, 1, False)
        assert bridge.metric("chatbridge_partitions") == PARTITIONS
        assert bridge.metric("chatbridge_shards", state="open") == PARTITIONS
        assert bridge.metric("chatbridge_shard_open_seconds_count") == PARTITIONS
        before = bridge.metric("chatbridge_kafka_errors_total")
        secured_broker.kill()
        try:
            wait_for(lambda: reasons(bridge), 20, "still ready")
            # Who notices first is a shard, or the look at the topics, which finds out why.
            assert reasons(bridge)[0].partition(":")[0] in {KafkaUnavailable.code, KAFKA_REFUSES}
            assert bridge.get("/livez")[0] == 200
            wait_for(lambda: flags(bridge) == (0, 0, True), 30, lambda: f"not noticed: {flags(bridge)}")
            wait_for(lambda: bridge.metric("chatbridge_kafka_errors_total") > before, 30, "no error is counted")
        finally:
            secured_broker.restart()
        wait_for(lambda: flags(bridge) == (1, 1, False), 30, lambda: f"not ready again: {flags(bridge)}")
        key, value = b"0000SIMA00000001", b'{"sessionId": "0000SIMA00000001", "host": "127.0.0.1", "port": 9}'
        asyncio.run(written_in_a_transaction(environment, key, value))
        wait_for(lambda: bridge.metric("chatbridge_announcements_total", result="taken") == 1, 30, "it is not taken")
        wait_for(lambda: bridge.metric("chatbridge_announcement_lag") == 0, 30, "the lag stays")
        committed, ends = asyncio.run(committed_and_ends(environment))
        assert max(ends) == 2  # the announcement, and the marker of its transaction
        assert [offset or 0 for offset in committed] == ends
        wait_for(lambda: bridge.metric("chatbridge_last_commit_timestamp_seconds") > 0, 30, "nothing is committed")
        assert bridge.terminate() == 0
