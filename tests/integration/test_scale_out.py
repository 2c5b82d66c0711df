"""Workers are added, removed and replaced: chats stay captured; the time without a monitor is measured.

All of these tests run over TLS with a password; those in which workers leave their group in order, over plaintext too.
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.e2e_environment import (
    FIGURES,
    JITTER,
    E2EEnvironment,
    all_joined,
    environment_on,
    followed,
    joins,
    most_within,
    unwatched,
)
from tests.support.processes import Bridge, Simulator, wait_for

if TYPE_CHECKING:
    from pathlib import Path

SHARDS = 6
SESSION_SECONDS = 6
HANDOVER_SECONDS = 10
CHATS = 30
PAUSE_SECONDS = 60


OVER_TLS_TOO = pytest.mark.parametrize("environment", ["plaintext", "SASL_SSL"], indirect=True)
OVER_TLS = pytest.mark.parametrize("environment", ["SASL_SSL"], indirect=True)


@pytest.fixture
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> E2EEnvironment:
    """Give an environment on a shared broker: with TLS, passwords and permissions if the test's parameter says so."""
    settings = {"kafka__partitions": SHARDS, "kafka__session_timeout_seconds": SESSION_SECONDS}
    if request.param == "SASL_SSL":
        return environment_on(request.getfixturevalue("secured_broker"), tmp_path, **settings)
    return E2EEnvironment(request.getfixturevalue("broker"), tmp_path, **settings)


def shards(bridge: Bridge) -> int:
    return int(bridge.metric("chatbridge_shards"))


def spread(*bridges: Bridge) -> list[int]:
    return [shards(bridge) for bridge in bridges]


def settled(*bridges: Bridge, seconds: float = 60, chats: int = CHATS) -> None:
    """Wait until these share all shards and every chat is joined by exactly one of them."""

    def done() -> bool:
        seen = [chat["sessionId"] for bridge in bridges for chat in followed(bridge) if chat["joined"]]
        return (
            sum(spread(*bridges)) == SHARDS
            and all(bridge.ready for bridge in bridges)
            and len(seen) == len(set(seen)) == chats
        )

    wait_for(done, seconds, lambda: f"not settled: shards {spread(*bridges)}")


def is_even(*bridges: Bridge) -> bool:
    share = spread(*bridges)
    return sum(share) == SHARDS and max(share) - min(share) <= 1


def without_a_monitor(environment: E2EEnvironment, chats: Simulator, since: float = 0.0) -> float:
    """Return the longest time in seconds that a chat had no monitor; every chat must have one again."""
    watch = unwatched(environment.journal(), chats.ledger)
    assert watch.empty_since == {}, "chats that were never joined again"
    return max((seconds for seconds, at, _ in watch.gaps if at >= since), default=0.0)


@OVER_TLS_TOO
@pytest.mark.timeout(240)
def test_a_rolling_restart_of_three_workers_hands_every_chat_over_within_seconds(environment: E2EEnvironment) -> None:
    names = ("worker-1", "worker-2", "worker-3")
    with (
        environment.bridge(names[0]) as one,
        environment.bridge(names[1]) as two,
        environment.bridge(names[2]) as three,
    ):
        old = [one, two, three]
        for bridge in old:
            bridge.wait_ready()
        with environment.chats(concurrent_chats=CHATS, events_per_second=150, seed=5) as chats:
            settled(*old)
            fresh: list[Bridge] = []
            try:
                for name, bridge in zip(names, old, strict=True):
                    assert bridge.terminate() == 0
                    fresh.append(environment.bridge(name))
                    fresh[-1].wait_ready()
                    settled(*[other for other in old if other.running], *fresh)
                result = environment.finish(chats)
            finally:
                for bridge in fresh:
                    bridge.kill()
    longest = without_a_monitor(environment, chats)
    FIGURES.info("rolling restart: at most %.2f s without a monitor; %s", longest, result)
    assert result.explained == []
    assert longest < HANDOVER_SECONDS


@OVER_TLS_TOO
@pytest.mark.timeout(240)
def test_one_worker_becomes_three_and_then_two_and_the_shards_are_shared_evenly(environment: E2EEnvironment) -> None:
    with environment.bridge("worker-1") as one:
        one.wait_ready()
        with environment.chats(concurrent_chats=CHATS, events_per_second=150, seed=5) as chats:
            settled(one)
            with environment.bridge("worker-2") as two, environment.bridge("worker-3") as three:
                wait_for(lambda: is_even(one, two, three), 60, "the shards are not shared evenly")
                settled(one, two, three)
                where = [{chat["shard"] for chat in followed(bridge)} for bridge in (one, two, three)]
                assert sum(map(len, where)) == len(set.union(*where))
                assert [len(each) for each in where] == spread(one, two, three)
                assert two.terminate() == 0
                wait_for(lambda: is_even(one, three), 60, "the shards are not shared evenly")
                settled(one, three)
                result = environment.finish(chats)
    longest = without_a_monitor(environment, chats)
    FIGURES.info("1 to 3 to 2 workers: at most %.2f s without a monitor; %s", longest, result)
    assert result.explained == []
    assert longest < HANDOVER_SECONDS


@OVER_TLS
def test_the_chats_of_a_killed_worker_are_followed_again_after_the_session_timeout(environment: E2EEnvironment) -> None:
    with (
        environment.bridge("worker-1") as one,
        environment.bridge("worker-2") as two,
        environment.bridge("worker-3") as three,
    ):
        for bridge in (one, two, three):
            bridge.wait_ready()
        with environment.chats(concurrent_chats=CHATS, events_per_second=150, seed=5) as chats:
            settled(one, two, three)
            killed = time.time()
            two.kill()
            settled(one, three)
            wait_for(lambda: all_joined(one) and all_joined(three), 30, "not all chats are joined again")
            result = environment.finish(chats)
    longest = without_a_monitor(environment, chats, since=killed - 1)
    FIGURES.info("kill -9: at most %.2f s without a monitor, session time-out %d s", longest, SESSION_SECONDS)
    assert result.explained == []
    assert result.kinds["RESUMED"] > 0
    assert longest < SESSION_SECONDS + HANDOVER_SECONDS


@OVER_TLS
@pytest.mark.timeout(240)
def test_a_worker_that_stands_still_for_a_minute_is_replaced_and_comes_back_as_a_zombie_without_harm(
    environment: E2EEnvironment,
) -> None:
    with (
        environment.bridge("worker-1") as one,
        environment.bridge("worker-2") as two,
        environment.bridge("worker-3") as three,
    ):
        for bridge in (one, two, three):
            bridge.wait_ready()
        with environment.chats(concurrent_chats=CHATS, events_per_second=150, seed=5) as chats:
            settled(one, two, three)
            orphans = {chat["sessionId"] for chat in followed(two)}
            stopped = time.time()
            two.send(signal.SIGSTOP)
            settled(one, three)
            time.sleep(max(stopped + PAUSE_SECONDS - time.time(), 0.0))  # the length of the fault
            two.send(signal.SIGCONT)
            settled(one, two, three)
            assert is_even(one, two, three)
            result = environment.finish(chats)
    # The server still counts the stopped worker as present: what matters is when another one joined.
    came = {session_id: at for at, session_id in reversed(joins(environment.journal(), stopped))}
    longest = max(came[session_id] - stopped for session_id in orphans)
    FIGURES.info("SIGSTOP for %d s: other workers came after at most %.2f s; %s", PAUSE_SECONDS, longest, result)
    assert result.explained == []
    assert longest < SESSION_SECONDS + HANDOVER_SECONDS


@OVER_TLS
def test_a_storm_hits_a_server_no_harder_because_there_are_three_workers(environment: E2EEnvironment) -> None:
    count, rate, peak = 90, 20, 35
    rate_limiter: dict[str, Any] = {
        "sources__chat_server__joins_per_second": rate,
        "sources__chat_server__joins_peak": peak,
    }
    with (
        environment.bridge("worker-1", **rate_limiter) as one,
        environment.bridge("worker-2", **rate_limiter) as two,
        environment.bridge("worker-3", **rate_limiter) as three,
    ):
        wait_for(lambda: is_even(one, two, three), 60, "the shards are not shared evenly")
        with environment.chats(concurrent_chats=count) as chats:
            settled(one, two, three, chats=count)
            dropped = time.time()
            chats.fault("drop")
            wait_for(lambda: len(joins(environment.journal(), dropped)) == count, 30, "not all are joined again")
            settled(one, two, three, chats=count)
            result = environment.finish(chats)
    most = most_within(1, sorted(at for at, _ in joins(environment.journal(), dropped)))
    FIGURES.info("a storm of %d chats on three workers: at most %d joins in a second", count, most)
    assert most <= peak + JITTER, f"{most} joins in one second"
    assert result.explained == []
