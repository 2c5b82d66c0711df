"""How much of an inbox stored transcripts may take up: less than live updates, because they can wait where they lie.

In memory a stored transcript is its text, what was read from it, and the records that are made of that: several times
what it counts as. A bulk read without such a limit would fill all of the inbox; live updates do so only while Kafka
does not take them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_LOW_WATER: Final = 0.5


class StoredShare:
    """Sizes as those of inputs (`inbox.memory_of`). `pause` is called when it is used up, `resume` at half of it."""

    def __init__(self, limit: int, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """It is empty; `limit` in bytes."""
        self._limit = limit
        self._pause = pause
        self._resume = resume
        self._queued = self._held = 0
        self._full = False

    def put(self, size: int) -> None:
        """Add an input that is queued."""
        self._queued += size
        if not self._full and self._queued + self._held >= self._limit:
            self._full = True
            self._pause()

    def take(self, size: int) -> None:
        """Take note that an input is held by a transaction now."""
        self._queued -= size
        self._held += size

    def drop(self, size: int) -> None:
        """Take note that an input is queued no more."""
        self._queued -= size

    def settle(self) -> None:
        """Release those that are held."""
        self._held = 0
        if self._full and self._queued <= self._limit * _LOW_WATER:
            self._full = False
            self._resume()
