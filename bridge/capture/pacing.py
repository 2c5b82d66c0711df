"""How long a shard waits before it starts a transaction, from the load of the whole replica.

A transaction costs about a millisecond of CPU whatever is in it. At a small load that is cheap, and waiting would only
add latency: start at once. At a high load twelve shards committing back to back would spend more on transactions than
on events: wait a little, so that each carries more. Figures: `make bench`.
"""

from __future__ import annotations

from typing import Final

_QUIET: Final = 1_000.0
"""Events per second up to which there is no waiting."""
_SLOPE: Final = 40_000.0
"""Above it, one second of waiting per this many events per second more: 5,000/s wait 100 ms."""


def linger(events_per_second: float, most: float) -> float:
    """Return the seconds to wait before taking a batch; never more than `most`."""
    return min(max(events_per_second - _QUIET, 0.0) / _SLOPE, most)


class Rate:
    """Events per second, smoothed over about `window` seconds. Told of events with the time; asked with the time."""

    __slots__ = ("_count", "_rate", "_since", "_window")

    def __init__(self, window: float = 1.0) -> None:
        """Start at zero."""
        self._window = window
        self._count = 0
        self._since = 0.0
        self._rate = 0.0

    def add(self, events: int, now: float) -> None:
        """Count events at monotonic time `now` (seconds)."""
        self.at(now)
        self._count += events

    def at(self, now: float) -> float:
        """Return the rate at `now`."""
        passed = now - self._since
        if passed >= self._window:
            current = self._count / passed
            self._rate = current if passed >= 2 * self._window else (self._rate + current) / 2
            self._count = 0
            self._since = now
        return self._rate
