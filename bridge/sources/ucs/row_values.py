"""From the values that a driver gives to a row: whatever they are, one row that is odd costs no other row."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import DataError

from bridge.sources.ucs.interaction_rows import NO_START, ReadText, RowHead

if TYPE_CHECKING:
    from sqlalchemy import Row

ROW_ERRORS: Final = (DataError, ValueError, OverflowError, TypeError)
"""What a driver raises for a value that it cannot give: an infinite date, one after the year 9999, half a character."""
NO_STATUS: Final = -1


def head_of(row: Row[Any]) -> RowHead:
    """Return a row without its text; one whose values are not of a row is `unreadable`."""
    row_id = str(row.id)
    try:
        start = _in_utc(row.start_date)
    except ROW_ERRORS:
        return unreadable_head(row_id, "STARTDATE cannot be used")
    try:
        return RowHead(row_id, NO_STATUS if row.status is None else int(row.status), start, row.length)
    except ROW_ERRORS:
        return RowHead(row_id, NO_STATUS, start, None, "STATUS cannot be used")


def unreadable_head(row_id: str, why: str) -> RowHead:
    """Return a row of which only the id is known."""
    return RowHead(row_id, NO_STATUS, NO_START, None, why)


def text_of(value: object) -> ReadText:
    """Return a text that was fetched."""
    if isinstance(value, bytearray | memoryview):
        return ReadText(bytes(value))
    if value is None or isinstance(value, str | bytes):
        return ReadText(value)
    return ReadText(unreadable=f"the text is of type {type(value).__name__}")


def _in_utc(at: object) -> datetime:
    """Return a time in UTC without a zone, which is what the column holds unless it has a zone. Raises ValueError."""
    if not isinstance(at, datetime):
        raise ValueError("no time")  # noqa: TRY004 - a value of the database, not of a caller
    return at if at.tzinfo is None else at.astimezone(UTC).replace(tzinfo=None)
