"""How far STARTDATE of a row lies from the start in its transcript: UCS writes UTC, but not every writer does. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from bridge.transcript.times import parse_start_at

if TYPE_CHECKING:
    from bridge.sources.ucs.interaction_rows import RowHead

_QUARTER: Final = timedelta(minutes=15)
_START_AT: Final = re.compile(rb"""\sstartAt\s*=\s*["']([^"']{1,64})["']""")
_BEGINNING: Final = 4_096
_MOST_TOLD: Final = 16
"""Zones with their summer times; a table with more different offsets has no zone, and a line for each says nothing."""


def offset_minutes(start_date: datetime, start_at: str | None) -> int:
    """Return STARTDATE minus `startAt`, rounded to quarters of an hour as zones are; 0 without a readable one."""
    at = parse_start_at(start_at or "")
    if at is None:
        return 0
    return 15 * round((start_date - datetime.fromtimestamp(at / 1000, UTC).replace(tzinfo=None)) / _QUARTER)


def offset_of(head: RowHead, document: bytes) -> int:
    """Return that of a row and its transcript, which is looked for in the beginning of the document."""
    found = _START_AT.search(document, 0, _BEGINNING)
    return 0 if found is None else offset_minutes(head.start_date, found[1].decode("ascii", "replace"))


class StartOffsets:
    """The offsets that were seen. `latest` is that of the last row, in minutes."""

    def __init__(self) -> None:
        """None was seen yet."""
        self.latest = 0
        self._told: set[int] = set()

    def is_new(self, head: RowHead, document: bytes) -> bool:
        """Take over that of a row; return whether it is to be told: another one, and not one too many."""
        self.latest = minutes = offset_of(head, document)
        if not minutes or minutes in self._told or len(self._told) >= _MOST_TOLD:
            return False
        self._told.add(minutes)
        return True
