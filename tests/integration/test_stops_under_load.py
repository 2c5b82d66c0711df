"""A lone worker is stopped with SIGTERM under load: it commits what it holds, leaves its chats, exits with 0 (P1, P4).

A start after each stop reads from the chats' histories what was said meanwhile; no chat ends in that time. How long a
stop takes is judged of a worker that has written those: before, it holds as much as the machine has made it wait for.
"""

from __future__ import annotations

import signal
import statistics
import time
from typing import TYPE_CHECKING

import pytest

from bridge.errors import EXIT_OK
from tests.integration.e2e_environment import FIGURES, E2EEnvironment, all_joined, captured, joins
from tests.support.processes import Bridge, wait_for

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.faults

STOPS = 50
CHATS = 200
STOP_SECONDS = 5
BEHIND_SECONDS = 1
"""A worker that keeps up has nothing older than this to commit."""


def stopped(bridge: Bridge) -> float:
    """Stop the bridge; return the seconds that it took. The exit code says that all that it was given is on Kafka."""
    began = time.monotonic()
    bridge.send(signal.SIGTERM)  # at once, whatever it is doing
    assert bridge.wait(40) == EXIT_OK, bridge.log.read_text(encoding="utf-8")[-3000:]
    return time.monotonic() - began


def keeps_up(bridge: Bridge) -> bool:
    return bridge.metric("chatbridge_oldest_uncommitted_event_seconds") < BEHIND_SECONDS


def say(what: str, took: list[float]) -> None:
    FIGURES.info("%s: median %.2f s, longest %.2f s, of %d", what, statistics.median(took), max(took), len(took))


@pytest.mark.timeout(900)
def test_fifty_stops_at_500_events_per_second_lose_nothing(broker: str, tmp_path: Path) -> None:
    environment = E2EEnvironment(broker, tmp_path).prepare()
    took: list[float] = []
    with environment.chats(concurrent_chats=CHATS, events_per_second=500) as chats:
        for _ in range(STOPS):
            with environment.bridge() as bridge:
                bridge.wait_ready()
                wait_for(lambda: captured(bridge) > 200, 60, "too little is captured before the stop")
                took.append(stopped(bridge))
        with environment.bridge() as bridge:
            wait_for(lambda: all_joined(bridge, CHATS), 60, "not all chats are joined again")
            result = environment.finish(chats)
    assert result.explained == []
    assert len(joins(environment.journal())) > STOPS  # each of them had chats to leave
    say("stops at 500 events/s", took)


@pytest.mark.timeout(600)
def test_a_lone_worker_at_2000_events_per_second_drains_in_less_than_five_seconds(broker: str, tmp_path: Path) -> None:
    environment = E2EEnvironment(broker, tmp_path).prepare()
    took: list[float] = []
    with environment.chats(concurrent_chats=CHATS, events_per_second=2000) as chats:
        for _ in range(3):
            with environment.bridge() as bridge:
                wait_for(lambda: all_joined(bridge, CHATS), 60, "not all chats are joined")
                before = captured(bridge)
                wait_for(lambda: captured(bridge) > before + 2000, 60, "too little is captured")  # noqa: B023
                wait_for(lambda: keeps_up(bridge), 120, "it does not keep up with what is said")
                took.append(stopped(bridge))
        with environment.bridge() as bridge:
            wait_for(lambda: all_joined(bridge, CHATS), 60, "not all chats are joined again")
            result = environment.finish(chats, seconds=120)
    assert result.explained == []
    assert max(took) < STOP_SECONDS, took
    say("stops at 2,000 events/s", took)
