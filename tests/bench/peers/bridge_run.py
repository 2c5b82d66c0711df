"""Measures the bridge at one rate: the simulator plays chats, and the bridge, which has joined them, publishes them."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from bridge.adapters.kafka.topic_manager import TopicNames
from bridge.records.ids import escaped, event_id
from bridge.simulator.harness.ledger import LedgerLine, visible_to_monitor
from tests.bench.peers.arrivals import Arrivals
from tests.bench.peers.arrived_lines import ArrivedLines
from tests.bench.peers.event_lines import StampedLine
from tests.bench.peers.line_peer import PARTITIONS, peak_bytes
from tests.bench.simulated_chats import FLAT_OUT, announced_chats
from tests.support.processes import POLL_SECONDS, wait_for
from tests.support.unique_prefixes import unique_prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from confluent_kafka import Message

    from tests.bench.peers.peer_figures import PeerFigures
    from tests.support.processes import Bridge

TITLE: Final = "the bridge"
COMPILED_TITLE: Final = "the bridge, compiled core"
CONFIGURATION: Final = (
    f"defaults, {PARTITIONS} shards, zstd; joins of up to 1,000 per second; one output, no rules, no key; from "
    "a simulated Chat Server over sockets; joins, checkpoints and certificates included in the CPU; "
    "a process for each rate; the events of chats that were over before they "
    "were joined are a GAP, and not seen"
)
COMPILED_CONFIGURATION: Final = "the same, with the core compiled by mypyc, as in the image"
LACKS: Final = "-"
MEAN_EVENTS: Final = 150
SEED: Final = 1
JOINED: Final = 0.99
"""Of the chats that are open: from then on latencies are measured."""
BEHIND: Final = 1_000
"""Events per second from which the bridge may be behind, so that chats are played to their end afterwards."""
STALL_SECONDS: Final = 15
"""Without a record after the simulator's end: what is missing then does not come."""


def chats_at(rate: float) -> int:
    """Return how many chats are open at a time."""
    return int(min(400, max(20, rate * 0.4)))


def bridge_figures(
    start: Callable[..., Bridge], broker: str, folder: Path, *, rate: float, seconds: float
) -> PeerFigures:
    """Run bridge and simulator with topics of their own. `start` takes the arguments of `Bridge`. `rate` 0: flat out.

    Latencies are those of the events that were sent in `seconds`, from when the first chats were joined; everything
    else is of the whole run: joins, these seconds, and what was open then.
    """
    offered = rate or FLAT_OUT
    chats = chats_at(offered)
    prefix = unique_prefix()
    log, topic = folder / f"{prefix}bridge.log", TopicNames(prefix).events
    with start(broker, log, prefix=prefix, worker="bench", kafka__partitions=PARTITIONS) as bridge:
        bridge.wait_ready()
        with Arrivals(broker, topic) as arrivals:
            cpu = bridge.cpu_seconds()
            with announced_chats(
                broker,
                folder,
                prefix,
                seed=SEED,
                concurrent_chats=chats,
                events_per_second=offered,
                mean_events=MEAN_EVENTS,
                finish=20 if offered > BEHIND else 1,
            ) as simulator:
                answered = partial(bridge.metric, "chatbridge_joins_total", result="answered")
                wait_for(lambda: answered() >= chats * JOINED, 60, "not all chats are joined")
                begun = time.time()
                time.sleep(seconds)
                ended = time.time()
                simulator.terminate(90)
            sent = sent_events(simulator.ledger)
            lines = arrived_lines(arrivals, sent, ArrivedLines(begun, ended))
            figures = lines.figures(
                sent=len(sent),
                cpu_seconds=bridge.cpu_seconds() - cpu,
                peak_bytes=peak_bytes(bridge.pid),
            )
        bridge.terminate()
    return figures


def arrived_lines(arrivals: Arrivals, sent: Mapping[str, StampedLine], lines: ArrivedLines) -> ArrivedLines:
    """Wait until all events have arrived or no more do; return `lines` with them."""
    moved = time.monotonic()
    while len(lines) < len(sent) and time.monotonic() < moved + STALL_SECONDS:
        time.sleep(POLL_SECONDS)
        for arrived, message in arrivals.take():
            line = sent.get(record_id(message))
            if line is not None:
                lines.add(arrived, line)
                moved = time.monotonic()
    return lines


def record_id(message: Message) -> str:
    """Return the id of the event of a record."""
    name = dict(message.headers() or [])["ce_id"]
    return name.decode() if isinstance(name, bytes) else str(name)


def sent_events(ledger: Path) -> dict[str, StampedLine]:
    """Return the events of a ledger that a monitor is sent, by the id of their record."""
    decoder = msgspec.json.Decoder(LedgerLine)
    found = {}
    for each in ledger.read_bytes().splitlines():
        line = decoder.decode(each)
        if line.event is not None and visible_to_monitor(line.event):
            number = line.event.event_id
            found[event_id(escaped(line.session_id), number)] = StampedLine(line.session_id, line.at, number)
    return found
