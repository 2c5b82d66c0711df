"""The check of a worker's tasks and connections: it holds for a sound worker, and one leaked thing of a kind fails it.

`python -m tests.integration.test_open_resources KIND run ...` is `chatbridge` that leaks one such thing when it starts.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from bridge import app, cli
from tests.integration.e2e_environment import E2EEnvironment, all_joined
from tests.support.open_resources import only_own_resources
from tests.support.processes import Bridge, wait_for

if TYPE_CHECKING:
    from pathlib import Path

_LEAKED: Final[list[object]] = []
CHATS = 10
_SENDERS: Final = 12
_CLIENTS: Final = 2


class Leaking(Bridge):
    """A worker that leaks; the check at its end would fail."""

    before_end = None


def leaking(kind: str) -> type[Bridge]:
    return type(f"Leaking_{kind}", (Leaking,), {"program": ["-m", "tests.integration.test_open_resources", kind]})


def test_a_worker_that_captures_and_one_whose_chats_are_gone_hold_what_they_need(broker: str, tmp_path: Path) -> None:
    environment = E2EEnvironment(broker, tmp_path)
    with environment.bridge().wait_ready() as bridge:
        only_own_resources(bridge)
        with environment.simulator(announce_url=bridge.url, concurrent_chats=CHATS, events_per_second=100) as chats:
            wait_for(lambda: all_joined(bridge, CHATS), 30, "not all chats are joined")
            only_own_resources(bridge)
            environment.finish(chats)
        only_own_resources(bridge)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("producer", "tasks of kind kafka_client: "),
        ("consumer", "tasks of kind kafka_client: "),
        ("sender", "tasks of kind kafka: "),
        ("connection", "tasks of kind kafka_connection: "),
        ("link", "connections to Chat Servers: 2, expected 0"),
        ("shard", "tasks of kind shard: 4, expected 3 to 3"),
        ("task", "tasks of kind other: 1, expected 0 to 0"),
    ],
)
def test_one_leaked_thing_is_told(broker: str, tmp_path: Path, kind: str, told: str) -> None:
    with E2EEnvironment(broker, tmp_path).bridge(make=leaking(kind)).wait_ready() as bridge:
        with pytest.raises(AssertionError) as caught:
            only_own_resources(bridge, seconds=8)  # the producer of claims ends after 5
        assert told in str(caught.value)


async def _producer(broker: str) -> AIOKafkaProducer:
    producer = AIOKafkaProducer(bootstrap_servers=broker, enable_idempotence=True)
    await producer.start()
    return producer


async def _leak(kind: str, broker: str) -> None:
    host, port = broker.rsplit(":", 1)
    loop = asyncio.get_running_loop()
    if kind == "producer":  # more than the client by which shards ask, which may be there or not
        _LEAKED.extend([await _producer(broker) for _ in range(_CLIENTS)])
    elif kind == "sender":  # more of them than the tasks that a worker without chats may have and has not
        for _ in range(_SENDERS):
            producer = await _producer(broker)
            _LEAKED.append(producer)
            await producer.client.close()
    elif kind == "consumer":
        for _ in range(_CLIENTS):
            consumer = AIOKafkaConsumer(bootstrap_servers=broker)
            await consumer.start()
            _LEAKED.append(consumer)
    elif kind == "connection":
        _LEAKED.append(await loop.create_connection(asyncio.Protocol, host, int(port)))
    elif kind == "link":  # both of its ends
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        _LEAKED.append(await loop.create_connection(asyncio.Protocol, *server.sockets[0].getsockname()))
    elif kind == "shard":
        _LEAKED.append(loop.create_task(asyncio.Event().wait(), name="shard 7"))
    else:
        _LEAKED.append(loop.create_task(asyncio.sleep(3600)))


def _make_leak(kind: str) -> None:
    capture = app._WorkerProcess._capture

    async def leaking_capture(self: Any) -> None:
        await _leak(kind, self._config.kafka.bootstrap_servers)
        await capture(self)

    app._WorkerProcess._capture = leaking_capture  # type: ignore[method-assign]


if __name__ == "__main__":
    _make_leak(sys.argv.pop(1))
    sys.exit(cli.main())
