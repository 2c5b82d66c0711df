"""Kafka's brokers move to other addresses: their names are looked up again, and no chat is left.

`python -m tests.integration.test_moved_brokers FILE run ...` is `chatbridge` that looks host names up in a JSON file: a
name server of the test. It is asked at each connection, and at each question of its own that the bridge has.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from bridge import cli
from bridge.adapters.event_loop import EventLoop
from bridge.sandbox import LocalBroker
from bridge.sandbox.process import LOOPBACK, free_ports
from tests.integration.capturing_bridge import QUICK_TRANSACTION_TIMEOUT, WAITING, capturing_bridge
from tests.integration.e2e_environment import E2EEnvironment
from tests.support.kafka_tools import move
from tests.support.movable_address import MovableAddress
from tests.support.processes import Bridge

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "kafka.test"
NEW_ADDRESS = "127.0.0.2"


@contextlib.contextmanager
def silent(port: int) -> Iterator[None]:
    """Listen, and answer nothing: what is left at an address from which a broker has moved."""
    with socket.create_server((LOOPBACK, port), backlog=128):
        yield


def give(names: Path, address: str) -> None:
    """Make the name lead to an address from now on."""
    names.with_suffix(".next").write_text(json.dumps({NAME: address}))
    names.with_suffix(".next").replace(names)


@pytest.mark.timeout(240)
def test_brokers_at_new_addresses_are_found_within_a_minute_and_no_chat_is_left(tmp_path: Path) -> None:
    names = tmp_path / "names.json"

    class WithNames(Bridge):
        program: ClassVar[list[str]] = ["-m", "tests.integration.test_moved_brokers", str(names)]

    with (
        LocalBroker(overrides=QUICK_TRANSACTION_TIMEOUT) as broker,
        MovableAddress(broker.nodes[0].port) as former,
        MovableAddress(0, host=NEW_ADDRESS, port=former.port) as following,
    ):
        give(names, former.host)
        [new] = free_ports(1)
        environment = E2EEnvironment(broker.bootstrap_servers, tmp_path, kafka__transaction_timeout_seconds=10)
        servers = f"{NAME}:{former.port}"
        with capturing_bridge(environment, make=WithNames, kafka__bootstrap_servers=servers) as running:
            old = broker.nodes[0].port
            broker.kill()
            with silent(old):  # and so is the former address of the name, which leads there
                move(broker, new)
                following.target = new
                environment.broker = f"{LOOPBACK}:{new}"
                running.wait_unready(WAITING, "Kafka does not answer")
                give(names, following.host)
                running.wait_recovered(60)
                # Its connections there are Kafka's: one that leads to the name, and one to the broker.
                running.bridge.bootstrap_servers = f"{following.host}:{following.port},{LOOPBACK}:{new}"
                running.finish()
            assert "Unclosed" not in running.bridge.log.read_text(encoding="utf-8")


def _look_up_in(names: Path) -> None:
    connect, look_up = EventLoop.create_connection, EventLoop.getaddrinfo

    def address(host: Any) -> Any:
        return json.loads(names.read_text()).get(host, host)

    async def create_connection(self: EventLoop, factory: Any, host: Any = None, port: Any = None, **more: Any) -> Any:
        return await connect(self, factory, address(host), port, **more)

    async def getaddrinfo(self: EventLoop, host: Any, port: Any, **more: Any) -> Any:
        return await look_up(self, address(host), port, **more)

    EventLoop.create_connection = create_connection  # type: ignore[method-assign]
    EventLoop.getaddrinfo = getaddrinfo  # type: ignore[assignment,method-assign]


if __name__ == "__main__":
    _look_up_in(Path(sys.argv.pop(1)))
    sys.exit(cli.main())
