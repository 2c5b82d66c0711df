"""What is measured of a peer at one rate, medians of rounds, and the table of all peers: pure."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class PeerFigures:
    """One run at one rate, or the medians of several; all counted at the destination, by a read_committed consumer."""

    sent: float  #: lines
    seen: float  #: different ones
    repeated: float  #: records beyond the first one of a line
    disordered: float  #: records behind a later line of their chat
    cpu_us: float  #: of the peer's process, microseconds per line seen
    core_percent: float  #: of one core, from the first line's sending to the last one's arrival
    per_second: float  #: lines seen, in the same time
    p50_ms: float  #: from sending to arrival
    p99_ms: float
    peak_mb: float  #: resident, since the process started

    def __str__(self) -> str:
        """One cell of the table."""
        parts = [
            f"{self.cpu_us:.0f} us ({self.core_percent:.0f} %)",
            f"{self.p50_ms:.0f} / {self.p99_ms:.0f} ms",
            f"{self.peak_mb:.0f} MB",
            f"{self.per_second:,.0f}/s",
        ]
        if self.seen != self.sent:
            parts.append(f"{self.seen:,.0f} of {self.sent:,.0f} SEEN")
        parts += [f"{count:,.0f} {what}" for count, what in self._faults() if count]
        return ", ".join(parts)

    def _faults(self) -> tuple[tuple[float, str], ...]:
        return (self.repeated, "TWICE"), (self.disordered, "OUT OF ORDER")


@dataclass(frozen=True, slots=True)
class PeerRow:
    """One peer: its figures by rate (a name such as `50/s`), or `reason`, why it was not run."""

    title: str
    configuration: str
    lacks: str
    figures: Mapping[str, PeerFigures]
    reason: str = ""


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` (0 to 1) of the values do not exceed; not a number if none."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def median_of(runs: Sequence[PeerFigures]) -> PeerFigures:
    """Return the median of each figure by itself; of what must not happen, the most."""
    found = {one.name: [getattr(run, one.name) for run in runs] for one in fields(PeerFigures)}
    worst = {name: max(found[name]) for name in ("repeated", "disordered")}
    # Lines that are missing from any run are not hidden by two runs without a loss.
    lossy = max(runs, key=lambda run: run.sent - run.seen)
    medians = {name: statistics.median(values) for name, values in found.items()}
    return PeerFigures(**{**medians, **worst, "sent": lossy.sent, "seen": lossy.seen})


def table(rows: Sequence[PeerRow], rates: Sequence[str]) -> str:
    """Return all rows as a table in Markdown; a peer or a rate without figures says so."""
    head = ["peer", *rates, "configuration", "what it does less than the bridge"]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        none = f"not run: {row.reason}"
        cells = [str(row.figures[rate]) if rate in row.figures else none for rate in rates]
        lines.append([row.title, *cells, row.configuration, row.lacks])
    return "\n".join("| " + " | ".join(_cell(text) for text in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
