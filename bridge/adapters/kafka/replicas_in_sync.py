"""Which partitions refuse whatever is written, although they have a leader: too few of their replicas are in sync.

aiokafka sends what is refused so again and again, and tells nobody. Kafka also refuses the end of a transaction there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition

from bridge.adapters.kafka.any_broker import answer_of_any
from bridge.adapters.kafka.topic_ids import TopicIdsRequest
from bridge.adapters.kafka.topic_numbers import numbers_of_topics
from bridge.adapters.kafka.topic_plan import IN_SYNC

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from aiokafka.client import AIOKafkaClient

    from bridge.adapters.kafka.calls import Translate


async def replicas_behind(
    client: AIOKafkaClient, places: Collection[TopicPartition], failed: Translate
) -> dict[TopicPartition, tuple[int, int]]:
    """Return those of these partitions with replicas that are not in sync: how many are, and how many there are.

    `client` is started. Raises what `failed` raises, also for NotImplementedError: a broker before 2.8 does not know
    the request.
    """
    names = sorted({at.topic for at in places})
    found = _replicas(await answer_of_any(client, TopicIdsRequest(names), failed))
    return {at: found[at] for at in places if at in found and found[at][0] < found[at][1]}


async def too_few_in_sync(
    client: AIOKafkaClient, behind: Mapping[TopicPartition, tuple[int, int]], failed: Translate
) -> dict[TopicPartition, str]:
    """Return those of the partitions that `replicas_behind` found, each with a sentence. Raises what `failed` raises.

    Of a topic the settings of which Kafka does not tell this client, one replica counts as enough.
    """
    if not behind:
        return {}
    needed = await numbers_of_topics(client, sorted({at.topic for at in behind}), IN_SYNC, failed)
    few: dict[TopicPartition, str] = {}
    for at, (in_sync, replicas) in behind.items():
        least = min(needed.get(at.topic, 1), replicas)  # as Kafka does it
        if in_sync < least:
            few[at] = f"partition {at.partition} of {at.topic} has {in_sync} replicas in sync, {least} are needed"
    return few


def _replicas(response: Any) -> dict[TopicPartition, tuple[int, int]]:
    """Return of each partition in an answer how many of its replicas are in sync, and how many there are."""
    return {
        TopicPartition(name, partition): (len(in_sync), len(replicas))
        for _, name, _, _, partitions, *_ in response.topics
        for _, partition, _, _, replicas, in_sync, *_ in partitions
    }
