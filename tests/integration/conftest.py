"""Servers and runs that integration tests share. An address in the environment replaces Kafka or the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridge.sandbox import LocalBroker, kafka_or_local, registry_or_local
from tests.integration.captured_run import CapturedRun, run_and_capture
from tests.integration.capturing_bridge import QUICK_TRANSACTION_TIMEOUT
from tests.support.kafka_tools import CREATES_TOPICS
from tests.support.open_resources import only_own_resources
from tests.support.processes import Bridge
from tests.support.secured_broker import SecuredBroker

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _workers_hold_nothing_else(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """After what a fault test did to its workers, they hold the tasks and connections that they need, and no other."""
    if request.node.get_closest_marker("faults") is not None:
        monkeypatch.setattr(Bridge, "before_end", only_own_resources)


@pytest.fixture(scope="session")
def broker() -> Iterator[str]:
    """Give the bootstrap servers of a Kafka that is up."""
    with kafka_or_local() as bootstrap_servers:
        yield bootstrap_servers


@pytest.fixture(scope="session")
def registry() -> Iterator[str]:
    """Give the base URL of a schema registry's Confluent-compatible API."""
    with registry_or_local() as url:
        yield url


@pytest.fixture(scope="session")
def secured_broker() -> Iterator[SecuredBroker]:
    """Give a broker with TLS, passwords and permissions; each test leaves it running."""
    with SecuredBroker(overrides=QUICK_TRANSACTION_TIMEOUT) as broker:
        yield broker


@pytest.fixture(scope="module")
def plain_broker() -> Iterator[LocalBroker]:
    """Give a broker that the tests of one module may stop or kill; each test leaves it running."""
    with LocalBroker(overrides=QUICK_TRANSACTION_TIMEOUT | CREATES_TOPICS) as broker:
        yield broker


@pytest.fixture
def own_broker(request: pytest.FixtureRequest) -> LocalBroker:
    """Give the one of these two that the test's parameter names, `plain_broker` without one."""
    found: LocalBroker = request.getfixturevalue(getattr(request, "param", "plain_broker"))
    return found


@pytest.fixture(scope="session")
def registered(broker: str, registry: str, tmp_path_factory: pytest.TempPathFactory) -> CapturedRun:
    """Give a finished run with a schema registry."""
    return run_and_capture(broker, tmp_path_factory.mktemp("registered"), registry)


@pytest.fixture(scope="session")
def unregistered(broker: str, tmp_path_factory: pytest.TempPathFactory) -> CapturedRun:
    """Give a finished run without a schema registry."""
    return run_and_capture(broker, tmp_path_factory.mktemp("unregistered"), None)


@pytest.fixture(params=["registered", "unregistered"])
def captured(request: pytest.FixtureRequest) -> CapturedRun:
    """Give either run."""
    found: CapturedRun = request.getfixturevalue(request.param)
    return found
