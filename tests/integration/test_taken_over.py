"""Who has the partitions of a worker that left its group: asked of a real coordinator."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bridge.adapters.kafka.announcement_consumer import AnnouncementConsumer
from bridge.errors import KafkaUnavailable
from tests.integration.test_transactional_writer import play

if TYPE_CHECKING:
    from bridge.adapters.kafka.connection import KafkaConnection


class Member:
    """A consumer that fetches in a task of its own."""

    def __init__(self, settings: KafkaConnection, worker: str) -> None:
        self.consumer = AnnouncementConsumer(settings, worker_id=worker, session_timeout=6)
        self.has_partitions = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        async def assigned(partitions: frozenset[int]) -> None:
            if partitions:
                self.has_partitions.set()

        async def fetch() -> None:
            while True:
                await self.consumer.fetch(frozenset())

        await self.consumer.start(assigned)
        self._task = asyncio.get_running_loop().create_task(fetch())

    async def leave(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self.consumer.leave()

    async def answer(self) -> bool:
        """The first answer that is known."""
        while True:
            try:
                return await self.consumer.taken_over()
            except KafkaUnavailable:
                await asyncio.sleep(0.05)


def test_the_group_says_whether_others_have_the_partitions_of_a_worker_that_left(broker: str) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        first, second = Member(settings, "worker-1"), Member(settings, "worker-2")
        await first.start()
        await first.has_partitions.wait()
        await second.start()
        await second.has_partitions.wait()
        await first.leave()
        assert await first.answer() is True
        await second.leave()
        assert await second.answer() is False
        assert await first.answer() is False

    play(scenario, broker)
