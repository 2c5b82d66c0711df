"""What a consumer saw of the lines of one run: pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tests.bench.peers.peer_figures import PeerFigures, percentile

if TYPE_CHECKING:
    from tests.bench.peers.event_lines import StampedLine


class ArrivedLines:
    """Counts lines in the order of their arrival; takes the latency of those that were sent between two times."""

    def __init__(self, begun: float = -math.inf, ended: float = math.inf) -> None:
        self._begun = begun
        self._ended = ended
        self._seen: set[tuple[str, int]] = set()
        self._latest: dict[str, int] = {}
        self._delays: list[float] = []
        self._repeated = 0
        self._disordered = 0
        self._first_sent = math.inf
        self._last_seen = -math.inf

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, arrived: float, line: StampedLine) -> None:
        """Count a record that arrived at a time (seconds since 1970 UTC)."""
        name = line.session_id, line.n
        if name in self._seen:
            self._repeated += 1
            return
        self._seen.add(name)
        self._disordered += self._latest.get(line.session_id, -1) > line.n
        self._latest[line.session_id] = max(line.n, self._latest.get(line.session_id, -1))
        self._first_sent = min(self._first_sent, line.at)
        self._last_seen = max(self._last_seen, arrived)
        if self._begun <= line.at < self._ended:
            self._delays.append(arrived - line.at)

    def figures(self, *, sent: int, cpu_seconds: float, peak_bytes: int) -> PeerFigures:
        """Return the figures of the run, whose CPU time is that of the process between two samples."""
        seen = len(self._seen)
        seconds = self._last_seen - self._first_sent if seen else math.nan
        return PeerFigures(
            sent=sent,
            seen=seen,
            repeated=self._repeated,
            disordered=self._disordered,
            cpu_us=cpu_seconds / seen * 1e6 if seen else math.nan,
            core_percent=cpu_seconds / seconds * 100,
            per_second=seen / seconds,
            p50_ms=percentile(self._delays, 0.5) * 1000,
            p99_ms=percentile(self._delays, 0.99) * 1000,
            peak_mb=peak_bytes / 1e6,
        )
