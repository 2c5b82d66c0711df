"""`kafka.transactions: worker`: one transaction for all shards of a worker, shards handed over by claims in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.e2e_environment import E2EEnvironment
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from pathlib import Path

SHARDS = 6
SESSION_SECONDS = 6


@pytest.fixture
def environment(broker: str, tmp_path: Path) -> E2EEnvironment:
    return E2EEnvironment(
        broker,
        tmp_path,
        kafka__partitions=SHARDS,
        kafka__session_timeout_seconds=SESSION_SECONDS,
        kafka__transactions="worker",
    )


def test_every_event_is_on_kafka_once_and_in_order(environment: E2EEnvironment) -> None:
    with environment.bridge() as bridge:
        bridge.wait_ready()
        with environment.chats(concurrent_chats=20, events_per_second=200) as chats:
            wait_for(lambda: bridge.metric("chatbridge_events_total") > 1000, 30, "nothing is captured")
            result = environment.finish(chats)
        assert result.explained == []
        assert bridge.metric("chatbridge_events_total") == result.records
        assert bridge.terminate() == 0
