"""What accumulates while Kafka is unavailable is bounded, and is written when Kafka is back (P1, P3, P6).

The broker has TLS, passwords and permissions.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.integration.capturing_bridge import SHORT_KAFKA_TIMEOUTS, capturing_bridge
from tests.integration.e2e_environment import (
    FIGURES,
    environment_on,
    followed,
    joins_and_leaves,
    reasons,
)
from tests.support.kafka_tools import (
    alter,
    write,
)
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.secured_broker import SecuredBroker


def test_buffers_are_bounded_and_reading_pauses_until_kafka_is_back(
    secured_broker: SecuredBroker, tmp_path: Path
) -> None:
    limit, one_read = 1 << 20, 3 * (256 << 10)
    environment = environment_on(secured_broker, tmp_path, **SHORT_KAFKA_TIMEOUTS, kafka__partitions=1)
    with capturing_bridge(environment, rate=500, capture__inbox_bytes=limit) as running:
        secured_broker.pause()
        most = 0.0
        try:
            running.wait_unready("BUFFER_FULL")
            while running.oldest_seconds() < 20:
                most = max(most, running.buffered())
                time.sleep(0.1)
        finally:
            secured_broker.resume()
        assert running.bridge.metric("chatbridge_inbox_pauses_total") >= 1
        links = running.bridge.metric("chatbridge_links")
        assert limit <= most <= limit + links * one_read
        running.wait_recovered()
        wait_for(lambda: running.buffered() < limit / 2, 30, "the buffer stays full")
        running.finish()


def test_a_flood_of_announcements_waits_on_kafka_while_nothing_can_be_committed(
    secured_broker: SecuredBroker, tmp_path: Path
) -> None:
    count, limit, one_fetch = 4000, 1 << 20, 1 << 20
    environment = environment_on(
        secured_broker, tmp_path, **SHORT_KAFKA_TIMEOUTS, kafka__partitions=1, capture__inbox_bytes=limit
    )
    with environment.bridge() as bridge, environment.simulator(no_traffic=True) as server:
        bridge.wait_ready()
        alter(environment.broker, environment.topic("sessions"), "max.message.bytes", "100")
        host, _, port = server.address.rpartition(":")
        said = {"host": host, "port": int(port), "userData": {"Subject": "s" * 2000}}
        names = [f"FLOOD{number:011}" for number in range(count)]
        flood = {name: json.dumps({"sessionId": name, **said}).encode() for name in names}
        write(environment.broker, environment.topic("announcements"), flood)
        wait_for(lambda: "BUFFER_FULL" in str(reasons(bridge)), 20, "it is not full")
        most = 0.0
        while bridge.metric("chatbridge_oldest_uncommitted_event_seconds") < 15:
            most = max(most, bridge.metric("chatbridge_buffer_bytes"))
            time.sleep(0.1)
        assert limit <= most <= limit + 1.5 * one_fetch  # an input counts as a little more than its bytes
        alter(environment.broker, environment.topic("sessions"), "max.message.bytes", None)
        # No server has these chats: each must end with a certificate that reports it.
        closed = "chatbridge_chats_closed_total"
        wait_for(lambda: bridge.metric(closed) == count, 60, lambda: f"{bridge.metric(closed)} closed", poll=0.5)
        bridge.wait_ready()
        assert set(environment.certificates()) == set(names)
        assert joins_and_leaves(server)["RequestJoin"] == count
    assert environment.interference() == []


@pytest.mark.timeout(240)
def test_a_minute_without_kafka_at_five_hundred_events_a_second_fits_into_memory(
    secured_broker: SecuredBroker, tmp_path: Path
) -> None:
    environment = environment_on(secured_broker, tmp_path, kafka__partitions=12)
    with capturing_bridge(environment, count=100, rate=500) as running:
        before = running.bridge.rss_bytes()
        secured_broker.pause()
        try:
            wait_for(lambda: running.oldest_seconds() > 60, 90, "the age of the oldest event does not grow", poll=1)
            held, grown = running.buffered(), running.bridge.rss_bytes() - before
        finally:
            secured_broker.resume()
        FIGURES.info("a minute at 500/s: %.1f MB counted, %.1f MB more resident", held / 1e6, grown / 1e6)
        assert held < 64 << 20
        assert grown < 2 * (64 << 20)
        running.wait_recovered(60)
        running.finish()
    assert followed(running.bridge) == []
