"""The servers that integration tests share; an address in the environment replaces either."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridge.sandbox import kafka_or_local, registry_or_local

if TYPE_CHECKING:
    from collections.abc import Iterator


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
