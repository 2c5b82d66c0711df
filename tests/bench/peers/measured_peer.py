"""Runs one peer that gets lines through all rates, in one process, and measures it."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

import msgspec
from confluent_kafka.admin import NewTopic

from bridge.sandbox.process import tail
from tests.bench.peers.arrivals import Arrivals
from tests.bench.peers.arrived_lines import ArrivedLines
from tests.bench.peers.event_lines import StampedLine
from tests.bench.peers.line_peer import PARTITIONS, LinePeer, PeerPlace, PeerProcess
from tests.support.kafka_tools import create, delete
from tests.support.processes import POLL_SECONDS, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

    from tests.bench.peers.peer_figures import PeerFigures

WARM_UP_LINES: Final = 5_000
_FIRST_SECONDS: Final = 90
_PROBE_SECONDS: Final = 0.5
_STALL_SECONDS: Final = 30


class LineFeeder:
    """The process that sends lines, for one peer; a context manager."""

    def __init__(self, corpus: Path, entrance: list[str]) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.peers.line_feeder", str(corpus), *entrance],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        self._next = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._child.kill()
        self._child.wait()
        if self._child.stdin is not None:
            with suppress(BrokenPipeError):
                self._child.stdin.close()

    def send(self, count: int, rate: float) -> range:
        """Have so many lines sent at a rate, 0 for flat out; return their numbers at once."""
        assert self._child.stdin is not None
        numbers = range(self._next, self._next + count)
        self._child.stdin.write(f"{numbers.start} {count} {rate}\n")
        self._child.stdin.flush()
        self._next = numbers.stop
        return numbers


class MeasuredPeer:
    """One running peer, its feeder and a consumer of what it writes."""

    def __init__(self, process: PeerProcess, feeder: LineFeeder, arrivals: Arrivals) -> None:
        self._process = process
        self._feeder = feeder
        self._arrivals = arrivals
        self._decoder = msgspec.json.Decoder(StampedLine)

    def wait_for_first(self) -> None:
        """Send single lines until one arrives: a peer that reads a topic from its end has missed the earlier ones."""
        sent = 0.0

        def arrived() -> bool:
            nonlocal sent
            if time.monotonic() - sent > _PROBE_SECONDS:
                self._feeder.send(1, 0)
                sent = time.monotonic()
            return bool(self._arrivals.take()) or not self._process.running

        wait_for(arrived, _FIRST_SECONDS, "no line has come through")
        assert self._process.running, f"it has ended:\n{tail([self._process.log])}"

    def run(self, count: int, rate: float) -> PeerFigures:
        """Send lines, wait until all have arrived or none comes any more, and return the figures."""
        lines = ArrivedLines()
        cpu, begun = self._process.cpu_seconds(), time.monotonic()
        numbers = self._feeder.send(count, rate)
        # Nothing comes any more: counted from when the last line is sent.
        moved = begun + (count / rate if rate else 0)
        while len(lines) < count and time.monotonic() < moved + _STALL_SECONDS and self._process.running:
            time.sleep(POLL_SECONDS)
            for arrived, message in self._arrivals.take():
                line = self._decoder.decode(message.value() or b"")
                if line.n in numbers:
                    lines.add(arrived, line)
                    moved = max(moved, time.monotonic())
        assert self._process.running, f"it has ended:\n{tail([self._process.log])}"
        return lines.figures(
            sent=count,
            cpu_seconds=self._process.cpu_seconds() - cpu,
            peak_bytes=self._process.peak_bytes(),
        )


def measured(
    peer: LinePeer, place: PeerPlace, corpus: Path, runs: Mapping[str, tuple[int, float]]
) -> Iterator[tuple[str, PeerFigures]]:
    """Run a peer through `runs` (by name, how many lines at which rate, 0: flat out); yield the figures of each."""
    create(place.broker, NewTopic(place.records, PARTITIONS, 1))
    create(place.broker, NewTopic(place.lines, 1, 1))
    try:
        with (
            LineFeeder(corpus, peer.entrance(place)) as feeder,
            peer.start(place) as process,
            Arrivals(place.broker, place.records) as arrivals,
        ):
            running = MeasuredPeer(process, feeder, arrivals)
            running.wait_for_first()
            running.run(WARM_UP_LINES, 0)
            for name, (count, rate) in runs.items():
                yield name, running.run(count, rate)
    finally:
        for topic in (place.records, place.lines):  # of tens of megabytes each
            delete(place.broker, topic)
