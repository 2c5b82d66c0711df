"""Exponential back-off with jitter."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Backoff:
    """Exponential back-off with equal jitter: half of each delay is fixed, the other half is random.

    Without jitter all clients that lost a server at the same moment would reconnect at the same moment.
    """

    def __init__(
        self, random: Callable[[], float], *, first: float = 0.5, factor: float = 2.0, maximum: float = 10.0
    ) -> None:
        """Times in seconds. `random` returns a number from 0.0 up to 1.0."""
        self._random = random
        self._first = first
        self._factor = factor
        self._maximum = maximum
        self._delay = first

    def next(self) -> float:
        """Return how long to wait now: from half of the current delay to all of it. The delay grows with each call."""
        delay, self._delay = self._delay, min(self._factor * self._delay, self._maximum)
        return delay * (1.0 + self._random()) / 2.0

    def reset(self) -> None:
        """Begin with the first delay again, after an attempt that succeeded."""
        self._delay = self._first
