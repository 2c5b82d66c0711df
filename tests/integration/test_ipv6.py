"""A Kafka and a Chat Server that have IPv6 addresses only, as far as the worker knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from bridge.sandbox import LocalBroker
from bridge.sandbox.process import free_ports
from tests.integration.capturing_bridge import QUICK_TRANSACTION_TIMEOUT
from tests.integration.e2e_environment import E2EEnvironment, all_joined, captured, reasons
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bridge.sandbox.node import Node

LOOPBACK6: Final = "[::1]"


class Ipv6Broker(LocalBroker):
    """A broker with a further listener on `::1`: who connects to `address` learns of no other one."""

    def __init__(self) -> None:
        super().__init__(overrides=QUICK_TRANSACTION_TIMEOUT)
        self.address = f"{LOOPBACK6}:{free_ports(1)[0]}"

    def _settings(self, node: Node, voters: str) -> dict[str, str]:
        settings = super()._settings(node, voters)
        for name in ("listeners", "advertised.listeners"):
            settings[name] += f",IPV6://{self.address}"
        settings["listener.security.protocol.map"] += ",IPV6:PLAINTEXT"
        return {**settings, "inter.broker.listener.name": "PLAINTEXT"}


@pytest.fixture(scope="module")
def ipv6_broker() -> Iterator[Ipv6Broker]:
    with Ipv6Broker() as broker:
        yield broker


def test_chats_are_captured_over_ipv6_and_joined_again_when_the_link_is_reset(
    ipv6_broker: Ipv6Broker, tmp_path: Path
) -> None:
    environment = E2EEnvironment(
        ipv6_broker.bootstrap_servers,
        tmp_path,
        kafka__bootstrap_servers=ipv6_broker.address,
        kafka__transaction_timeout_seconds=10,
    ).prepare()
    with environment.bridge() as bridge, environment.chats(listen=f"{LOOPBACK6}:0") as chats:
        assert chats.address.startswith(f"{LOOPBACK6}:")
        wait_for(lambda: all_joined(bridge, 10) and captured(bridge) > 50, 40, lambda: f"{reasons(bridge)}")
        chats.fault("drop")
        wait_for(lambda: bridge.metric("chatbridge_resumptions_total") >= 10, 40, lambda: f"{reasons(bridge)}")
        assert {chat["server"] for chat in bridge.sessions() if chat["joined"]} == {chats.address}
        result = environment.finish(chats)
        assert bridge.terminate() == 0
    assert result.explained == []
