"""A consumer that has been left passes no assignment on: a newer consumer's is in force."""

from __future__ import annotations

import asyncio

from aiokafka import TopicPartition

from bridge.adapters.kafka.announcement_consumer import AnnouncementConsumer
from tests.adapters.test_announcement_producer import SETTINGS


def test_a_rebalance_that_ends_after_the_group_was_left_assigns_nothing() -> None:
    assigned: list[frozenset[int]] = []

    async def note(partitions: frozenset[int]) -> None:
        assigned.append(partitions)

    async def scenario() -> None:
        consumer = AnnouncementConsumer(SETTINGS, worker_id="worker-1", session_timeout=6)
        consumer._on_assigned = note
        consumer._consumer = object()
        await consumer.on_partitions_assigned({TopicPartition("announcements", 1)})
        consumer._consumer = None  # what `leave` does first
        await consumer.on_partitions_assigned({TopicPartition("announcements", 2)})

    asyncio.run(scenario())
    assert assigned == [frozenset({1})]
