"""How cost grows: a storm of joins with long histories, and many short chats that pass one after the other."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

from tests.bench.simulated_chats import announced_chats
from tests.integration.e2e_environment import ENDLESS_CHAT
from tests.support.oracle import closed_sessions, compare_with_ledger
from tests.support.processes import Bridge, wait_for
from tests.support.unique_prefixes import unique_prefix

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WIRE_BYTES_OF_AN_EVENT = 470
"""About so many in the replays of the simulator's chats: the bytes that were received are printed."""
OFFERED = 3_000
"""Events per second of all chats together, also while they are joined again."""
SHORT_CHAT = 14
POLL_SECONDS = 0.2
SAMPLES = 12


def joined(bridge: Bridge) -> float:
    """Return how many times chats have been joined."""
    return bridge.metric("chatbridge_joins_total", result="answered")


def followed(bridge: Bridge) -> float:
    """Return how many chats are joined now or wait for that."""
    return sum(bridge.metric("chatbridge_sessions", state=state) for state in ("joined", "waiting"))


def caught_up(bridge: Bridge, chats: int) -> bool:
    """Return whether so many chats are resumed, and what was received is on Kafka."""
    resumed = bridge.metric("chatbridge_events_total", kind="RESUMED")
    return resumed >= chats and bridge.metric("chatbridge_oldest_uncommitted_event_seconds") < 1


def storm(broker: str, folder: Path, *, chats: int, history: int, partitions: int, say: Callable[[str], None]) -> None:
    """Kill a worker that follows so many chats with histories of so many bytes; its successor joins all of them."""
    say(f"{chats} chats with {history} bytes of history each after kill -9, {partitions} shards")
    prefix = unique_prefix()
    settings = {
        "kafka__partitions": partitions,
        "sources__chat_server__joins_per_second": chats,
        "sources__chat_server__joins_peak": chats,
    }

    def worker() -> Bridge:
        return Bridge(broker, folder / f"{prefix}bridge.log", prefix=prefix, worker="bench", **settings)

    with announced_chats(
        broker,
        folder,
        prefix,
        concurrent_chats=chats,
        events_per_second=OFFERED,
        mean_events=ENDLESS_CHAT,
        finish=5,
    ) as simulator:
        with worker() as first:
            first.wait_ready()
            wait_for(lambda: joined(first) >= chats, 300, "not all chats are followed", poll=1)
            enough = chats * history / WIRE_BYTES_OF_AN_EVENT
            wait_for(lambda: first.metric("chatbridge_events_total") >= enough, 900, "too few events", poll=1)
            resident = first.rss_bytes()
            first.kill()
        killed = time.monotonic()
        with worker() as second:
            most, ready_after = 0, 0.0
            while joined(second) < chats:
                assert second.running
                assert time.monotonic() - killed < 300, f"{joined(second):.0f} chats are followed"
                if not ready_after and second.ready:
                    ready_after = time.monotonic() - killed
                most = max(most, second.rss_bytes())
                time.sleep(POLL_SECONDS)
            followed = time.monotonic() - killed
            # A server that ends resets who is behind, and what was not read then is a GAP, which is not what is asked.
            wait_for(lambda: caught_up(second, chats), 600, "the histories are not captured", poll=1)
            captured = time.monotonic() - killed
            simulator.terminate()
            wait_for(lambda: len(closed_sessions(broker, prefix)) >= chats, 300, "chats are not closed", poll=2)
            most = max(most, second.rss_bytes())
            second.terminate()
    say(
        f"  all followed {followed:.1f} s after the kill (ready after {ready_after:.1f} s), all captured after "
        f"{captured:.1f} s; "
        f"RSS {resident / 1e6:.0f} MB before, {most / 1e6:.0f} MB at most in the successor"
    )
    say(f"  compared: {compare_with_ledger(broker, prefix, simulator.ledger)}")


def passing(
    broker: str, folder: Path, *, chats: int, minutes: float, partitions: int, say: Callable[[str], None]
) -> None:
    """Let so many chats of a few events begin and end within so many minutes: memory and CPU, several times."""
    rate = chats / (minutes * 60)
    say(f"{chats} chats of about {SHORT_CHAT} events in {minutes:g} minutes, {partitions} shards")
    prefix = unique_prefix()
    with Bridge(
        broker, folder / f"{prefix}bridge.log", prefix=prefix, worker="bench", kafka__partitions=partitions
    ) as bridge:
        bridge.wait_ready()
        with announced_chats(
            broker,
            folder,
            prefix,
            chats_per_second=rate,
            think_scale=0.02,
            mean_events=SHORT_CHAT,
            duration=minutes * 60,
            finish=10,
        ) as simulator:
            events, cpu = 0.0, bridge.cpu_seconds()
            for number in range(1, SAMPLES + 1):
                time.sleep(minutes * 60 / SAMPLES)  # the length of what is measured
                now, used = bridge.metric("chatbridge_events_total"), bridge.cpu_seconds()
                cost = (used - cpu) / max(now - events, 1) * 1e6
                say(
                    f"  after {number * minutes / SAMPLES:5.1f} minutes: {now:.0f} events, {cost:.0f} us of CPU each, "
                    f"{followed(bridge):.0f} chats followed, RSS {bridge.rss_bytes() / 1e6:.0f} MB"
                )
                events, cpu = now, used
            summary = simulator.summary(120)
            wait_for(lambda: not followed(bridge), 300, "chats are not closed", poll=1)
        bridge.terminate()
    say(f"  the simulator started {summary['chats_started']} chats with {summary['events']} events; verify:")
    words = [sys.executable, "-m", "bridge", "verify"]
    for key, value in {"kafka.bootstrap_servers": broker, "kafka.topic_prefix": prefix}.items():
        words += ["--set", f"{key}={value}"]
    say(f"  {subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()}")
