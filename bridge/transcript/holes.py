"""The holes of a chat: which GAPs were told, which of them are filled, and what an absence may have cost.

A gap with known ids is filled once all of them are delivered; that is not stored, but told by the ids. A gap without an
end is filled by the next snapshot (gap_codes.UNTIL_JOINED) or never. A gap that stands for a withdrawn event is never
filled: its content is in the quarantine.

An absence begins when the chat is no longer watched, and is over with the first id above those that were told by then,
whichever message brings it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from bridge.transcript.entries import Gap
from bridge.transcript.gap_codes import NOT_IN_REPLAY, UNTIL_JOINED, WITHDRAWN
from bridge.transcript.ranges import IdRanges

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.errors import Problem

_LAST_ID: Final = 2**63 - 1


class Absence(NamedTuple):
    """Events above id `after` may have been missed; `since` in ms since 1970 UTC, None when that is not known."""

    after: int
    since: int | None


class Holes:
    """The GAPs of a chat. `absence` is the one that is not over yet."""

    __slots__ = ("_covered", "_filled", "_gaps", "absence", "highest", "withdrawn")

    def __init__(self, gaps: Iterable[Gap], filled: Iterable[Gap], absence: Absence | None) -> None:
        """Start from what `gaps` and `filled` returned."""
        self._gaps: list[Gap] = []
        self._filled = list(filled)
        self._covered = IdRanges()
        self.absence = absence
        self.highest = -1
        """The highest id that a gap names as missing; -1 when there is none."""
        self.withdrawn: set[int] = set()
        """Ids whose event could not be published."""
        for gap in gaps:
            self.add(gap)

    @property
    def gaps(self) -> list[Gap]:
        """All gaps that no snapshot has filled, in order. Not to be changed by the caller."""
        return self._gaps

    @property
    def filled(self) -> list[Gap]:
        """The gaps that a snapshot has filled, in order. Not to be changed by the caller."""
        return self._filled

    def __len__(self) -> int:
        """Count the gaps, filled ones included."""
        return len(self._gaps) + len(self._filled)

    def __contains__(self, event_id: int) -> bool:
        """Tell whether a gap with known ids names this one; if it is not delivered, that gap is open."""
        return event_id in self._covered

    def add(self, gap: Gap) -> None:
        """Remember a gap that was told."""
        self._gaps.append(gap)
        low, high = gap.from_event_id, gap.to_event_id
        if low is None or high is None:
            return
        self._covered.add_range(low, high)
        self.highest = max(self.highest, high)
        if gap.code in WITHDRAWN:
            self.withdrawn.add(low)

    def rejoined(self) -> None:
        """Note that a snapshot came: gaps that were to last until then are filled."""
        kept: list[Gap] = []
        for gap in self._gaps:
            ends = gap.to_event_id is None and gap.code in UNTIL_JOINED
            (self._filled if ends else kept).append(gap)
        self._gaps = kept

    def sorted_out(self, delivered: IdRanges) -> tuple[list[Gap], list[Gap]]:
        """Return (open gaps, filled gaps)."""
        still_open: list[Gap] = []
        filled = list(self._filled)
        for gap in self._gaps:
            (still_open if _is_open(gap, delivered) else filled).append(gap)
        return still_open, filled

    def lost_sight(self, after: int, since: int | None = None) -> None:
        """Begin an absence; one that is not over yet goes on, and `since` is when it was first known to have begun."""
        if self.absence is None:
            self.absence = Absence(after, since)
        elif self.absence.since is None:
            self.absence = Absence(self.absence.after, since)

    def missed(self, ids: Iterable[int], delivered: IdRanges, *, snapshot: bool) -> list[Gap]:
        """Return what the absence has cost, now that `ids` came; it is over if one of them is above.

        A snapshot tells all that it holds, so each of its holes counts. An increment tells only what came before it:
        holes between live events are legitimate. The gaps are not added.
        """
        absence = self.absence
        if absence is None:
            return []
        above = [event_id for event_id in ids if event_id > absence.after]
        if not above:
            return []
        self.absence = None
        known = IdRanges([*delivered.pairs(), *self._covered.pairs(), *((one, one) for one in above)])
        missing = known.missing_between(absence.after + 1, max(above) if snapshot else min(above))
        return [Gap(low, high, absence.since, NOT_IN_REPLAY) for low, high in missing]

    def lost(self, ids: Iterable[int], delivered: IdRanges, reason: Problem) -> list[Gap]:
        """Return the gaps to tell when an input with `ids` is lost; none if all that it brings was told as missing.

        An input without a new id may have held changes of events that are there: which ones is not known.
        """
        missing = [event_id for event_id in ids if event_id not in delivered]
        if not missing:
            return [Gap(None, None, None, reason.code, reason.detail)]
        untold = IdRanges((event_id, event_id) for event_id in missing if event_id not in self._covered)
        return [Gap(low, high, None, reason.code, reason.detail) for low, high in untold.pairs()]

    def rest(self, told: int, reason: Problem) -> Gap:
        """Return the gap that stands for all events to come, given the highest id that was told (-1: none)."""
        last = told if self.absence is None else min(told, self.absence.after)
        return Gap(last + 1 if 0 <= last < _LAST_ID else None, None, None, reason.code, reason.detail)


def _is_open(gap: Gap, delivered: IdRanges) -> bool:
    low, high = gap.from_event_id, gap.to_event_id
    if low is None or high is None or gap.code in WITHDRAWN:
        return True
    return bool(delivered.missing_between(low, high))
