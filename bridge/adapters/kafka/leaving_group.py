"""Leaves a consumer group in the name of a member whose consumer has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiokafka.client import ConnectionGroup
from aiokafka.protocol.group import LeaveGroupRequest

from bridge.adapters.kafka.aiokafka_internals import admin_client
from bridge.adapters.kafka.calls import call, time_limit, unavailable
from bridge.adapters.kafka.temporary_admin import temporary_admin
from bridge.errors import KafkaUnavailable

if TYPE_CHECKING:
    from bridge.adapters.kafka.connection import KafkaConnection

_SECONDS: Final = 5.0
_failed: Final = unavailable("cannot leave the group")


async def leave_group(settings: KafkaConnection, member_id: str) -> None:
    """Let a member leave, so that its partitions are assigned anew at once. Raises KafkaUnavailable.

    A member that the group does not know has left already.
    """
    async with (
        temporary_admin(settings.bootstrap_servers, settings.client) as admin,
        time_limit(_SECONDS, f"the group's coordinator did not answer within {_SECONDS:g} s"),
    ):
        await call(admin.start(), _failed)
        node = await call(admin.find_coordinator(settings.group), _failed)
        client = admin_client(admin)
        if not await call(client.ready(node, group=ConnectionGroup.DEFAULT), _failed):
            raise KafkaUnavailable("cannot leave the group: no connection to its coordinator")
        await call(client.send(node, LeaveGroupRequest(settings.group, member_id)), _failed)
