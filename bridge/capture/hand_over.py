"""What a worker that leaves its consumer group finds out about its partitions: whether others have them now."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from bridge.errors import EnvironmentFault, KafkaUnavailable, ShardFenced

if TYPE_CHECKING:
    from bridge.capture.consumer_ports import Announcements

_ASK_SECONDS: Final = 0.5
"""Time between two questions to the group: each of them takes a new connection."""


class HandOver:
    """The last answer of the group to `Announcements.taken_over`, for all shards of a worker.

    `alone` is done once the group has answered that it has no other members: nobody is going to take the shards over.
    """

    def __init__(self, announcements: Announcements) -> None:
        """Nothing is asked before `watch`."""
        self._announcements = announcements
        self._answer: bool | None = None
        self.alone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def watch(self) -> None:
        """Ask the group again and again until cancelled."""
        while True:
            try:
                self._answer = await self._announcements.taken_over()
            except EnvironmentFault:
                self._answer = None
            if self._answer is False and not self.alone.done():
                self.alone.set_result(None)
            await asyncio.sleep(_ASK_SECONDS)

    def check(self) -> None:
        """Return if this worker may open a shard again to commit what it holds: the group has no other members.

        Raises ShardFenced when other members have the partitions, KafkaUnavailable when that is not known.
        """
        if self._answer is None:
            raise KafkaUnavailable("this worker left the group; whether another one has the shard is not known")
        if self._answer:
            raise ShardFenced("this worker left the group, and another one has the shard")
