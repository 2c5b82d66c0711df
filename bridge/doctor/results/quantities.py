"""Bytes and times in words, for lines that people read."""

from __future__ import annotations

from typing import Final

_UNITS: Final = ("kB", "MB", "GB", "TB")
_STEP: Final = 1_000
_MINUTE: Final = 60
_HOUR: Final = 3_600
_DAY: Final = 86_400
_FEW: Final = 2
"""Below so many of a unit, the smaller one says more."""
_ONE_DIGIT: Final = 10


def bytes_in_words(count: float) -> str:
    """Return a number of bytes in decimal units: 1.2 MB."""
    if count < _STEP:
        return f"{count:.0f} bytes"
    value, unit = count, ""
    for unit in _UNITS:  # noqa: B007 - the last one that was reached
        value /= _STEP
        if value < _STEP:
            break
    return f"{value:.1f} {unit}"


def seconds_in_words(seconds: float) -> str:
    """Return a duration in one unit: 3.5 days, 12 minutes."""
    if seconds < _FEW * _MINUTE:
        return f"{seconds:.3g} seconds"
    for size, name in ((_DAY, "days"), (_HOUR, "hours"), (_MINUTE, "minutes")):
        count = seconds / size
        if count >= _FEW:
            return f"{count:.1f} {name}" if count < _ONE_DIGIT else f"{count:.0f} {name}"
    return f"{seconds:.0f} seconds"
