"""The holes of a chat: which GAPs were told, which of them are filled, and what an absence may have cost.

A gap with known ids is filled once all of them are delivered; that is not stored, but told by the ids. A gap without an
end is filled by the next snapshot (gap_codes.UNTIL_JOINED) or never. A gap that stands for a withdrawn event is never
filled: its content is in the quarantine.

An event that comes later names the GAP that missed it: the first one whose ids hold its own, or the first one without
an end that this snapshot has filled.

An absence begins when the chat is no longer watched, and is over with the first id above those that were told by then,
whichever message brings it.
"""

from __future__ import annotations

from dataclasses import replace
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final, NamedTuple

from bridge.transcript.entries import LIVE, Gap
from bridge.transcript.gap_codes import NOT_IN_REPLAY, NOT_STORED, UNTIL_JOINED, UNTIL_STORED, WITHDRAWN
from bridge.transcript.ranges import IdRanges

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

    from bridge.errors import Problem
    from bridge.transcript.entries import Entry
    from bridge.transcript.stored_updates import StoredUpdate

_LAST_ID: Final = 2**63 - 1
NO_GAPS: Final[list[Gap]] = []
NO_NUMBERS: Final[list[int]] = []
_NO_IDS: Final = IdRanges()
_NONE_WITHDRAWN: Final[AbstractSet[int]] = frozenset()


class Absence(NamedTuple):
    """Events above id `after` may have been missed; `since` in ms since 1970 UTC, None when that is not known."""

    after: int
    since: int | None


class Holes:
    """The GAPs of a chat. `absence` is the one that is not over yet."""

    # Most chats have no gap: what is empty is the same object for all, and every change makes a new list.
    __slots__ = (
        "_covered",
        "_filled",
        "_filled_sequences",
        "_gaps",
        "_sequences",
        "absence",
        "highest",
        "withdrawn",
    )

    def __init__(
        self,
        gaps: Iterable[Gap],
        sequences: Iterable[int],
        filled: Iterable[Gap],
        absence: Absence | None,
        filled_sequences: Iterable[int] = (),
    ) -> None:
        """Start from what the properties of these names returned; the sequences of `filled` may be fewer."""
        self._gaps = [*gaps] or NO_GAPS
        self._sequences = [*sequences] or NO_NUMBERS
        self._filled = [*filled] or NO_GAPS
        told = list(filled_sequences)[: len(self._filled)]
        self._filled_sequences = [*told, *[0] * (len(self._filled) - len(told))] or NO_NUMBERS
        self._covered = _NO_IDS
        self.absence = absence
        self.highest = -1
        """The highest id that a gap names as missing; -1 when there is none."""
        self.withdrawn: AbstractSet[int] = _NONE_WITHDRAWN
        """Ids whose event could not be published."""
        for gap in self._filled:
            self._name(gap)
        for gap, _ in zip(self._gaps, self._sequences, strict=True):
            self._name(gap)

    @property
    def gaps(self) -> list[Gap]:
        """All gaps that no snapshot or stored transcript has filled, in order. The list never changes."""
        return self._gaps

    @property
    def sequences(self) -> list[int]:
        """The sequences of the records of `gaps`. The list never changes."""
        return self._sequences

    @property
    def filled(self) -> list[Gap]:
        """The gaps that a snapshot or stored transcript has filled, in order. The list never changes."""
        return self._filled

    @property
    def filled_sequences(self) -> list[int]:
        """The sequences of the records of `filled`, 0 where one is not known. The list never changes."""
        return self._filled_sequences

    def __len__(self) -> int:
        """Count the gaps, filled ones included."""
        return len(self._gaps) + len(self._filled)

    def __contains__(self, event_id: int) -> bool:
        """Tell whether a gap with known ids names this one; if it is not delivered, that gap is open."""
        return event_id in self._covered

    def add(self, gap: Gap, sequence: int) -> None:
        """Remember a gap that was told by the record with this sequence."""
        self._gaps, self._sequences = [*self._gaps, gap], [*self._sequences, sequence]
        self._name(gap)

    def _name(self, gap: Gap) -> None:
        low, high = gap.from_event_id, gap.to_event_id
        if low is None or high is None:
            return
        if self._covered is _NO_IDS:
            self._covered = IdRanges()
        self._covered.add_range(low, high)
        self.highest = max(self.highest, high)
        if gap.code in WITHDRAWN:
            self.withdrawn = self.withdrawn | {low}

    def rejoined(self, *, last: bool = True) -> list[tuple[int, int]]:
        """Note that a snapshot came: gaps that were to last until then are filled, with its last part.

        Return (first id that may have been missing, sequence of the gap's record) of each of them.
        """
        ended: list[tuple[int, int]] = []
        places: set[int] = set()
        for place, gap in enumerate(self._gaps):
            if gap.to_event_id is None and gap.code in UNTIL_JOINED:
                ended.append((gap.from_event_id or 0, self._sequences[place]))
                places.add(place)
        if last:
            self._fill(places)
        return ended

    def _fill(self, places: set[int]) -> None:
        """Take the gaps at these places as filled."""
        if not places:
            return
        gaps, sequences, closed = self._gaps, self._sequences, sorted(places)
        others = [place for place in range(len(gaps)) if place not in places]
        self._gaps = [gaps[place] for place in others] or NO_GAPS
        self._sequences = [sequences[place] for place in others] or NO_NUMBERS
        self._filled = [*self._filled, *(gaps[place] for place in closed)]
        self._filled_sequences = [*self._filled_sequences, *(sequences[place] for place in closed)]

    def name_filled(self, entries: Iterable[Entry], ended: list[tuple[int, int]]) -> None:
        """Say of each new event which GAP it fills; `ended` is what `rejoined` or `open_ended` returned for the same.

        The events have rising ids. A live event fills none: one that was told as missing is not live.
        """
        if not ended and self.highest < 0:
            return
        waiting: list[tuple[int, int, int]] | None = None
        begun: list[tuple[int, int]] = []  # a heap of (sequence, last id)
        for entry in entries:
            event = entry.event
            if event is None or entry.origin == LIVE or entry.amendment:
                continue
            if waiting is None:
                waiting = self._ranges_told()
            while waiting and waiting[-1][0] <= event.event_id:
                heappush(begun, waiting.pop()[1:])
            while begun and begun[0][1] < event.event_id:
                heappop(begun)
            open_ended = (sequence for low, sequence in ended if low <= event.event_id)
            entry.fills = begun[0][0] if begun else next(open_ended, None)

    def _ranges_told(self) -> list[tuple[int, int, int]]:
        """Return (first id, sequence, last id) of the gaps with known ids, highest first."""
        told = [
            (gap.from_event_id, sequence, gap.to_event_id)
            for gap, sequence in (
                *zip(self._gaps, self._sequences, strict=True),
                *zip(self._filled, self._filled_sequences, strict=True),
            )
            if sequence and gap.from_event_id is not None and gap.to_event_id is not None
        ]
        return sorted(told, reverse=True)

    # --- stored transcripts --------------------------------------------------------------------------------------

    def open_ended(self) -> list[tuple[int, int]]:
        """Return (first id that may be missing, sequence) of the gaps without an end that stored events may fill."""
        told = zip(self._gaps, self._sequences, strict=True)
        return [
            (gap.from_event_id or 0, at) for gap, at in told if gap.to_event_id is None and gap.code in UNTIL_STORED
        ]

    def covered(self, stored: StoredUpdate, delivered: IdRanges) -> list[int]:
        """Return the sequences of the gaps that the last stored transcript of the chat closes, whatever it holds.

        What of them it does not have was never stored: typing is not, for instance. It says nothing of what it has
        lost itself, nor of what comes after its end: a server that fails over may not have saved its last events.
        """
        told = zip(self._gaps, self._sequences, strict=True)
        return [
            at
            for gap, at in told
            if gap.code not in NOT_STORED and _is_open(gap, delivered) and stored.tells_all_of(gap)
        ]

    def damaged(self, losses: Iterable[Gap], delivered: IdRanges, *, again: bool) -> list[Gap]:
        """Return the gaps to tell of what a last stored transcript has lost; they are not added.

        `again`: another one was folded before. What that one told, or had, is not told again.
        """
        known = IdRanges([*delivered.pairs(), *self._covered.pairs()])
        found: list[Gap] = []
        for gap in losses:
            low, high = gap.from_event_id, gap.to_event_id
            if low is not None and high is not None:
                missing = known.missing_between(low, high)
                found += [replace(gap, from_event_id=first, to_event_id=last) for first, last in missing]
            elif not again:
                found.append(gap)
        return found

    def close(self, covered: Iterable[int], reach: int) -> None:
        """Take the gaps with these sequences as filled; nothing up to the id `reach` is missed by an absence."""
        closed = frozenset(covered)
        self._fill({place for place, sequence in enumerate(self._sequences) if sequence in closed})
        if self.absence is not None:
            self.absence = self.absence._replace(after=max(self.absence.after, reach))

    # --- certificates and absences -------------------------------------------------------------------------------

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

    def missed(self, ids: Iterable[int], delivered: IdRanges, *, snapshot: bool, last: bool = True) -> list[Gap]:
        """Return what the absence has cost, now that `ids` came; it is over if one of them is above.

        A snapshot tells all that it holds, so each of its holes counts. An increment tells only what came before it:
        holes between live events are legitimate. A part of a snapshot that is not the `last` one tells all up to the
        highest of `ids`, and the absence goes on above that. The gaps are not added.
        """
        absence = self.absence
        if absence is None:
            return []
        above = [event_id for event_id in ids if event_id > absence.after]
        if not above:
            return []
        self.absence = None if last or not snapshot else Absence(max(above), absence.since)
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
