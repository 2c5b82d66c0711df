"""How far a long command has come, on a terminal only: one line of standard error that is written over."""

from __future__ import annotations

import sys
import time
from typing import Final

_SECONDS: Final = 0.5
_PERCENT: Final = 100


class Progress:
    """Shows parts of a whole that come in any order, each of which only grows; silent where nobody looks."""

    def __init__(self, what: str, whole: int) -> None:
        """`whole` is the sum of what all parts will reach; 0: it is not known."""
        self._what = what
        self._whole = whole
        self._parts: dict[int, int] = {}
        self._shown = sys.stderr.isatty()
        self._next = time.monotonic() + _SECONDS

    def reached(self, part: int, value: int) -> None:
        """Note how far a part has come, and show the sum from time to time."""
        self._parts[part] = value
        if self._shown and time.monotonic() >= self._next:
            self._next = time.monotonic() + _SECONDS
            done = sum(self._parts.values())
            share = f" of {self._whole:,} {_PERCENT * done // self._whole} %" if self._whole else ""
            sys.stderr.write(f"\r\x1b[K{self._what}: {done:,}{share}")
            sys.stderr.flush()

    def end(self) -> None:
        """Remove the line."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
