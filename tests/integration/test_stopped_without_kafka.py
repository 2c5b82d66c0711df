"""SIGTERM while Kafka is away: every chat is left with KeepAlive in time, and the exit code tells if all is on Kafka.

Whatever an interrupted client of Kafka raises, and however long it would wait, the process ends in order (P3, P4).
"""

from __future__ import annotations

import re
import signal
import time
from typing import TYPE_CHECKING

import pytest

from bridge.errors import EXIT_OK, EXIT_RUNTIME
from tests.integration.capturing_bridge import SHORT_KAFKA_TIMEOUTS
from tests.integration.e2e_environment import (
    ENDLESS_CHAT,
    FIGURES,
    E2EEnvironment,
    all_joined,
    captured,
    environment_on,
    followed,
    journal_lines,
)
from tests.support.processes import Bridge, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.sandbox import LocalBroker
    from tests.support.secured_broker import SecuredBroker

DRAIN_SECONDS = 10
CLOSING_SECONDS = 5
"""What ending the clients by force may take after the time to drain is over."""
CHATS = 10
SILENT_CHAT = 10**9
"""Factor of all pauses of a chat: after its first event it says nothing while the test runs."""
EVENTS = 2 * CHATS
"""Of silent chats: the customer's joining, and the bridge's own."""
OVER_TLS_TOO = pytest.mark.parametrize("own_broker", ["plain_broker", "secured_broker"], indirect=True)
AWAY = pytest.mark.parametrize("away", ["paused", "killed"])


def goes_away(broker: LocalBroker, away: str) -> None:
    if away == "paused":
        broker.pause()
    else:
        broker.kill()


def comes_back(broker: LocalBroker, away: str) -> None:
    if away == "paused":
        broker.resume()
    else:
        broker.restart()


def stopped(environment: E2EEnvironment, bridge: Bridge) -> tuple[int, str]:
    """Stop the bridge; return its exit code and the line of the log that says how it drained.

    By then it has left every chat, with KeepAlive, within the time to drain.
    """
    chats = {chat["sessionId"] for chat in followed(bridge) if chat["joined"]}
    assert len(chats) == CHATS
    began, at = time.monotonic(), time.time()
    bridge.send(signal.SIGTERM)
    code = bridge.wait(DRAIN_SECONDS + 4 * CLOSING_SECONDS)
    took = time.monotonic() - began
    released = {
        line["session_id"]: line["at"] - at
        for line in journal_lines(environment.journal())
        if line.get("request") == "RequestReleaseParty" and line["at"] >= at
    }
    assert released.keys() == chats
    assert max(released.values()) < DRAIN_SECONDS
    assert environment.interference() == []  # each of them with KeepAlive
    log = bridge.log.read_text(encoding="utf-8")
    FIGURES.info("SIGTERM without Kafka: chats left after %.1f s, ended after %.1f s", max(released.values()), took)
    assert took < DRAIN_SECONDS + CLOSING_SECONDS, log[-3000:]
    assert [word for word in ("Traceback", "Unclosed", "never retrieved", "defect_found") if word in log] == []
    (line,) = re.findall(r".* drained .*", log)
    return code, line


@OVER_TLS_TOO
@AWAY
def test_what_is_held_is_counted_and_read_again_from_the_histories(
    own_broker: LocalBroker, away: str, tmp_path: Path
) -> None:
    environment = environment_on(own_broker, tmp_path, **SHORT_KAFKA_TIMEOUTS, capture__drain_seconds=DRAIN_SECONDS)
    with environment.bridge().wait_ready() as bridge, environment.chats() as chats:
        wait_for(lambda: all_joined(bridge, CHATS) and captured(bridge) > 100, 30, "the chats are not captured")
        goes_away(own_broker, away)
        try:
            wait_for(lambda: bridge.metric("chatbridge_buffer_bytes") > 20_000, 20, "nothing is held")
            code, drained = stopped(environment, bridge)
        finally:
            comes_back(own_broker, away)
        assert code == EXIT_RUNTIME
        assert "complete=False" in drained
        (inputs,) = re.findall(r" inputs=(\d+)", drained)
        assert int(inputs) > 0
        with environment.bridge("worker-2").wait_ready() as successor:
            wait_for(lambda: all_joined(successor, CHATS), 60, "not all chats are joined again")
            assert environment.finish(chats).explained == []
            successor.kill()  # for a while it remembers a server whose links ended in their first minute


@AWAY
def test_a_worker_that_holds_nothing_has_lost_nothing(secured_broker: SecuredBroker, away: str, tmp_path: Path) -> None:
    environment = environment_on(secured_broker, tmp_path, **SHORT_KAFKA_TIMEOUTS, capture__drain_seconds=DRAIN_SECONDS)
    silent = environment.simulator(concurrent_chats=CHATS, mean_events=ENDLESS_CHAT, think_scale=SILENT_CHAT)
    with environment.bridge().wait_ready() as bridge, silent:
        wait_for(lambda: all_joined(bridge, CHATS), 30, "not all chats are joined")
        wait_for(
            lambda: captured(bridge) == EVENTS and bridge.metric("chatbridge_buffer_bytes") == 0,
            30,
            "something is held",
        )
        goes_away(secured_broker, away)
        try:
            code, drained = stopped(environment, bridge)
        finally:
            comes_back(secured_broker, away)
        assert code == EXIT_OK
        assert "complete=True" in drained


def test_a_second_signal_ends_it_at_once_and_the_next_worker_goes_on(
    secured_broker: SecuredBroker, tmp_path: Path
) -> None:
    environment = environment_on(secured_broker, tmp_path, **SHORT_KAFKA_TIMEOUTS, capture__drain_seconds=DRAIN_SECONDS)
    with environment.bridge().wait_ready() as bridge, environment.chats() as chats:
        wait_for(lambda: all_joined(bridge, CHATS) and captured(bridge) > 100, 30, "the chats are not captured")
        goes_away(secured_broker, "paused")
        try:
            wait_for(lambda: bridge.metric("chatbridge_buffer_bytes") > 20_000, 20, "nothing is held")
            bridge.send(signal.SIGTERM)
            wait_for(lambda: " draining " in bridge.log.read_text(encoding="utf-8"), 10, "the first is not taken")
            bridge.send(signal.SIGTERM)
            assert bridge.wait(DRAIN_SECONDS / 2) == -signal.SIGTERM
        finally:
            comes_back(secured_broker, "paused")
        assert " drained " not in bridge.log.read_text(encoding="utf-8")
        with environment.bridge("worker-2").wait_ready() as successor:
            wait_for(lambda: all_joined(successor, CHATS), 60, "not all chats are joined again")
            assert environment.finish(chats).explained == []
            successor.kill()  # for a while it remembers a server whose links ended in their first minute
