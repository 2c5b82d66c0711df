"""Where logs begin and end, asked of brokers of which one refuses and the others are silent."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import NotLeaderForPartitionError, TopicAuthorizationFailedError

from bridge.adapters.kafka.calls import unavailable
from bridge.adapters.kafka.log_ends import log_bounds
from bridge.errors import AccessDenied
from tests.capture.virtual_servers import play

ONE, OTHER = TopicPartition("events", 1), TopicPartition("events", 2)
DENIED, MOVED = TopicAuthorizationFailedError.errno, NotLeaderForPartitionError.errno
EARLIEST = -2


class Brokers:
    """Two, each the leader of one partition. The first refuses with these codes in turn, the other never answers."""

    def __init__(self, *codes: int) -> None:
        self.cluster = SimpleNamespace(leader_for_partition=lambda at: at.partition, unauthorized_topics=set())
        self.waiting = 0
        self._codes = list(codes)
        self._topics = set[str]()

    def set_topics(self, topics: set[str]) -> None:
        self._topics = topics

    async def force_metadata_update(self) -> None:
        await asyncio.sleep(0.01)

    async def send(self, node: int, request: Any) -> Any:
        [(topic, [(partition, time)])] = request._topics
        if node == OTHER.partition or time != EARLIEST:
            self.waiting += 1
            try:
                await asyncio.Event().wait()
            finally:
                self.waiting -= 1
        await asyncio.sleep(0.01)
        return SimpleNamespace(topics=[(topic, [(partition, self._codes.pop(0), 0, 0)])])


def test_what_is_refused_leaves_no_question_behind() -> None:
    async def scene() -> None:
        brokers = Brokers(MOVED, DENIED)
        with pytest.raises(AccessDenied):
            await log_bounds(brokers, [ONE, OTHER], unavailable("cannot look"))
        assert (brokers.waiting, asyncio.all_tasks()) == (0, {asyncio.current_task()})

    play(scene())
