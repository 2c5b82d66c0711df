"""Reads the announcements topic: the consumer group member, with static membership."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    IllegalStateError,
    UnknownMemberIdError,
)

from bridge.errors import KafkaUnavailable, ShardFenced

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aiokafka.structs import ConsumerRecord

    from bridge.adapters.kafka.transactional_writer import KafkaConnection

_STOP_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.2
_CONFIRM_SECONDS: Final = 10.0
_ANNOUNCE_SECONDS: Final = 10.0
_SILENT_SECONDS: Final = 5.0
"""How long the group's coordinator may be looked for before that is a problem."""
_STABLE: Final = "Stable"
_CLIENT_ERRORS: Final = (RuntimeError, OSError, AssertionError)
"""What aiokafka raises: KafkaError, which is a RuntimeError, and what its background tasks died of."""


class AnnouncementConsumer(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """One member of the consumer group, with static membership."""

    def __init__(self, settings: KafkaConnection, *, worker_id: str, session_timeout: float) -> None:
        """`session_timeout` in seconds: after so long without a heartbeat the partitions go to others."""
        self._settings = settings
        self._worker_id = worker_id
        self._session_timeout = session_timeout
        self._consumer: AIOKafkaConsumer | None = None
        self._assigned: Callable[[frozenset[int]], Awaitable[None]] | None = None
        self._ours: frozenset[int] | None = None
        self._lost_at: float | None = None

    async def start(self, assigned: Callable[[frozenset[int]], Awaitable[None]]) -> None:
        """Join the group; `assigned` is called after each rebalance, this first one included."""
        self._assigned = assigned
        settings = self._settings
        self._consumer = AIOKafkaConsumer(
            **{
                "bootstrap_servers": settings.bootstrap_servers,
                "client_id": f"chatbridge-{self._worker_id}",
                **settings.client,
                "group_id": settings.group,
                "group_instance_id": self._worker_id,
                "enable_auto_commit": False,
                "auto_offset_reset": "earliest",
                "isolation_level": "read_committed",
                "session_timeout_ms": int(self._session_timeout * 1000),
                "heartbeat_interval_ms": int(self._session_timeout * 1000 / 3),
                "partition_assignment_strategy": (StickyPartitionAssignor,),
            }
        )
        try:
            await self._consumer.start()
        except _CLIENT_ERRORS as error:
            raise KafkaUnavailable(f"cannot reach Kafka: {type(error).__name__}") from error
        self._consumer.subscribe([settings.topics.announcements], listener=self)

    async def fetch(self, full: frozenset[int]) -> Sequence[ConsumerRecord]:
        """Wait for records, at most a second; partitions in `full` are not read."""
        consumer = self._started()
        try:
            held = {one for one in consumer.assignment() if one.partition in full}
            consumer.pause(*held)
            consumer.resume(*(consumer.paused() - held))
            found = await consumer.getmany(timeout_ms=1000)
        except _CLIENT_ERRORS as error:
            raise KafkaUnavailable(f"cannot read announcements: {type(error).__name__}") from error
        if consumer._client._sync_task.done():  # noqa: SLF001
            # A client whose metadata task has died waits for ever, without a word.
            raise KafkaUnavailable("the consumer's client has stopped looking for brokers")
        # What is away is only said to the coordinator's own tasks: a fetch just comes back with nothing.
        known = consumer._coordinator.coordinator_id is not None  # noqa: SLF001
        self._lost_at = None if known else self._lost_at or time.monotonic()
        return [record for records in found.values() for record in records]

    async def reread(self, partition: int) -> None:
        """Go back to what is committed of a partition, or to its beginning."""
        consumer, at = self._started(), TopicPartition(self._settings.topics.announcements, partition)
        try:
            async with asyncio.timeout(_CONFIRM_SECONDS):
                consumer.seek(at, await consumer.committed(at) or 0)
        except _CLIENT_ERRORS as error:
            raise KafkaUnavailable(f"cannot read announcements again: {type(error).__name__}") from error

    def _started(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise KafkaUnavailable("the consumer is not started")
        return self._consumer

    @property
    def problem(self) -> str | None:
        """Say that the group's coordinator has not answered for some time."""
        if self._lost_at is None or time.monotonic() - self._lost_at < _SILENT_SECONDS:
            return None
        return f"Kafka does not answer: no group coordinator for {time.monotonic() - self._lost_at:.0f} s"

    async def check_assignment(self, partition: int) -> None:
        """Ask the group's coordinator whether `partition` is ours.

        A coordinator that does not know our membership (any more) says nothing about the partition: the group is then
        shared out anew, and `assigned` tells. (P4: a Kafka that was away for longer than the session time-out has
        forgotten all its members.)

        An offset commit is the one request that the coordinator checks against the member's generation; committing
        again what is committed changes nothing. (A pending transactional commit may make it an older offset: the
        announcements since then are then read twice, and folded to nothing.)
        """
        consumer, at = self._started(), TopicPartition(self._settings.topics.announcements, partition)
        if self._ours is not None and partition not in self._ours:
            raise ShardFenced("the partition is not assigned to this replica")
        try:
            async with asyncio.timeout(_CONFIRM_SECONDS):
                await consumer.commit({at: await consumer.committed(at) or 0})
        except (CommitFailedError, IllegalGenerationError, IllegalStateError, UnknownMemberIdError) as error:
            raise KafkaUnavailable("the group is sharing its partitions out") from error
        except TimeoutError as error:
            raise KafkaUnavailable(f"the group's coordinator gave no answer in {_CONFIRM_SECONDS:g} s") from error
        except _CLIENT_ERRORS as error:
            raise KafkaUnavailable(f"cannot ask for the partition: {type(error).__name__}") from error

    async def leave(self) -> None:
        """Leave the group and stop.

        aiokafka never lets a static member leave: a planned stop would keep its partitions unserved for the whole
        session time-out. So the instance id, which is what it looks at, is taken away before it stops.
        """
        consumer, self._consumer = self._consumer, None
        if consumer is None:
            return
        coordinator = getattr(consumer, "_coordinator", None)
        if coordinator is not None:
            coordinator._group_instance_id = None  # noqa: SLF001
        with contextlib.suppress(*_CLIENT_ERRORS):
            await asyncio.wait_for(consumer.stop(), _STOP_SECONDS)

    async def handed_over(self) -> bool:
        """Wait until the group has shared its partitions out without us; False when nobody is left in it."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self._settings.bootstrap_servers, **self._settings.client)
        try:
            await admin.start()
            while True:
                answers = await admin.describe_consumer_groups([self._settings.group])
                states = [(state, bool(members)) for one in answers for _, _, state, _, _, members, *_ in one.groups]
                if not any(members for _, members in states):
                    return False
                if all(state == _STABLE for state, _ in states):
                    return True
                await asyncio.sleep(_POLL_SECONDS)
        except _CLIENT_ERRORS:
            return False
        finally:
            await admin.close()

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Do nothing: a revoked shard is kept until the new assignment is known (P4)."""

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Tell the replica what is ours now."""
        self._ours = frozenset(partition.partition for partition in assigned)
        if self._assigned is not None:
            await self._assigned(self._ours)
