"""The Kafka that most field tests share: each has topics of its own there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridge.sandbox import LocalBroker
from tests.field.field_environment import AUTHORIZER, E2EEnvironment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def field_broker() -> Iterator[str]:
    """Give the bootstrap servers of a Kafka that knows permissions; nobody restarts or reconfigures it."""
    with LocalBroker(overrides=AUTHORIZER) as broker:
        yield broker.bootstrap_servers


@pytest.fixture
def prepared(field_broker: str, tmp_path: Path) -> E2EEnvironment:
    """Give a corner of that Kafka with its topics made."""
    return E2EEnvironment(field_broker, tmp_path, kafka__transaction_timeout_seconds=10).prepare()
