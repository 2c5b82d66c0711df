"""What was done to read a damaged stored transcript: a value per place and kind of repair, never text of the chat."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

MOST_PLACES: Final = 1_000
"""Limit for the repairs that are kept one by one; of further ones there is one count per code."""
_EVENT: Final = re.compile(r"<[A-Za-z_][^<>]*?\seventId\s*=\s*[\"']\s*([0-9]{1,19})\s*[\"']")


@dataclass(slots=True)
class TranscriptRepair:
    """One kind of repair on one line, done `count` times there; `code` is one of repair_codes.REPAIR_CODES.

    `line` counts from 1; 0 stands for all places beyond the first MOST_PLACES. `event_id` is that of the last event
    that begins before the first of these places, None before the first event.
    """

    code: str
    line: int
    event_id: int | None = None
    count: int = 1

    def __str__(self) -> str:
        """As a note."""
        where = f"line {self.line}" if self.line else "further places"
        near = "" if self.event_id is None else f", event {self.event_id}"
        times = "" if self.count == 1 else f" ({self.count} times)"
        return f"{where}{near}: {self.code}{times}"


class Places:
    """Finds the line and the event of a position in a text."""

    def __init__(self, text: str) -> None:
        """The text is looked through when a position is asked for first."""
        self._text = text
        self._breaks: list[int] | None = None
        self._starts: list[int] = []
        self._ids: list[int] = []

    def at(self, position: int) -> tuple[int, int | None]:
        """Return the line (from 1) and the id of the last event that begins at or before `position`."""
        if self._breaks is None:
            self._breaks = [found.start() for found in re.finditer("\n", self._text)]
            events = list(_EVENT.finditer(self._text))
            self._starts = [found.start() for found in events]
            self._ids = [int(found[1]) for found in events]
        event = bisect_right(self._starts, position)
        return bisect_right(self._breaks, position - 1) + 1, self._ids[event - 1] if event else None


class RepairLog:
    """Collects the repairs of one document, in the order in which they are found."""

    def __init__(self) -> None:
        """Nothing was repaired yet."""
        self._repairs: dict[tuple[str, int], TranscriptRepair] = {}

    def add(self, code: str, places: Places, position: int) -> None:
        """Note a repair at a position of the text that `places` knows."""
        line, event_id = places.at(position)
        if len(self._repairs) >= MOST_PLACES and (code, line) not in self._repairs:
            line, event_id = 0, None
        known = self._repairs.get((code, line))
        if known is None:
            self._repairs[code, line] = TranscriptRepair(code, line, event_id)
        else:
            known.count += 1

    @property
    def repairs(self) -> list[TranscriptRepair]:
        """All of them, by line."""
        return sorted(self._repairs.values(), key=lambda repair: (repair.line or 1 << 62, repair.code))

    def __len__(self) -> int:
        """Count the places."""
        return len(self._repairs)
