"""Times of records: parsed from Chat Server's text, written as the text of a header. Nothing here reads a clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST_MS: Final = -62_135_596_800_000  # 0001-01-01: the range that the timestamp types of all readers share
_LATEST_MS: Final = 253_402_300_799_999  # 9999-12-31
_TO_THE_SECOND: Final = 19


def occurred_at(start_at: int | None, time_shift: int) -> int | None:
    """Return ms since 1970 UTC, or None when that is not known or outside the years 1 to 9999.

    `start_at` in ms since 1970 UTC; `time_shift` in seconds, of any size.
    """
    if start_at is None:
        return None
    at = start_at + time_shift * 1000
    return _within_calendar(at)


def _within_calendar(at: int) -> int | None:
    return at if _EARLIEST_MS <= at <= _LATEST_MS else None


def parse_start_at(text: str) -> int | None:
    """Return ms since 1970 UTC of an ISO-8601 time (`yyyy-MM-ddTHH:mm:ssZ`), or None for any other text.

    A fraction and an offset are accepted; a time without any zone is UTC, which is what Chat Server writes.
    """
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return _within_calendar((at - _EPOCH) // timedelta(milliseconds=1))


def rfc3339(at: int) -> str:
    """Write a time in us since 1970 UTC, in UTC; whole seconds without a fraction.

    Raises OverflowError outside the years 1 to 9999.
    """
    seconds, fraction = divmod(at, 1_000_000)
    written = _to_the_second(seconds)
    return f"{written}.{fraction:06}Z" if fraction else f"{written}Z"


@lru_cache(maxsize=256)  # events have whole seconds, and those of one transaction share few of them
def _to_the_second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()[:_TO_THE_SECOND]
