"""The histogram of the ages of events when they were committed.

Every event is counted, up to tens of thousands a second: the events of one input are one addition. The histogram of
`prometheus_client` takes a lock and several calls for each observation.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_BOUNDS: Final = (
    *(0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0),
    *(30.0, 60.0, 300.0, 900.0, 1800.0, 3600.0),
)


class EventAges(Collector):
    """One histogram without labels. Counted and collected in one thread, that of the event loop."""

    def __init__(self) -> None:
        """Start with no events."""
        self._counts = [0] * (len(_BOUNDS) + 1)
        self._sum = 0.0

    def add(self, ages: Sequence[tuple[float, int]]) -> None:
        """Count events: an age in seconds, and how many events have it."""
        counts, total = self._counts, 0.0
        for age, number in ages:
            counts[bisect_left(_BOUNDS, age)] += number
            total += age * number
        self._sum += total

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Return the histogram."""
        names = [*map(floatToGoString, _BOUNDS), "+Inf"]
        family = HistogramMetricFamily(
            "chatbridge_event_seconds",
            "Time of each event from its arrival to the commit of its transaction",
        )
        family.add_metric((), list(zip(names, accumulate(self._counts), strict=True)), self._sum)
        yield family
