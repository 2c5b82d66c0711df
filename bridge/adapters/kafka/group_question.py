"""What the coordinator of a consumer group is asked beside what its members ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiokafka.client import ConnectionGroup, CoordinationType
from aiokafka.errors import NoError, UnknownMemberIdError, for_code
from aiokafka.protocol.group import LeaveGroupRequest

from bridge.adapters.kafka.aiokafka_internals import admin_client
from bridge.adapters.kafka.calls import call, time_limit, unavailable
from bridge.adapters.kafka.group_requests import DescribeGroupRequest, described_group
from bridge.adapters.kafka.temporary_admin import temporary_admin
from bridge.errors import KafkaUnavailable

if TYPE_CHECKING:
    from aiokafka.client import AIOKafkaClient
    from aiokafka.protocol.api import Request

    from bridge.adapters.kafka.calls import Translate
    from bridge.adapters.kafka.connection import KafkaConnection
    from bridge.adapters.kafka.group_requests import GroupDescription

_LEAVE_SECONDS: Final = 5.0
_not_left: Final = unavailable("cannot leave the group")
_not_told: Final = unavailable("cannot ask who is in the group")


async def ask_coordinator(
    settings: KafkaConnection, seconds: float, *, silent: str, failed: Translate
) -> GroupDescription:
    """Return the description of the settings' group, which may carry an error code.

    Raises KafkaUnavailable: with the text `silent` after `seconds`, or what `failed` makes of a client's error.
    """
    request = DescribeGroupRequest(settings.group)
    return described_group(await _answer(settings, request, seconds, silent=silent, failed=failed))


async def described_by(client: AIOKafkaClient, group: str) -> GroupDescription:
    """Ask the coordinator of a group by a client that is started; what it may do there is not asked.

    Raises KafkaUnavailable, also before Kafka 2.4.
    """
    coordinator = await call(client.coordinator_lookup(CoordinationType.GROUP, group), _not_told)
    request = DescribeGroupRequest(group, operations=False)
    return described_group(await call(client.send(coordinator, request, group=ConnectionGroup.COORDINATION), _not_told))


async def leave_group(settings: KafkaConnection, member_id: str) -> None:
    """Let a member leave whose consumer has ended, so that its partitions are assigned anew. Raises KafkaUnavailable.

    A member that the group does not know has left already, or another one is in its place.
    """
    request = LeaveGroupRequest(settings.group, member_id)
    silent = f"the group's coordinator did not answer within {_LEAVE_SECONDS:g} s"
    code = (await _answer(settings, request, _LEAVE_SECONDS, silent=silent, failed=_not_left)).error_code
    if code not in (NoError.errno, UnknownMemberIdError.errno):
        raise KafkaUnavailable(f"cannot leave the group: {for_code(code).__name__}")


async def _answer(
    settings: KafkaConnection, request: Request, seconds: float, *, silent: str, failed: Translate
) -> Any:
    async with temporary_admin(settings.bootstrap_servers, settings.client) as admin, time_limit(seconds, silent):
        await call(admin.start(), failed)
        node = await call(admin.find_coordinator(settings.group), failed)
        return await call(admin_client(admin).send(node, request), failed)
