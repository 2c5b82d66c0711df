"""Limits the rate of joins per Chat Server, for all shards of all workers together.

A Chat Server is sized for 10 openings per second with peaks of 30 (D16); a rejoin storm of hundreds of chats must not
exceed that. Chats are spread evenly over shards, so each worker takes the share of the rate that its shards are of all
shards: nobody has to coordinate. The bucket is pure: the time is an argument, the answer is how long to wait.
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
        """Start full, so that the first joins need not wait."""
        self._rate = rate
        self._room = self._tokens = max(peak - rate, 1.0)
        self._at = 0.0

    def full(self, now: float, share: float = 1.0) -> bool:
        """Tell whether it has refilled completely."""
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

    def left(self, now: float, share: float = 1.0) -> float:
        """Return the tokens that are there at `now`; below 0 when some are taken in advance."""
        return min(self._most(share), self._tokens + max(now - self._at, 0.0) * self._rate * share)

    def _most(self, share: float) -> float:
        return max(self._room * share, 1.0)


class JoinRateLimiter:
    """The buckets of all servers, shared by the shards of one worker.

    `waiting` is the number of chats in all queues; whoever queues them keeps it up to date.
    """

    def __init__(self, rate: float, peak: float, clock: Clock, share: Callable[[], float]) -> None:
        """`rate` and `peak` in joins per second and server, of all workers; `share` tells which part is ours now."""
        self._rate = rate
        self._peak = peak
        self._clock = clock
        self._share = share
        self._buckets: dict[str, TokenBucket] = {}
        self._open = asyncio.Event()
        self._open.set()
        self.waiting = 0

    @property
    def remembered(self) -> int:
        """Number of servers that have a bucket."""
        return len(self._buckets)

    @property
    def budget(self) -> int:
        """Number of joins that may be sent at once right now, at the server that has the fewest."""
        now, share = self._clock.monotonic(), self._share()
        fresh = TokenBucket(self._rate, self._peak).left(now, share)
        return max(int(min((one.left(now, share) for one in self._buckets.values()), default=fresh)), 0)

    @property
    def paused(self) -> bool:
        """Whether `take` waits for `resume`."""
        return not self._open.is_set()

    def pause(self) -> None:
        """Let nobody take a join any more, until `resume`."""
        self._open.clear()

    def resume(self) -> None:
        """Let joins be taken again."""
        self._open.set()

    async def opened(self) -> None:
        """Wait until joins may be taken: at once, unless they are paused."""
        await self._open.wait()

    async def take(self, server: str) -> None:
        """Wait until one more join may be sent to `server`."""
        now, share = self._clock.monotonic(), self._share()
        bucket = self._buckets.pop(server, None) or TokenBucket(self._rate, self._peak)
        # The least recently used come first: buckets of addresses that are no longer used do not accumulate.
        while self._buckets and next(iter(self._buckets.values())).full(now, share):
            del self._buckets[next(iter(self._buckets))]
        self._buckets[server] = bucket
        delay = bucket.reserve(now, share)
        if delay > 0:
            await asyncio.sleep(delay)
