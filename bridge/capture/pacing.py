"""How long a shard waits before it starts a transaction.

Two reasons to wait, both measured against Apache Kafka (`make bench`):

* A broker answers the end of a transaction before it has written the commit markers. A next transaction that begins
  meanwhile is refused once and tried again after 20 ms (a constant of aiokafka). Resting for 5 ms after a commit makes
  back-to-back transactions take 3 ms each instead of 24.
* A transaction costs about a millisecond of CPU whatever is in it. At a small load that is cheap, and waiting would
  only add latency. At a high load twelve shards committing back to back would spend more on transactions than on
  events: the wait grows with the load of the whole replica, so that each carries more.
"""

from __future__ import annotations

from typing import Final

REST: Final = 0.005
"""Seconds between the end of a transaction and the beginning of the shard's next one."""
_QUIET: Final = 1_000.0
"""Events per second up to which there is no waiting for company."""
_SLOPE: Final = 20_000.0
"""Above it, one second of waiting per this many events per second more: 4,000/s wait 150 ms."""


def linger(events_per_second: float, most: float) -> float:
    """Return the seconds to wait for company before taking a batch; never more than `most`."""
    return min(max(events_per_second - _QUIET, 0.0) / _SLOPE, most)


def wait_before(rate: float, most: float, since_commit: float) -> float:
    """Return the seconds to wait before the next transaction begins.

    `rate` in events per second of the replica; `since_commit` in seconds since the shard's last commit.
    """
    return max(linger(rate, most), REST - since_commit, 0.0)


class EventRate:
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
