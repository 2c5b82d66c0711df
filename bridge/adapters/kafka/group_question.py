"""What the coordinator of a consumer group says of it, asked by a client of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.adapters.kafka.aiokafka_internals import admin_client
from bridge.adapters.kafka.calls import call, time_limit
from bridge.adapters.kafka.group_requests import DescribeGroupRequest, described_group
from bridge.adapters.kafka.temporary_admin import temporary_admin

if TYPE_CHECKING:
    from bridge.adapters.kafka.calls import Translate
    from bridge.adapters.kafka.connection import KafkaConnection
    from bridge.adapters.kafka.group_requests import GroupDescription


async def ask_coordinator(
    settings: KafkaConnection, seconds: float, *, silent: str, failed: Translate
) -> GroupDescription:
    """Return the description of the settings' group, which may carry an error code.

    Raises KafkaUnavailable: with the text `silent` after `seconds`, or what `failed` makes of a client's error.
    """
    async with temporary_admin(settings.bootstrap_servers, settings.client) as admin, time_limit(seconds, silent):
        await call(admin.start(), failed)
        node = await call(admin.find_coordinator(settings.group), failed)
        return described_group(await call(admin_client(admin).send(node, DescribeGroupRequest(settings.group)), failed))
