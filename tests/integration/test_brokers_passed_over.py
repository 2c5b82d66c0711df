"""Metadata still names a broker that is gone, or that says nothing: what every broker answers is asked of another."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

import pytest
from aiokafka.client import CoordinationType
from aiokafka.errors import CoordinatorNotAvailableError
from aiokafka.structs import BrokerMetadata

from bridge.adapters.kafka.stopping import stop_client
from bridge.kafka_clients import AIOKafkaClient

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOKUPS = 12
"""With two of three gone, all of them begin with the one that answers in one of half a million runs."""
LIMIT = 45.0
"""Seconds: less than two time-outs of a request."""


@pytest.fixture
def addresses() -> Iterator[list[tuple[str, int]]]:
    """Two at which nothing answers: one refuses connections, one takes them."""
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.socket() as refusing:
        refusing.bind(("127.0.0.1", 0))
        yield [silent.getsockname()[:2], refusing.getsockname()[:2]]


async def looked_up(broker: str, addresses: list[tuple[str, int]]) -> int:
    client = AIOKafkaClient(bootstrap_servers=broker)
    try:
        await client.bootstrap()
        for node, (host, port) in enumerate(addresses, 1_000):
            client.cluster._brokers[node] = BrokerMetadata(node, host, port, None)
        assert len(client.cluster.brokers()) == 1 + len(addresses)
        return int(await client.coordinator_lookup(CoordinationType.TRANSACTION, "an id of nobody"))
    finally:
        await stop_client(client)


def test_a_coordinator_is_found_although_most_brokers_that_are_named_do_not_answer(
    broker: str, addresses: list[tuple[str, int]]
) -> None:
    async def scene() -> set[int]:
        while True:  # Kafka makes its topic when it is asked first
            with contextlib.suppress(CoordinatorNotAvailableError):
                await looked_up(broker, [])
                break
        return set(await asyncio.gather(*(looked_up(broker, addresses) for _ in range(LOOKUPS))))

    assert len(asyncio.run(asyncio.wait_for(scene(), LIMIT))) == 1
