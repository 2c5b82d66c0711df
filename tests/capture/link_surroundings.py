"""A transport and a clock for a link under test."""

from __future__ import annotations

import asyncio


class Stream(asyncio.Transport):
    """A transport without a socket: stores what is written, and whether reading is paused."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.reading = True
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def is_reading(self) -> bool:
        return self.reading

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        self.closed = True

    def close(self) -> None:
        self.closed = True


class FakeClock:
    """A clock that a test sets, forwards or backwards: `us` since 1970 UTC, `seconds` monotonic."""

    def __init__(self) -> None:
        self.us = 1_930_000_000_000_000
        self.seconds = 100.0

    def now_us(self) -> int:
        return self.us

    def monotonic(self) -> float:
        return self.seconds
