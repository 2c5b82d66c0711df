"""An admin client for one question, or a few."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from bridge.adapters.kafka.stopping import stop_admin
from bridge.kafka_clients import AIOKafkaAdminClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping


@asynccontextmanager
async def temporary_admin(bootstrap_servers: str, client: Mapping[str, object]) -> AsyncIterator[AIOKafkaAdminClient]:
    """Yield an admin client that is still to be started, and stop it at the end, whatever its state.

    It is started by the caller, so that the caller's time limit holds for that, and not for stopping. `client` is
    passed to aiokafka as it is (SASL, TLS).
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, **client)
    try:
        yield admin
    finally:
        await stop_admin(admin)
