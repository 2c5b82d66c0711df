"""The queue of inputs between a source and its shard's transactions: bounded in bytes, nothing dropped (P6).

`put` always accepts; a full inbox makes its owner pause reading, so that TCP back-pressure reaches the server. Data
that was already read may still arrive: the limit is exceeded by at most one read per connection.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.transcript.updates import Update

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.announcement import Announcement

_LOW_WATER: Final = 0.5


@dataclass(slots=True, frozen=True)
class Announced:
    """A record of the shard's announcements partition: the announcement, or why it is unreadable, and the raw bytes."""

    offset: int
    raw: bytes
    key: bytes | None
    announcement: Announcement | None
    problem: str = ""
    observed_at: int = 0


@dataclass(slots=True, frozen=True)
class Forgotten:
    """What Kafka has forgotten, as far as a transaction has to tell it.

    `without_records`: chats whose events have gone from their topic. `without_place`: chats that are open, and that no
    announcement tells the place of any more. `next_announcement` is the offset to commit, None when it is unchanged.
    """

    observed_at: int
    without_records: frozenset[str] = frozenset()
    without_place: frozenset[str] = frozenset()
    next_announcement: int | None = None


Input = Update | Announced | Forgotten


class Inbox:
    """First in, first out. `pause` is called when it fills, `resume` when it is half empty again."""

    def __init__(self, limit: int, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """`limit` in bytes, in the sense of `put`'s `size`."""
        self.held: list[Input] = []  #: taken, and not settled yet
        self._limit = limit
        self._pause = pause
        self._resume = resume
        self._waiting: deque[tuple[Input, int, float]] = deque()
        self._bytes = 0
        self._held_bytes = 0
        self._held_since: float | None = None
        self._full = False
        self._arrived = asyncio.Event()

    def __len__(self) -> int:
        """Return the number of queued inputs."""
        return len(self._waiting)

    @property
    def bytes(self) -> int:
        """Bytes queued or held by the transaction in progress."""
        return self._bytes + self._held_bytes

    @property
    def uncommitted(self) -> int:
        """Number of inputs queued or held by the transaction in progress."""
        return len(self._waiting) + len(self.held)

    @property
    def updates(self) -> int:
        """Number of those that came from the source."""
        held = sum(not isinstance(item, Announced) for item in self.held)
        return held + sum(not isinstance(item, Announced) for item, _, _ in self._waiting)

    @property
    def paused(self) -> bool:
        """Whether reading is paused."""
        return self._full

    def age(self, now: float) -> float:
        """Return the seconds since the oldest uncommitted input was put, by monotonic time; 0.0 when there is none."""
        oldest = self._held_since
        if oldest is None and self._waiting:
            oldest = self._waiting[0][2]
        return 0.0 if oldest is None else max(now - oldest, 0.0)

    def put(self, item: Input, size: int, now: float) -> None:
        """Append an input that counts as `size` bytes, at monotonic time `now`."""
        self._waiting.append((item, size, now))
        self._bytes += size
        self._arrived.set()
        if not self._full and self.bytes >= self._limit:
            self._full = True
            self._pause()

    async def arrival(self) -> None:
        """Wait until it is not empty, or for `wake`."""
        if not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()

    def wake(self) -> None:
        """End a wait in `arrival` although the inbox is empty."""
        self._arrived.set()

    def take(self, most_bytes: int) -> list[Input]:
        """Remove inputs in order, up to `most_bytes` (but at least one if there is one); they are held now."""
        self._held_since = self._waiting[0][2] if self._waiting else None
        self.held = []
        held = 0
        while self._waiting and (not self.held or held + self._waiting[0][1] <= most_bytes):
            item, size, _ = self._waiting.popleft()
            self.held.append(item)
            held += size
        self._bytes -= held
        self._held_bytes += held
        return self.held

    def drop_announcements(self) -> None:
        """Forget the announcements that are queued: whoever has the shard next reads them again."""
        kept = [one for one in self._waiting if not isinstance(one[0], Announced)]
        self._waiting = deque(kept)
        self._bytes = sum(size for _, size, _ in kept)

    def settle(self) -> None:
        """Release the inputs taken, which are now committed."""
        self.held = []
        self._held_bytes = 0
        self._held_since = None
        if self._full and self.bytes <= self._limit * _LOW_WATER:
            self._full = False
            self._resume()
