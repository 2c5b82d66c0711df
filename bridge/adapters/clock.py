"""The system clocks, as the `Clock` of `capture/ports.py`."""

from __future__ import annotations

import time


class SystemClock:
    """Wall clock and monotonic clock of the machine."""

    def now_us(self) -> int:
        """Return wall clock time in microseconds since 1970 UTC; it may be set back."""
        return time.time_ns() // 1_000

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start; they never go back."""
        return time.monotonic()
