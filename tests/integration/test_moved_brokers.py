"""Kafka's brokers move to other addresses: they are found through the bootstrap servers, and no chat is left."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

import pytest

from bridge.sandbox import LocalBroker
from bridge.sandbox.process import LOOPBACK, free_ports
from tests.integration.capturing_bridge import QUICK_TRANSACTION_TIMEOUT, WAITING, capturing_bridge
from tests.integration.e2e_environment import E2EEnvironment
from tests.support.kafka_tools import move
from tests.support.movable_address import MovableAddress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def silent(port: int) -> Iterator[None]:
    """Listen, and answer nothing: what is left at an address from which a broker has moved."""
    with socket.create_server((LOOPBACK, port), backlog=128):
        yield


@pytest.mark.timeout(240)
def test_brokers_at_new_addresses_are_found_within_a_minute_and_no_chat_is_left(tmp_path: Path) -> None:
    with LocalBroker(overrides=QUICK_TRANSACTION_TIMEOUT) as broker, MovableAddress(broker.nodes[0].port) as front:
        [new] = free_ports(1)
        environment = E2EEnvironment(f"{LOOPBACK}:{front.port}", tmp_path, kafka__transaction_timeout_seconds=10)
        with capturing_bridge(environment) as running:
            old = broker.nodes[0].port
            broker.kill()
            with silent(old):
                move(broker, new)
                front.target = new
                running.wait_unready(WAITING, "Kafka does not answer")
                running.wait_recovered(60)
                running.bridge.bootstrap_servers += f",{LOOPBACK}:{new}"  # its connections there are Kafka's, too
                running.finish()
            assert "Unclosed" not in running.bridge.log.read_text(encoding="utf-8")
