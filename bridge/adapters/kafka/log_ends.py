"""Where partitions begin and end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiokafka.errors import LeaderNotAvailableError, NoError, for_code
from aiokafka.protocol.offset import OffsetRequest

from bridge.adapters.kafka.aiokafka_internals import consumer_client
from bridge.adapters.kafka.calls import call
from bridge.adapters.kafka.topic_ids import NO_LEADER

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from aiokafka import AIOKafkaConsumer, TopicPartition
    from aiokafka.client import AIOKafkaClient

    from bridge.adapters.kafka.calls import Translate

_NO_REPLICA: Final = -1
_UNCOMMITTED: Final = 0
_LATEST: Final = -1
_EARLIEST: Final = -2
_STABLE_SECONDS: Final = 0.05
_LEADER_SECONDS: Final = 1.0
"""For which a partition may have no leader: another replica is made its leader in less, if there is one."""
_AGAIN_SECONDS: Final = 0.1


async def without_leader(consumer: AIOKafkaConsumer, places: Collection[TopicPartition]) -> list[TopicPartition]:
    """Have a started consumer ask once who leads these partitions; return those that nobody has led for a second.

    It has no assignment, or one of the same topics. aiokafka finds leaders out by itself, but for one topic after the
    other, and waits 0.1 s for each. It asks about a partition without one for as long as it is waited for.
    """
    client, now = consumer_client(consumer), asyncio.get_running_loop().time
    await client.set_topics({at.topic for at in places})
    end = now() + _LEADER_SECONDS
    while found := [at for at in places if client.cluster.leader_for_partition(at) == NO_LEADER]:
        if now() >= end:
            break
        await asyncio.sleep(_AGAIN_SECONDS)
        await client.force_metadata_update()
    return found


async def know_leaders(consumer: AIOKafkaConsumer, places: Collection[TopicPartition]) -> None:
    """Do so before offsets are asked for. Raises LeaderNotAvailableError, with the partition, if one is without."""
    if found := await without_leader(consumer, places):
        raise LeaderNotAvailableError(found[0])


async def log_bounds(
    consumer: AIOKafkaConsumer, places: Collection[TopicPartition]
) -> tuple[Mapping[TopicPartition, int], Mapping[TopicPartition, int]]:
    """Return where partitions begin and end for a consumer as in `know_leaders`. Raises KafkaError."""
    await know_leaders(consumer, places)
    starts, ends = await asyncio.gather(consumer.beginning_offsets(places), consumer.end_offsets(places))
    return starts, ends


async def stable_end(consumer: AIOKafkaConsumer, at: TopicPartition, least: int, translate: Translate) -> int:
    """Wait until the last stable offset of a partition is at least this one, and return it.

    The consumer reads what is committed. Raises what `translate` raises.
    """
    while (end := (await call(consumer.end_offsets([at]), translate))[at]) < least:  # noqa: ASYNC110 - of Kafka
        await asyncio.sleep(_STABLE_SECONDS)
    return int(end)


async def high_watermark(client: AIOKafkaClient, at: TopicPartition) -> int:
    """Return the end of a partition, beyond transactions that are open. Raises the KafkaError of one request.

    aiokafka's consumers that read what is committed tell only the last stable offset.
    """
    return await _offset(client, at, _LATEST)


def leader_of(client: AIOKafkaClient, at: TopicPartition) -> int:
    """Return the broker that leads a partition, as far as is known. Raises LeaderNotAvailableError if none does."""
    leader: int | None = client.cluster.leader_for_partition(at)
    if leader is None or leader == NO_LEADER:
        raise LeaderNotAvailableError(at)
    return leader


async def log_start(client: AIOKafkaClient, at: TopicPartition) -> int:
    """Return where a partition begins. Raises the KafkaError of one request."""
    return await _offset(client, at, _EARLIEST)


async def _offset(client: AIOKafkaClient, at: TopicPartition, time: int) -> int:
    leader = leader_of(client, at)
    request = OffsetRequest(_NO_REPLICA, _UNCOMMITTED, [(at.topic, [(at.partition, time)])])
    response = await client.send(leader, request)
    [(_, [(_, code, _, offset)])] = response.topics
    if (error := for_code(code)) is not NoError:
        raise error(at)
    return int(offset)
