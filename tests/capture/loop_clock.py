"""The clock of workers in tests that play on the event loop."""

from __future__ import annotations

import asyncio


class LoopClock:
    """The event loop's clock."""

    def now_us(self) -> int:
        return int(self.monotonic() * 1_000_000)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()
