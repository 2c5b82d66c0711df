"""How fast joins may be asked for: one budget per Chat Server, whatever shard asks.

A Chat Server is sized for 10 opens per second with peaks of 30 (D16); a rejoin storm of hundreds of chats must not hit
it harder. The bucket is pure: it is asked with the time and answers how long to wait.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.capture.ports import Clock


class Bucket:
    """Tokens that refill at `rate` per second up to `peak`."""

    __slots__ = ("_at", "_peak", "_rate", "_tokens")

    def __init__(self, rate: float, peak: float) -> None:
        """Start full, so that a quiet bridge joins at once."""
        self._rate = rate
        self._peak = peak
        self._tokens = peak
        self._at = 0.0

    def full(self, now: float) -> bool:
        """Tell whether it is as good as new."""
        return self._tokens + (now - self._at) * self._rate >= self._peak

    def reserve(self, now: float) -> float:
        """Take a token and return the seconds to wait before using it (0.0 when one was there)."""
        self._tokens = min(self._peak, self._tokens + max(now - self._at, 0.0) * self._rate)
        self._at = now
        self._tokens -= 1.0
        return 0.0 if self._tokens >= 0.0 else -self._tokens / self._rate


class JoinBudget:
    """The buckets of all servers, shared by the shards of a replica.

    `waiting` is how many chats stand in line at all lanes; those who line them up keep it.
    """

    def __init__(self, rate: float, peak: float, clock: Clock) -> None:
        """`rate` in joins per second and server, `peak` in joins."""
        self._rate = rate
        self._peak = peak
        self._clock = clock
        self._buckets: dict[str, Bucket] = {}
        self.waiting = 0

    @property
    def remembered(self) -> int:
        """How many servers have a bucket."""
        return len(self._buckets)

    async def take(self, server: str) -> None:
        """Wait until one more join may be asked of `server`."""
        now = self._clock.monotonic()
        bucket = self._buckets.pop(server, None) or Bucket(self._rate, self._peak)
        # Those used longest ago stand in front: addresses that nobody asks for any more do not pile up.
        while self._buckets and next(iter(self._buckets.values())).full(now):
            del self._buckets[next(iter(self._buckets))]
        self._buckets[server] = bucket
        delay = bucket.reserve(now)
        if delay > 0:
            await asyncio.sleep(delay)
