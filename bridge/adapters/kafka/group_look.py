"""Asks who has which shard of the consumer group: for people who look at the status page, and only while they do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import GroupAuthorizationFailedError, for_code

from bridge.adapters.kafka.calls import kafka_errors, unavailable
from bridge.adapters.kafka.group_question import ask_coordinator
from bridge.adapters.kafka.member_place import host_of
from bridge.errors import KafkaUnavailable
from bridge.overview.shard_owners import GroupView, ShardOwner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bridge.adapters.kafka.connection import KafkaConnection
    from bridge.adapters.kafka.group_requests import GroupDescription, GroupMember

INTERVAL_SECONDS: Final = 15.0
_ANSWER_SECONDS: Final = 3.0
_failed: Final = unavailable("the group cannot be described")
_unreadable: Final = unavailable("an assignment cannot be read")


class GroupLook:
    """What the group told last. `look` asks again if that is 15 seconds old; nobody else asks."""

    def __init__(self, settings: KafkaConnection, monotonic: Callable[[], float]) -> None:
        """`monotonic` returns seconds."""
        self._settings = settings
        self._monotonic = monotonic
        self._due: float | None = None
        self._last = GroupView(unknown_because="the group has not been asked yet")

    async def look(self) -> GroupView:
        """Return who has what, within about three seconds. While another caller asks, what was known before."""
        now = self._monotonic()
        if self._due is None or now >= self._due:
            self._due = now + INTERVAL_SECONDS
            try:
                self._last = view_of(await self._describe(), self._settings.topics.announcements, self._monotonic())
            except KafkaUnavailable as error:
                self._last = GroupView(unknown_because=str(error), at=self._last.at)
        return self._last

    async def _describe(self) -> GroupDescription:
        silent = f"the group's coordinator did not answer within {_ANSWER_SECONDS:g} s"
        return await ask_coordinator(self._settings, _ANSWER_SECONDS, silent=silent, failed=_failed)


def view_of(group: GroupDescription, topic: str, now: float) -> GroupView:
    """Return who has which partition of `topic`. Raises KafkaUnavailable when the coordinator did not tell."""
    if group.code == GroupAuthorizationFailedError.errno:
        raise KafkaUnavailable("the right Describe on the group is missing", next_step="`chatbridge acls` prints it")
    if group.code:
        raise KafkaUnavailable(f"the group cannot be described: {for_code(group.code).__name__}")
    owners = {
        partition: ShardOwner(member.instance_id or member.member_id, host_of(member))
        for member in group.members
        for partition in _partitions(member, topic)
    }
    return GroupView(state=group.state, owners=owners, at=now)


def _partitions(member: GroupMember, topic: str) -> Iterator[int]:
    if not member.assignment:
        return
    with kafka_errors(_unreadable):
        assigned = ConsumerProtocolMemberAssignment.decode(member.assignment)
    for name, partitions in assigned.assignment:
        if name == topic:
            yield from partitions
