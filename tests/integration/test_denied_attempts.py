"""Whoever is denied asks again after pauses that grow: the broker's authorizer log counts what was asked."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from bridge.adapters.kafka.topic_reader import reader
from bridge.errors import KafkaUnavailable
from bridge.factories import client_of
from tests.integration.capturing_bridge import SHORT_KAFKA_TIMEOUTS
from tests.integration.e2e_environment import (
    FIGURES,
    PARTITIONS,
    E2EEnvironment,
    all_joined,
    captured,
    joins_and_leaves,
    most_within,
    reasons,
)
from tests.integration.user_rights import (
    DENIED_SECONDS,
    PRINCIPAL,
    RETURNED_SECONDS,
    Rights,
    settings_of,
    wait_until_captured,
)
from tests.support.kafka_tools import write
from tests.support.processes import Bridge, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.secured_broker import SecuredBroker

WATCHED_SECONDS = 4.0
MOST_IN_A_SECOND = 60
"""Lines of the log, of which one question gives as many as it names topics; without any pause they are a thousand."""
WITHDRAWN_SECONDS = 60
LATE_SECONDS = 20
MOST_LATE = 100
"""Lines in the last seconds of these: pauses have grown to seconds, which gives about forty."""
MOST_OF_A_COMMAND = 100
"""Until it has ended."""


@pytest.fixture
def rights(secured_broker: SecuredBroker, tmp_path: Path) -> Iterator[Rights]:
    settings = {**secured_broker.settings, **SHORT_KAFKA_TIMEOUTS}
    environment = E2EEnvironment(secured_broker.bootstrap_servers, tmp_path, **settings)
    found = Rights(secured_broker, environment)
    environment.prepare()
    yield found
    found.only([])


def watch(rights: Rights, bridge: Bridge) -> None:
    """Wait until a worker was denied something for some seconds; it asked seldom."""

    def watched_long_enough() -> bool:
        found = rights.denied_at()
        return bool(found) and found[-1] - found[0] >= WATCHED_SECONDS

    wait_for(watched_long_enough, 60, lambda: f"{len(rights.denied_at())} denials: {bridge.get('/readyz')}")
    assert most_within(1.0, rights.denied_at()) <= MOST_IN_A_SECOND


@pytest.mark.timeout(240)
def test_a_worker_without_rights_for_a_minute_asks_seldom_and_loses_nothing(rights: Rights) -> None:
    """First it has none when it starts, then all of them are withdrawn while it captures."""
    environment = rights.environment
    with environment.bridge() as bridge:
        watch(rights, bridge)
        rights.only(rights.printed("run"))
        bridge.wait_ready(RETURNED_SECONDS)
        with environment.chats(events_per_second=20) as chats:
            wait_for(lambda: all_joined(bridge, 10) and captured(bridge) > 40, 40, lambda: str(reasons(bridge)))
            asked, before = joins_and_leaves(chats), len(rights.denied_at())
            rights.only([])
            time.sleep(WITHDRAWN_SECONDS)  # the length of the fault
            assert any(f"Kafka denies {PRINCIPAL}" in one for one in reasons(bridge))
            denied = rights.denied_at()[before:]
            late = [at for at in denied if at > denied[-1] - LATE_SECONDS]
            FIGURES.info("without rights: %d denials, %d in the last %d seconds", len(denied), len(late), LATE_SECONDS)
            assert denied[-1] - denied[0] > WITHDRAWN_SECONDS - LATE_SECONDS
            assert most_within(1.0, denied) <= MOST_IN_A_SECOND
            assert len(late) <= MOST_LATE
            returned = time.monotonic()
            rights.only(rights.printed("run"))
            wait_until_captured(bridge, RETURNED_SECONDS)
            assert bridge.metric("chatbridge_shards", state="open") == PARTITIONS
            assert time.monotonic() - returned < RETURNED_SECONDS
            assert joins_and_leaves(chats) == asked
            assert environment.finish(chats).explained == []
        assert bridge.terminate() == 0


@pytest.mark.parametrize("left", ["nothing", "Describe"])
def test_a_reader_that_is_denied_ends_soon_and_has_not_asked_often(rights: Rights, left: str) -> None:
    """As `verify` reads a topic whose rights are withdrawn after it has asked for them."""
    topic = rights.environment.topic("events")
    write(rights.environment.broker, topic, {"a chat": b"what may not be read"})
    rights.only([("--topic", topic, "Describe", False)] if left == "Describe" else [])

    async def read() -> None:
        async with reader(client_of(settings_of(rights))) as topics:
            async for _ in topics.whole(topic, range(PARTITIONS)):
                pass

    async def ends() -> None:
        async with asyncio.timeout(2 * DENIED_SECONDS):
            await read()

    with pytest.raises(KafkaUnavailable):
        asyncio.run(ends())
    assert 0 < len(rights.denied_at()) <= MOST_OF_A_COMMAND


def test_a_tail_whose_rights_are_withdrawn_ends_and_has_not_asked_often(rights: Rights) -> None:
    rights.only(rights.printed("tail"))
    words = [sys.executable, "-m", "bridge", "tail", *rights.flags]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as tail:
        assert tail.stdout is not None
        assert tail.stdout.readline()  # the header: it has had its rights
        rights.only([])
        _, told = tail.communicate(timeout=3 * DENIED_SECONDS)
    assert tail.returncode == 3, told
    assert f"Read on topic {rights.environment.topic('events')}" in told
    assert len(rights.denied_at()) <= MOST_OF_A_COMMAND
