from __future__ import annotations

from tests.bench.peers.arrived_lines import ArrivedLines
from tests.bench.peers.event_lines import StampedLine
from tests.bench.peers.peer_figures import PeerFigures


def figures_of(lines: ArrivedLines, sent: int = 4) -> PeerFigures:
    return lines.figures(sent=sent, cpu_seconds=0.002, peak_bytes=5_000_000)


def test_figures_are_those_of_what_was_seen() -> None:
    lines = ArrivedLines()
    for n, delay in enumerate((0.125, 0.25, 0.5, 1.0)):
        lines.add(100 + n + delay, StampedLine("chat", 100.0 + n, n))
    assert figures_of(lines) == PeerFigures(
        sent=4,
        seen=4,
        repeated=0,
        disordered=0,
        cpu_us=500,
        core_percent=0.05,
        per_second=1,
        p50_ms=250,
        p99_ms=1_000,
        peak_mb=5,
    )


def test_a_line_that_comes_twice_is_seen_once() -> None:
    lines = ArrivedLines()
    for _ in range(3):
        lines.add(101, StampedLine("chat", 100, 7))
    assert (len(lines), figures_of(lines).repeated) == (1, 2)


def test_order_is_that_within_a_chat() -> None:
    lines = ArrivedLines()
    for chat, n in (("a", 2), ("b", 1), ("a", 1), ("a", 3), ("b", 4)):
        lines.add(101, StampedLine(chat, 100, n))
    assert figures_of(lines).disordered == 1


def test_lines_of_another_time_are_counted_without_their_latency() -> None:
    lines = ArrivedLines(103, 105)
    for arrived, sent, n in ((109.0, 102.5, 1), (103.5, 103.0, 2), (107.0, 105.0, 3)):
        lines.add(arrived, StampedLine("chat", sent, n))
    found = figures_of(lines)
    assert (found.seen, found.p50_ms, found.p99_ms) == (3, 500, 500)
