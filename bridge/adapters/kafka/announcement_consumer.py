"""Reads the announcements topic as a static member of the consumer group."""

from __future__ import annotations

import contextlib
import math
import time
from typing import TYPE_CHECKING, Final, NoReturn

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalGenerationError, IllegalStateError, UnknownMemberIdError

from bridge.adapters.kafka.aiokafka_internals import (
    ask_before_joining,
    consumer_client,
    coordinator_known,
    forget_static_membership,
    join_again,
    joining_again,
    last_answer,
    member_id,
    metadata_task_ended,
    notice_untold_offsets,
    pause_between_updates,
    read_positions,
    unauthorized_topics,
)
from bridge.adapters.kafka.broker_silence import SILENCE_SECONDS, BrokerSilence
from bridge.adapters.kafka.calls import call, kafka_errors, time_limit, unavailable
from bridge.adapters.kafka.group_question import leave_group
from bridge.adapters.kafka.member_place import PlaceTakenError, SuccessorWatch
from bridge.adapters.kafka.rights import Right, denied, principal_of
from bridge.adapters.kafka.stopping import abandon_consumer, end_consumer, stop_consumer
from bridge.adapters.kafka.temporary_admin import temporary_admin
from bridge.errors import KafkaUnavailable, PlaceTaken, Problem, ShardFenced, TopicMissing
from bridge.kafka_clients import AIOKafkaConsumer

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Sequence

    from aiokafka.structs import ConsumerRecord

    from bridge.adapters.kafka.connection import KafkaConnection

_FETCH_MS: Final = 1000
_GROWTH_MS: Final = 10_000
"""How often a topic that grows is looked at."""
_ANSWER_SECONDS: Final = 10.0
"""Time limit of one request to the group coordinator."""
_COORDINATOR_SECONDS: Final = 5.0
"""Time that the group coordinator may be unknown before `problem` reports it."""
_STABLE: Final = "Stable"
_REBALANCING: Final = "the consumer group is rebalancing"
_read_failed: Final = unavailable("cannot read announcements")


class AnnouncementConsumer(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """One member of the consumer group, with static membership."""

    def __init__(
        self, settings: KafkaConnection, *, worker_id: str, session_timeout: float, grows: bool = False
    ) -> None:
        """`session_timeout` in seconds: without a heartbeat for longer, the partitions move to other members.

        `grows`: the topic may be given more partitions, which are to be assigned soon and not after minutes.
        """
        self._settings = settings
        self._worker_id = worker_id
        self._session_timeout = session_timeout
        self._grows = grows
        self._joined_again_at = -math.inf
        self._consumer: AIOKafkaConsumer | None = None
        self._on_assigned: Callable[[frozenset[int]], Awaitable[None]] | None = None
        self._assigned: frozenset[int] | None = None
        self._member_id = ""
        self._defect: Exception | None = None
        self._coordinator_lost_at: float | None = None
        self._silence = BrokerSilence()

    async def start(self, assigned: Callable[[frozenset[int]], Awaitable[None]]) -> None:
        """Join the group; `assigned` is called after each rebalance, including the first. Raises KafkaUnavailable."""
        self._on_assigned = assigned
        settings = self._settings
        consumer = self._consumer = AIOKafkaConsumer(
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
                "partition_assignment_strategy": (settings.place.assignor,),
                **({"metadata_max_age_ms": _GROWTH_MS} if self._grows else {}),
            }
        )
        pause_between_updates(consumer)
        settings.open_clients.add(consumer_client(consumer))
        try:
            await call(consumer.start(), unavailable("cannot connect to Kafka"))
        finally:
            if self._consumer is not consumer:  # `leave` was called meanwhile: what was started since stays otherwise
                await end_consumer(consumer)
        self._started()
        notice_untold_offsets(consumer)
        place, group = settings.place, settings.group
        ask_before_joining(consumer, lambda: place.may_join(consumer, group, self._worker_id), place.joined)
        consumer.subscribe([settings.topics.announcements], listener=self)

    async def fetch(self, full: frozenset[int]) -> Sequence[ConsumerRecord]:
        """Wait for records, at most a second; partitions in `full` are not read. Raises KafkaUnavailable.

        A defect in the `assigned` callback is raised here, too: aiokafka itself only logs what its listener raises.
        Without a topic there are no partitions to assign: that is raised here and not told to the callback. aiokafka
        would notice a new topic after minutes; a new consumer does at once.
        """
        if self._defect is not None:
            raise self._defect
        consumer, failed = self._started(), _fetch_failed
        with kafka_errors(failed):
            assignment = consumer.assignment()
        paused = {each for each in assignment if each.partition in full}
        with kafka_errors(failed):
            consumer.pause(*paused)
        with kafka_errors(failed):
            resumed = consumer.paused() - paused
        with kafka_errors(failed):
            consumer.resume(*resumed)
        fetched = await call(consumer.getmany(timeout_ms=_FETCH_MS), failed)
        if self._grows:
            self._notice_partitions(consumer)
        if metadata_task_ended(consumer):
            raise KafkaUnavailable("the Kafka client's metadata task has ended")
        # During an outage getmany returns nothing and raises nothing; only the coordinator becomes unknown.
        known = coordinator_known(consumer)
        self._coordinator_lost_at = None if known else self._coordinator_lost_at or time.monotonic()
        self._silence.note(last_answer(consumer_client(consumer)), time.monotonic())
        if self._silent:
            raise KafkaUnavailable(
                f"Kafka does not answer: nothing for {self._silence.seconds:.0f} s; asking the bootstrap servers again"
            )
        return [record for records in fetched.values() for record in records]

    def _notice_partitions(self, consumer: AIOKafkaConsumer) -> None:
        """Join again when the topic has more partitions than were assigned; the leader may not have heard of them."""
        place, now = self._settings.place, time.monotonic()
        there = len(consumer.partitions_for_topic(self._settings.topics.announcements) or ())
        due = now - self._joined_again_at > _GROWTH_MS / 1000
        if 0 < place.covered < there and due and not joining_again(consumer):  # else `covered` is about to change
            self._joined_again_at, place.known = now, there
            join_again(consumer)

    def positions(self) -> list[tuple[int, int, int]]:
        """Return partition, next offset to be read, and end of what is committed, as the last answer told."""
        return [] if self._consumer is None else read_positions(self._consumer)

    @property
    def answered(self) -> bool:
        """Whether a broker has answered this consumer, and `problem` knows of no silence since."""
        return self._consumer is not None and bool(last_answer(consumer_client(self._consumer))) and not self.problem

    @property
    def _silent(self) -> bool:
        return self._silence.seconds > max(
            SILENCE_SECONDS, self._session_timeout
        )  # three heartbeats, even of an idle member

    async def reread(self, partition: int) -> None:
        """Seek to the committed offset of a partition, or to its beginning. Raises KafkaUnavailable."""
        consumer, failed = self._started(), unavailable("cannot read announcements again")
        at = TopicPartition(self._settings.topics.announcements, partition)
        async with self._answer_limit():
            offset = await call(consumer.committed(at), failed) or 0
        with kafka_errors(failed):  # the partition may have been revoked meanwhile
            consumer.seek(at, offset)

    def _started(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise KafkaUnavailable("the consumer is not started")
        return self._consumer

    @property
    def problem(self) -> Problem | None:
        """Why announcements cannot be read now: for some time no broker has answered, or no coordinator is known."""
        lost_at = self._coordinator_lost_at
        if lost_at is not None and time.monotonic() - lost_at >= _COORDINATOR_SECONDS:
            return _no_answer(f"no group coordinator for {time.monotonic() - lost_at:.0f} s")
        if self._silence.seconds > max(_COORDINATOR_SECONDS, self._session_timeout * 2 / 3):  # two heartbeats
            return _no_answer(f"nothing for {self._silence.seconds:.0f} s")
        return None

    async def check_assignment(self, partition: int) -> None:
        """Ask the group's coordinator whether `partition` is assigned to this worker.

        Raises ShardFenced when it is not. Raises KafkaUnavailable when the coordinator does not answer or does not
        know this member: the assignment is unknown then, because the group rebalances and `assigned` is
        called. (P4: after an outage longer than the session time-out the coordinator has removed all members.)

        An offset commit is the one request in which the coordinator checks the member's generation; committing the
        committed offset again changes nothing. (A pending transactional commit may make it an older offset: the
        announcements after it are then read twice, which has no effect.)
        """
        consumer, at = self._started(), TopicPartition(self._settings.topics.announcements, partition)
        if self._assigned is not None and partition not in self._assigned:
            raise ShardFenced("the partition is not assigned to this worker")
        if (problem := self.problem) is not None:  # do not wait for an answer that this consumer may never get
            raise KafkaUnavailable(problem.detail)
        _check_joined(consumer)
        async with self._answer_limit():
            offset = await call(consumer.committed(at), _not_confirmed) or 0
            _check_joined(consumer)
            await call(consumer.commit({at: offset}), _not_confirmed)

    def _answer_limit(self) -> contextlib.AbstractAsyncContextManager[asyncio.Timeout]:
        return time_limit(_ANSWER_SECONDS, f"the group's coordinator did not answer within {_ANSWER_SECONDS:g} s")

    async def leave(self) -> None:
        """Leave the group and stop, within seconds. Errors of aiokafka are suppressed.

        A consumer that does not stop in time, or whose `leave` is cancelled, is ended by force.

        aiokafka stops a static member without leaving the group: the partitions would have no owner until the session
        time-out. If consumers before this one were abandoned, and none has joined since, their member leaves.
        """
        consumer, self._consumer = self._consumer, None
        member, self._settings.place.left_behind = self._settings.place.left_behind, ""
        if consumer is not None:
            self._member_id = member_id(consumer)
            if self._silent:  # nobody would hear that it leaves
                await abandon_consumer(consumer)
                return
            forget_static_membership(consumer)
            await stop_consumer(consumer)
        if member and not self._silent:
            self._member_id = member
            with contextlib.suppress(KafkaUnavailable):
                await leave_group(self._settings, member)

    async def abandon(self) -> None:
        """Stop without leaving the group, within a fraction of a second. Errors of aiokafka are suppressed.

        The next consumer with this worker's id takes the member's place in the group, with its partitions. All tasks of
        this one end before: aiokafka may be joining again just now, and with the same instance id that would fence the
        next one. It does not leave either: without an answer that takes seconds, and other members would get the
        partitions of shards that go on.
        """
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            self._member_id = member_id(consumer)
            self._settings.place.left_behind = self._member_id or self._settings.place.left_behind
            await abandon_consumer(consumer)

    async def taken_over(self) -> bool:
        """Ask the group's coordinator whether other members have the partitions, after `leave` was called.

        Raises KafkaUnavailable when that is unknown. This member counts as long as the coordinator has not heard that
        it leaves: beside others it still has its partitions; alone, it has nobody to give them to.
        """
        failed = unavailable("cannot describe the group")
        async with (
            temporary_admin(self._settings.bootstrap_servers, self._settings.client) as admin,
            self._answer_limit(),
        ):
            await call(admin.start(), failed)
            responses = await call(admin.describe_consumer_groups([self._settings.group]), failed)
        return taken_over_by_others(
            [
                (error, state, [member for member, *_ in members])
                for one in responses
                for error, _, state, _, _, members, *_ in one.groups
            ],
            self._member_id,
        )

    async def outlast_successor(self) -> None:
        """Wait until no other process is in this one's place any more. Raises WorkerIdInUse when one lives there."""
        await SuccessorWatch(self._settings, self._worker_id, self._session_timeout, time.monotonic).run()

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Do nothing: a shard keeps running until the new assignment is known (P4)."""

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Pass the new assignment to the callback; store an exception of it, for `fetch` to raise.

        A rebalance may end while the group is left: that assignment is no longer this member's, and a newer consumer's
        may be in force.
        """
        if self._consumer is None:
            return
        if not assigned and not self._consumer.partitions_for_topic(self._settings.topics.announcements):
            # Nobody else has them: what runs goes on until there is a topic again.
            topic = self._settings.topics.announcements
            if topic in unauthorized_topics(consumer_client(self._consumer)):  # it may be there
                self._defect = denied([Right("topic", topic, "Read")], principal_of(self._settings.client))
            else:
                self._defect = TopicMissing(topic)
            return
        self._assigned = frozenset(partition.partition for partition in assigned)
        if self._on_assigned is None:
            return
        try:
            await self._on_assigned(self._assigned)
        except Exception as error:
            self._defect = error
            raise


def taken_over_by_others(groups: Sequence[tuple[int, str, Sequence[str]]], own_id: str) -> bool:
    """Tell from (error code, state, member ids) of the group whether members other than `own_id` have its partitions.

    Raises KafkaUnavailable when that cannot be told.
    """
    if not groups or any(error for error, _, _ in groups):
        raise KafkaUnavailable("the group's coordinator does not know the group now")
    members = {member for _, _, members in groups for member in members}
    if not members - {own_id}:
        return False
    if own_id in members or any(state != _STABLE for _, state, _ in groups):
        raise KafkaUnavailable(_REBALANCING)
    return True


def _check_joined(consumer: AIOKafkaConsumer) -> None:
    """Raise KafkaUnavailable when a request in the name of this member would wait behind its join, and be refused."""
    if joining_again(consumer):
        raise KafkaUnavailable(_REBALANCING)


def _fetch_failed(error: Exception) -> NoReturn:
    if isinstance(error, PlaceTakenError):
        raise PlaceTaken(f"another process, on {error.args[0]}, has joined the group with this worker_id") from error
    _read_failed(error)


def _no_answer(since: str) -> Problem:
    return Problem(KafkaUnavailable.code, f"Kafka does not answer: {since}")


def _not_confirmed(error: Exception) -> NoReturn:
    if isinstance(error, CommitFailedError | IllegalGenerationError | IllegalStateError | UnknownMemberIdError):
        raise KafkaUnavailable(_REBALANCING) from error
    raise KafkaUnavailable(f"cannot check the partition's assignment: {type(error).__name__}") from error
