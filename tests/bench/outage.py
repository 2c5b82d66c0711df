"""A long outage of Kafka under load: memory during the outage, and the time to catch up (P6)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench.simulated_chats import announced_chats
from tests.integration.e2e_environment import ENDLESS_CHAT, joins_and_leaves
from tests.support.oracle import LedgerComparison, closed_sessions, compare_with_ledger
from tests.support.processes import Bridge, wait_for
from tests.support.unique_prefixes import unique_prefix

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.sandbox import LocalBroker
    from tests.support.processes import Simulator

EVENTS_PER_SECOND = 500
CHATS = 100
_POLL_SECONDS = 0.5


@dataclass(slots=True)
class Outage:
    """Measurements of one outage. Bytes, seconds."""

    resident_before: int
    resident_most: int = 0
    buffered_most: float = 0.0
    paused_after: float | None = None
    """Since the beginning of the outage; None when reading never had to pause."""
    caught_up_after: float = 0.0
    """Since Kafka was available again, until no event that is not committed is older than 2 s."""
    joins_and_leaves: int = 0
    """Number of requests during the outage."""
    comparison: LedgerComparison | None = None


def outage(broker: LocalBroker, folder: Path, *, seconds: float, inbox_bytes: int, partitions: int) -> Outage:
    """Pause Kafka for so many seconds while 100 chats have 500 events per second, then end them and compare."""
    prefix = unique_prefix()
    with Bridge(
        broker.bootstrap_servers,
        folder / f"{prefix}bridge.log",
        prefix=prefix,
        worker="bench",
        kafka__partitions=partitions,
        capture__inbox_bytes=inbox_bytes,
    ) as bridge:
        bridge.wait_ready()
        with announced_chats(
            broker.bootstrap_servers,
            folder,
            prefix,
            concurrent_chats=CHATS,
            events_per_second=EVENTS_PER_SECOND,
            mean_events=ENDLESS_CHAT,
            finish=2,
        ) as chats:
            wait_for(lambda: bridge.metric("chatbridge_joins_total", result="answered") >= CHATS, 60, "not joined")
            enough = bridge.metric("chatbridge_events_total") + 10 * EVENTS_PER_SECOND
            wait_for(lambda: bridge.metric("chatbridge_events_total") > enough, 60, "nothing is captured")
            asked = _asked(chats)
            figures = Outage(bridge.rss_bytes())
            _run_outage(broker, bridge, figures, seconds)
            figures.joins_and_leaves = _asked(chats) - asked
            chats.terminate()
            _wait_for_certificates(broker.bootstrap_servers, prefix)
            figures.comparison = compare_with_ledger(broker.bootstrap_servers, prefix, chats.ledger)
        bridge.terminate()
    return figures


def _run_outage(broker: LocalBroker, bridge: Bridge, figures: Outage, seconds: float) -> None:
    broker.pause()
    started = time.monotonic()
    try:
        while (passed := time.monotonic() - started) < seconds:
            _sample(bridge, figures)
            if figures.paused_after is None and bridge.metric("chatbridge_inbox_pauses_total") > 0:
                figures.paused_after = passed
            time.sleep(_POLL_SECONDS)
    finally:
        broker.resume()
    resumed_at = time.monotonic()
    while bridge.metric("chatbridge_oldest_uncommitted_event_seconds") > 2 or not bridge.ready:
        assert time.monotonic() - resumed_at < seconds + 60, "it does not catch up"
        _sample(bridge, figures)
        time.sleep(_POLL_SECONDS)
    figures.caught_up_after = time.monotonic() - resumed_at


def _sample(bridge: Bridge, figures: Outage) -> None:
    figures.resident_most = max(figures.resident_most, bridge.rss_bytes())
    figures.buffered_most = max(figures.buffered_most, bridge.metric("chatbridge_buffer_bytes"))


def _asked(chats: Simulator) -> int:
    return sum(joins_and_leaves(chats).values())


def _wait_for_certificates(broker: str, prefix: str) -> None:
    wait_for(lambda: len(closed_sessions(broker, prefix)) >= CHATS, 120, "chats are not closed", poll=1)
