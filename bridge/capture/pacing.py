"""Pacing of the transactions of one shard: how long it waits before it starts the next one.

One transaction for all shards has a rest of its own (`worker_transactions.py`).

There are two reasons to wait, both measured against Apache Kafka (`make bench`):

* A broker answers the end of a transaction before it has written the commit markers. A transaction that begins in
  between is refused once and retried after 20 ms (a constant of aiokafka). A pause of 5 ms after a commit lets
  back-to-back transactions take 3 ms each instead of 24.
* A transaction costs about a millisecond of CPU whatever it contains. At a small load that is cheap, and a linger would
  only add latency. At a high load twelve shards that commit back to back would spend more on transactions than on
  events: the linger grows with the load of the whole worker, so that each transaction carries more.
"""

from __future__ import annotations

from typing import Final

REST: Final = 0.005
"""Seconds between the end of a transaction and the start of the next one of the same shard."""
_QUIET: Final = 1_000.0
"""Events per second up to which there is no linger."""
_SLOPE: Final = 20_000.0
"""Above it, one second of linger per this many further events per second: 150 ms at 4,000/s."""
_GOLDEN: Final = 0.618
"""Multiples of the golden section, modulo one, are far from each other, however many there are."""


def linger(events_per_second: float, most: float) -> float:
    """Return the linger in seconds, at most `most`."""
    return min(max(events_per_second - _QUIET, 0.0) / _SLOPE, most)


def wait_before(rate: float, most: float, since_commit: float, rest: float) -> float:
    """Return the seconds to wait before the next transaction of a shard begins.

    `rate` in events per second of the worker; `since_commit` in seconds since the shard's last commit, of which `rest`
    have to pass at least.
    """
    return max(linger(rate, most), rest - since_commit, 0.0)


def earlier(partition: int) -> float:
    """Return the part of an interval, below a half, by which the first look of a shard at its logs comes earlier.

    Shards are opened together, and a look is some ten milliseconds of CPU and delays its shard's events: twelve at once
    were seen as delays of several hundred milliseconds.
    """
    return partition * _GOLDEN % 1.0 / 2


class EventRate:
    """Events per second, smoothed over about `window` seconds. The time is an argument of every call."""

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
