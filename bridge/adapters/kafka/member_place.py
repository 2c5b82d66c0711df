"""The place of a worker in its consumer group, and who else has taken it: two processes must not share a `worker_id`.

A static member is known by its instance id. Whoever joins with the same one replaces it, and it hears only that the
group does not know it any more. Joining again would replace the other one in turn, for ever. So a process that has been
a member asks first who is there. What each sends when it joins tells processes apart, also of one host, and names the
host. A member of another process that is still there after a session time-out has sent heartbeats: it lives. What a
dead one sent last may arrive late; that member goes away by itself.

Partitions that a topic has got since they were assigned are noticed by the leader of the group, as it was told that it
leads. A process that comes back in the leader's place is not told so (KIP-814): then nobody would notice, until
somebody joins or leaves. So each assignment says how many partitions it was made of, and a member that knows more says
so when it joins again: Kafka has them assigned again when what a member sends has changed.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import socket
from collections import deque
from typing import TYPE_CHECKING, Final

from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyAssignorUserDataV1, StickyPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata
from aiokafka.errors import KafkaError, for_code

from bridge.adapters.kafka.aiokafka_internals import consumer_client, coordinator_node
from bridge.adapters.kafka.calls import unavailable
from bridge.adapters.kafka.group_question import ask_coordinator
from bridge.adapters.kafka.group_requests import DescribeGroupRequest, described_group
from bridge.errors import KafkaUnavailable, WorkerIdInUse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from aiokafka import AIOKafkaConsumer
    from aiokafka.cluster import ClusterMetadata

    from bridge.adapters.kafka.connection import KafkaConnection
    from bridge.adapters.kafka.group_requests import GroupDescription, GroupMember

_ANSWER_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 1.0
_GRACE_SECONDS: Final = 5.0
_STABLE: Final = "Stable"
_IDS: Final = 8
_NONCE_BYTES: Final = 8
_IDENTITY: Final = re.compile(rb"@([^@#]*)#[0-9a-f]{16}$")
_failed: Final = unavailable("cannot describe the group")


class PlaceTakenError(KafkaError):  # type: ignore[misc]  # aiokafka ships no types
    """Raised inside aiokafka, and by it again: another process is in the group under this one's instance id.

    Its argument says where that process runs.
    """


class MemberPlace:
    """The place of this process, for all its consumers. Until one has `joined`, who is there is a predecessor."""

    def __init__(self, host: str | None = None) -> None:
        """`host` is the name of this one by default."""
        self._own_ids: deque[str] = deque(maxlen=_IDS)
        self._identity = f"@{host or socket.gethostname()}#{secrets.token_hex(_NONCE_BYTES)}".encode()
        self.covered = 0  #: how many partitions the last assignment was made of; 0: a former version has made it
        self.known = 0  #: how many there are, once this member has noticed that there are more
        self.left_behind = ""  #: the member of a consumer that was abandoned, while no other one has joined
        self.assignor = _assignor_of(self)

    @property
    def said(self) -> bytes:
        """What this member adds to what the assignor sends when it joins."""
        return (b"+%d" % self.known if self.known else b"") + self._identity

    def joined(self, member_id: str) -> None:
        """Note under which id a consumer of this process has joined."""
        self._own_ids.append(member_id)
        self.left_behind = ""

    def occupant(self, worker_id: str, group: GroupDescription) -> GroupMember | None:
        """Return who is in the place, if it is not a consumer of this process."""
        for member in group.members:
            own = member.member_id in self._own_ids or member.metadata.endswith(self._identity)
            if member.instance_id == worker_id and not own:
                return member
        return None

    async def may_join(self, consumer: AIOKafkaConsumer, group: str, worker_id: str) -> bool:
        """Return whether a consumer that is not in the group may join it; False when that is not known yet.

        Raises PlaceTakenError when another process is in its place.
        """
        if not self._own_ids:
            return True
        client = consumer_client(consumer)
        try:
            response = await client.send(coordinator_node(consumer), DescribeGroupRequest(group))
        except NotImplementedError:  # before Kafka 2.4, where it is not known
            return True
        except KafkaError:
            return False
        found = described_group(response)
        if found.code:
            return False
        member = self.occupant(worker_id, found)
        if member is not None and found.state != _STABLE:
            return False  # it may be a consumer of this process whose answer was lost
        if member is not None:
            raise PlaceTakenError(host_of(member))
        return True


def host_of(member: GroupMember) -> str:
    """Return the host that a member says it runs on, as a sentence names it."""
    return identified_host(member) or "a host that it does not name"


def identified_host(member: GroupMember) -> str:
    """Return the host that a member says it runs on; empty when it does not."""
    found = _IDENTITY.search(member.metadata)
    return "" if found is None else found[1].decode("utf-8", "replace")


def _assignor_of(place: MemberPlace) -> type[StickyPartitionAssignor]:
    """Return an assignor that adds to what is sent; others, and earlier versions, do not read so far.

    The group keeps the client id and the address of the first process that joined under an instance id, but the
    metadata of the last one.
    """

    class PlaceAssignor(StickyPartitionAssignor):  # type: ignore[misc]
        @classmethod
        def metadata(cls, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
            found = super().metadata(topics)
            user_data = found.user_data or StickyAssignorUserDataV1([], cls.DEFAULT_GENERATION_ID).encode()
            return ConsumerProtocolMemberMetadata(found.version, list(found.subscription), user_data + place.said)

        @classmethod
        def assign(
            cls, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
        ) -> dict[str, ConsumerProtocolMemberAssignment]:
            found: dict[str, ConsumerProtocolMemberAssignment] = super().assign(cluster, members)
            covered = b"%d" % sum(len(one.partitions()) for one in found.values())
            return {
                member: ConsumerProtocolMemberAssignment(one.version, list(one.assignment), covered)
                for member, one in found.items()
            }

        @classmethod
        def on_assignment(cls, assignment: ConsumerProtocolMemberAssignment) -> None:
            super().on_assignment(assignment)
            covered = assignment.user_data or b""
            place.covered = int(covered) if covered.isdigit() else 0

    return PlaceAssignor


class SuccessorWatch:
    """Finds out whether the process that has taken a place is alive."""

    def __init__(
        self, settings: KafkaConnection, worker_id: str, session_timeout: float, monotonic: Callable[[], float]
    ) -> None:
        """`session_timeout` in seconds; `monotonic` returns seconds."""
        self._settings = settings
        self._worker_id = worker_id
        self._limit = session_timeout + _GRACE_SECONDS
        self._monotonic = monotonic
        self._seen: tuple[str, float] | None = None

    async def run(self) -> None:
        """Return when the place is free again. Raises WorkerIdInUse when another living process has it."""
        while True:
            try:
                if self.decided(await self._describe()):
                    return
            except KafkaUnavailable:
                self._seen = None  # the coordinator may have counted anew meanwhile
            await asyncio.sleep(_POLL_SECONDS)

    def decided(self, group: GroupDescription) -> bool:
        """Take a look at the group; return whether the place is free. Raises WorkerIdInUse."""
        member = self._settings.place.occupant(self._worker_id, group)
        if member is None:
            return True
        if group.state != _STABLE or self._seen is None or self._seen[0] != member.member_id:
            self._seen = (member.member_id, self._monotonic())  # members need no heartbeats while a group rebalances
        elif self._monotonic() - self._seen[1] > self._limit:
            raise WorkerIdInUse(self._worker_id, host_of(member))
        return False

    async def _describe(self) -> GroupDescription:
        silent = "the group's coordinator did not answer"
        group = await ask_coordinator(self._settings, _ANSWER_SECONDS, silent=silent, failed=_failed)
        if group.code:
            raise KafkaUnavailable(f"cannot describe the group: {for_code(group.code).__name__}")
        return group
