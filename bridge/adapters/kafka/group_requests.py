"""DescribeGroups in version 4 (Kafka 2.4): aiokafka's loses what the client may do, and has no instance ids.

`send` raises NotImplementedError where the broker does not know the version. Source of the layout: Kafka's
DescribeGroupsRequest.json and DescribeGroupsResponse.json.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Bytes, Int16, Int32, Schema, String

if TYPE_CHECKING:
    from collections.abc import Sequence

_DESCRIBE: Final = 15
_VERSION: Final = 4


class _DescribedGroupsResponse(Response):  # type: ignore[misc]  # aiokafka ships no types
    API_KEY = _DESCRIBE
    API_VERSION = _VERSION
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "groups",
            Array(
                ("error_code", Int16),
                ("group_id", String("utf-8")),
                ("group_state", String("utf-8")),
                ("protocol_type", String("utf-8")),
                ("protocol_data", String("utf-8")),
                (
                    "members",
                    Array(
                        ("member_id", String("utf-8")),
                        ("group_instance_id", String("utf-8")),
                        ("client_id", String("utf-8")),
                        ("client_host", String("utf-8")),
                        ("member_metadata", Bytes),
                        ("member_assignment", Bytes),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
    )


class _DescribeGroupsStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = _DESCRIBE
    API_VERSION = _VERSION
    RESPONSE_TYPE = _DescribedGroupsResponse
    SCHEMA = Schema(("groups", Array(String("utf-8"))), ("include_authorized_operations", Boolean))


class DescribeGroupRequest(Request[_DescribeGroupsStruct]):  # type: ignore[misc]
    """Asks a group's coordinator for its members, and for what this client may do with it."""

    API_KEY: ClassVar[int] = _DESCRIBE

    def __init__(self, group: str, *, operations: bool = True) -> None:
        """`group` is its id; without `operations` it is not asked what this client may do."""
        self._group = group
        self._operations = operations

    def build(self, request_struct_class: type[Any]) -> Any:
        """Return the request, as aiokafka's connection sends it."""
        return request_struct_class([self._group], self._operations)


class GroupMember(NamedTuple):
    """A member as its coordinator knows it. `instance_id` is empty without static membership.

    `metadata` is what it sent when it joined, `assignment` what it was given; empty unless the group is stable. Its
    client id and its address are those of the first process that joined under the instance id, so they are left out.
    """

    member_id: str
    instance_id: str
    metadata: bytes
    assignment: bytes = b""


class GroupDescription(NamedTuple):
    """`code`: Kafka's error code, 0 without one. `operations`: bit n is set for AclOperation code n."""

    code: int
    state: str
    members: Sequence[GroupMember]
    operations: int


def described_group(response: Any) -> GroupDescription:
    """Return the one group of the response."""
    ((code, _, state, _, _, members, operations),) = response.groups
    found = [
        GroupMember(member_id, instance_id or "", metadata or b"", assignment or b"")
        for member_id, instance_id, _client_id, _client_host, metadata, assignment in members
    ]
    return GroupDescription(code, state, found, operations)


def subscription_of(member: GroupMember) -> tuple[str, ...]:
    """Return the topics that a member reads; empty when that is not told, or it is no consumer."""
    try:
        return tuple(ConsumerProtocolMemberMetadata.decode(member.metadata).subscription) if member.metadata else ()
    except (ValueError, IndexError):
        return ()
