"""The machine's clocks."""

from __future__ import annotations

import time


class SystemClock:
    """Wall clock in us since 1970 UTC; monotonic clock in seconds."""

    def now_us(self) -> int:
        """Microseconds since 1970 UTC."""
        return time.time_ns() // 1_000

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()
