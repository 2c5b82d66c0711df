"""How fast joins may be asked for: one budget per Chat Server, whatever shard of whatever replica asks.

A Chat Server is sized for 10 opens per second with peaks of 30 (D16); a rejoin storm of hundreds of chats must not hit
it harder. Chats are spread over shards evenly, so a replica takes the share of the budget that its shards are of all
shards: together they never ask for more. The bucket is pure: it is asked with the time and answers how long to wait.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.capture.ports import Clock


class TokenBucket:
    """Tokens that refill at `rate` per second; no second sees more than `peak` of them, or one more than `rate`."""

    __slots__ = ("_at", "_rate", "_room", "_tokens")

    def __init__(self, rate: float, peak: float) -> None:
        """Start full, so that a quiet bridge joins at once."""
        self._rate = rate
        self._room = self._tokens = max(peak - rate, 1.0)
        self._at = 0.0

    def full(self, now: float, share: float = 1.0) -> bool:
        """Tell whether it is as good as new."""
        return self._tokens + (now - self._at) * self._rate * share >= self._most(share)

    def reserve(self, now: float, share: float = 1.0) -> float:
        """Take a token and return the seconds to wait before using it (0.0 when one was there).

        `share` is the part of rate and peak that is there for whoever asks.
        """
        rate = self._rate * share
        self._tokens = min(self._most(share), self._tokens + max(now - self._at, 0.0) * rate)
        self._at = now
        self._tokens -= 1.0
        return 0.0 if self._tokens >= 0.0 else -self._tokens / rate

    def _most(self, share: float) -> float:
        return max(self._room * share, 1.0)


class JoinRateLimiter:
    """The buckets of all servers, shared by the shards of a replica.

    `waiting` is how many chats stand in line at all lanes; those who line them up keep it.
    """

    def __init__(self, rate: float, peak: float, clock: Clock, share: Callable[[], float]) -> None:
        """`rate` and `peak` in joins per second and server, of all replicas; `share` tells which part is ours now."""
        self._rate = rate
        self._peak = peak
        self._clock = clock
        self._share = share
        self._buckets: dict[str, TokenBucket] = {}
        self.waiting = 0

    @property
    def remembered(self) -> int:
        """How many servers have a bucket."""
        return len(self._buckets)

    async def take(self, server: str) -> None:
        """Wait until one more join may be asked of `server`."""
        now, share = self._clock.monotonic(), self._share()
        bucket = self._buckets.pop(server, None) or TokenBucket(self._rate, self._peak)
        # Those used longest ago stand in front: addresses that nobody asks for any more do not pile up.
        while self._buckets and next(iter(self._buckets.values())).full(now, share):
            del self._buckets[next(iter(self._buckets))]
        self._buckets[server] = bucket
        delay = bucket.reserve(now, share)
        if delay > 0:
            await asyncio.sleep(delay)
