"""All peers in turns, several rounds, at each rate; then the table of the medians."""

from __future__ import annotations

import os
import subprocess
import time
import uuid
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from bridge.errors import EnvironmentFault
from tests.bench.compiled_bridge import CompiledBridge
from tests.bench.peers import bridge_run
from tests.bench.peers.event_lines import lines_of
from tests.bench.peers.java_peers import KafkaConnect, KafkaStreams
from tests.bench.peers.line_peer import LinePeer, PeerPlace
from tests.bench.peers.measured_peer import WARM_UP_LINES, measured
from tests.bench.peers.peer_figures import PeerFigures, PeerRow, median_of, table
from tests.bench.peers.python_peers import BareBatch, BareSend, BareSendAgain, QuixStreams
from tests.bench.simulated_chats import FLAT_OUT
from tests.packaging.compiled_environment import CompiledEnvironment
from tests.support.processes import Bridge, Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Turn = Iterator[tuple[str, PeerFigures]]

RATES: Final = {"50/s": 50.0, "500/s": 500.0, "4,000/s": 4_000.0, "flat out": 0.0}
LINE_PEERS: Final[tuple[LinePeer, ...]] = (
    BareSend(),
    BareSendAgain(),
    BareBatch(),
    KafkaConnect(),
    QuixStreams(),
    KafkaStreams(),
)
_NOT_RUN: Final = (AssertionError, EnvironmentFault, OSError, subprocess.SubprocessError)
_CORPUS_SECONDS: Final = 5
_BROKER_WARM_UP: Final = (15_000, 1_000.0)
"""Lines, and their rate. With less, the first peer's median latency at 50/s was up to five times the next one's."""


class SideBySide:
    """The bridge and the peers on one broker.

    Args:
        folder: for lines, logs and states.
        seconds: how long lines are sent at each rate; flat out, as many as the bridge is offered in that time.
        say: prints a line.
    """

    def __init__(self, broker: str, folder: Path, seconds: float, say: Callable[[str], None]) -> None:
        self._broker = broker
        self._folder = folder
        self._seconds = seconds
        self._say = say
        self._corpus = folder / "corpus.jsonl"
        self._found: dict[str, dict[str, list[PeerFigures]]] = {}  # by peer and rate, one of each round
        self._reasons: dict[str, str] = {}

    def run(self, rounds: int) -> None:
        """Measure everything and print it."""
        turns: dict[str, Callable[[], Turn]] = {bridge_run.TITLE: partial(self._bridge, Bridge)}
        with self._noted(bridge_run.COMPILED_TITLE):
            compiled = CompiledEnvironment(self._folder / "compiled")
            turns[bridge_run.COMPILED_TITLE] = partial(self._bridge, partial(CompiledBridge, compiled))
        for peer in LINE_PEERS:
            turns[peer.title] = partial(self._line_peer, peer)
            with self._noted(peer.title):
                peer.prepare()
        self._write_corpus()
        with self._noted("the broker's warm-up"):  # what comes first after its start waits longer
            list(measured(BareSend(), self._place(), self._corpus, {"": _BROKER_WARM_UP}))
        for number in range(rounds):
            order = [*turns][number % len(turns) :] + [*turns][: number % len(turns)]
            for title in order:
                if title not in self._reasons:
                    with self._noted(title):
                        for rate, figures in turns[title]():
                            self._found.setdefault(title, {}).setdefault(rate, []).append(figures)
                            self._say(f"  round {number + 1}, {title}, {rate}: {figures}; {load()}")
        self._report(rounds)

    def _bridge(self, start: Callable[..., Bridge]) -> Turn:
        for name, rate in RATES.items():
            yield name, bridge_run.bridge_figures(start, self._broker, self._folder, rate=rate, seconds=self._seconds)

    def _line_peer(self, peer: LinePeer) -> Turn:
        runs = {title: (int((rate or FLAT_OUT) * self._seconds), rate) for title, rate in RATES.items()}
        return measured(peer, self._place(), self._corpus, runs)

    def _place(self) -> PeerPlace:
        name = uuid.uuid4().hex[:8]
        folder = self._folder / name
        folder.mkdir()
        return PeerPlace(self._broker, folder, records=f"{name}.records", lines=f"{name}.lines")

    def _write_corpus(self) -> None:
        with Simulator(
            self._folder / "simulator.log",
            self._folder / "simulator.jsonl",
            seed=bridge_run.SEED,
            concurrent_chats=bridge_run.chats_at(FLAT_OUT),
            events_per_second=FLAT_OUT,
            mean_events=bridge_run.MEAN_EVENTS,
            duration=_CORPUS_SECONDS,
            finish=1,
        ) as simulator:
            simulator.summary(_CORPUS_SECONDS + 90)
        lines = lines_of(simulator.ledger.read_bytes().splitlines())
        self._corpus.write_bytes(b"\n".join(lines))
        mean = sum(map(len, lines)) / len(lines)
        self._say(
            f"  {len(lines)} events of the simulator (seed {bridge_run.SEED}) as lines of {mean:.0f} bytes and a "
            "stamp, one after another and from the beginning again; the bridge is sent the same chats; each peer gets "
            f"{WARM_UP_LINES} lines to warm up, then the rates in turn, in one process"
        )

    @contextmanager
    def _noted(self, title: str) -> Iterator[None]:
        """Note why a peer could not run, or not to the end; it gets no further turn."""
        try:
            yield
        except _NOT_RUN as fault:
            self._reasons[title] = " ".join(f"{type(fault).__name__}: {fault}".split())
            self._say(f"  {title}: {self._reasons[title]}")

    def _report(self, rounds: int) -> None:
        rows = [
            self._row(bridge_run.TITLE, bridge_run.CONFIGURATION, bridge_run.LACKS),
            self._row(bridge_run.COMPILED_TITLE, bridge_run.COMPILED_CONFIGURATION, bridge_run.LACKS),
            *(self._row(peer.title, peer.configuration, peer.lacks) for peer in LINE_PEERS),
        ]
        self._say(
            f"\nMedians of {rounds} round(s) of {self._seconds:g} s at each rate, "
            f"{time.strftime('%Y-%m-%d', time.gmtime())}, {load()}. Cells: CPU per line seen (of one core), p50 / p99 "
            "from sending to a read_committed consumer, most resident memory so far, lines seen per second. Flat out, "
            "latency is mostly waiting.\n"
        )
        self._say(table(rows, [*RATES]))
        by_title = {row.title: row.figures for row in rows}
        first, again = by_title[BareSend.title], by_title[BareSendAgain.title]
        for rate in RATES:
            if rate in first and rate in again:
                cpu = first[rate].cpu_us / again[rate].cpu_us
                half, tail = first[rate].p50_ms / again[rate].p50_ms, first[rate].p99_ms / again[rate].p99_ms
                self._say(f"A/A of `send`, {rate}: CPU {cpu:.2f}, p50 {half:.2f}, p99 {tail:.2f}")

    def _row(self, title: str, configuration: str, lacks: str) -> PeerRow:
        figures = {rate: median_of(runs) for rate, runs in self._found.get(title, {}).items()}
        reason = self._reasons.get(title, "")
        if reason and figures:
            configuration += f"; figures until it failed: {reason}"
        return PeerRow(title, configuration, lacks, figures, reason)


def load() -> str:
    """Tell how busy the machine is."""
    minute, five, _ = os.getloadavg()
    return f"load {minute:.1f} ({five:.1f} over five minutes) on {os.cpu_count()} cores"
