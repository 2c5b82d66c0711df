"""What one output holds of a chat of which it does not hold all records, and the certificate that follows from it.

An output may take a part of the records, or not have taken the chat all the time. Sequences are those of the chat, so
they have holes there; the hash chain goes on over them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from bridge.records.binary import NULL, SOME, array, long, long_map, optional_long
from bridge.transcript.completeness import (
    EXPECTED_CLASSES,
    LEFT_OUT,
    MissingIds,
    due_reasons,
    holes_with,
    verdict_of,
    with_set_aside,
)
from bridge.transcript.entries import GAP, RESUMED, Certificate, OutputPart
from bridge.transcript.gap_codes import IDS_REUSED, UNEXPLAINED_IDS, WITHDRAWN
from bridge.transcript.ranges import IdRanges
from bridge.transcript.words import WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bridge.records.output_chains import OutputGap
    from bridge.transcript.entries import Entry, Gap


_Mark = tuple[tuple[bool, int, int | None, int, int], dict[str, int], tuple[list[int], list[int]]]


@dataclass(slots=True, frozen=True)
class HeldState:
    """What a checkpoint holds of it.

    `ended`: the output takes the chat no longer. `last` is the sequence of the last record there, `certified` that of
    the last certificate, None without one since the chat was opened there. `counts` are per kind; `amended` and
    `reused` count amendments.
    """

    ended: bool = False
    last: int = 0
    certified: int | None = None
    counts: dict[str, int] = field(default_factory=dict)
    id_ranges: list[tuple[int, int]] = field(default_factory=list)
    amended: int = 0
    reused: int = 0


def held_block(held: HeldState | None) -> bytes:
    """Encode a nullable HeldRecords."""
    if held is None:
        return NULL
    return b"".join(
        (
            SOME,
            b"\1" if held.ended else b"\0",
            long(held.last),
            optional_long(held.certified),
            long_map(held.counts),
            array(map(long, chain.from_iterable(held.id_ranges))),
            long(held.amended),
            long(held.reused),
        )
    )


def held_state(record: dict[str, Any] | None) -> HeldState | None:
    """Return what `held_block` encoded, decoded by Avro."""
    if record is None:
        return None
    edges = record["idRanges"]
    return HeldState(
        record["ended"],
        record["lastSequence"],
        record["certified"],
        {WORDS.get(kind, kind): count for kind, count in record["counts"].items()},
        list(zip(edges[::2], edges[1::2], strict=True)),
        record["amendments"],
        record["idsReused"],
    )


class HeldRecords:
    """The records of one chat in one output, as they are added; fields as those of `HeldState`."""

    __slots__ = ("_marked", "amended", "certified", "counts", "ended", "ids", "last", "reused")

    def __init__(self, state: HeldState | None = None) -> None:
        """Go on from a state; without one, nothing is there."""
        state = state or HeldState()
        self.ended, self.last, self.certified = state.ended, state.last, state.certified
        self.counts, self.ids = dict(state.counts), IdRanges(state.id_ranges)
        self.amended, self.reused = state.amended, state.reused
        self._marked: _Mark | None = None
        self.mark()

    def state(self) -> HeldState:
        """Return what goes into a checkpoint."""
        return HeldState(
            self.ended, self.last, self.certified, dict(self.counts), self.ids.pairs(), self.amended, self.reused
        )

    def mark(self) -> None:
        """Remember this moment for `undo`."""
        flags = (self.ended, self.last, self.certified, self.amended, self.reused)
        self._marked = (flags, self.counts.copy(), self.ids.edges())

    def checkpointed(self) -> None:
        """Forget the last `mark`."""
        self._marked = None

    def undo(self) -> None:
        """Go back to the last `mark`; to be called after one only."""
        if self._marked is None:
            raise RuntimeError("there is no mark to go back to")
        flags, counts, edges = self._marked
        self.ended, self.last, self.certified, self.amended, self.reused = flags
        self.counts = counts.copy()
        self.ids.reset(edges)

    def add(self, entry: Entry) -> None:
        """Take a record that was added."""
        self.last = entry.sequence
        self.counts[entry.kind] = self.counts.get(entry.kind, 0) + 1
        if entry.event is None:
            return
        if not entry.amendment:
            self.ids.add(entry.event.event_id)
        elif entry.reused:
            self.reused += 1
        else:
            self.amended += 1

    def certificate(self, whole: Certificate, own: Sequence[OutputGap]) -> Certificate:
        """Return what can be vouched for here: what is here, given the chat's certificate and the gaps of this output.

        Gaps of the chat are told whether their records are here or not: what is missing everywhere is missing here.
        """
        lacking = {one.event_id for one in own if one.event_id is not None}
        left = IdRanges(pair for low, high in whole.id_ranges for pair in self.ids.missing_between(low, high))
        for event_id in lacking:
            left.remove(event_id)
        reopened = [gap for gap in whole.filled if misses(gap, lacking)]
        gaps = [*whole.gaps, *reopened, *(one.gap for one in own)]
        holes = whole.holes
        if holes is not None:
            here = [MissingIds(low, high, LEFT_OUT) for low, high in left.pairs()]
            holes = holes_with(with_set_aside(holes, lacking) or [], here, highest=_highest(self.ids, gaps))
        reasons = set(whole.reasons) - EXPECTED_CLASSES.keys() - {UNEXPLAINED_IDS}
        reasons |= due_reasons(gaps, holes or ())
        if not self.reused:
            reasons.discard(IDS_REUSED)
        return replace(
            whole,
            verdict=verdict_of(reasons),
            reasons=sorted(reasons),
            last_sequence=self.last,
            counts=dict(self.counts),
            id_ranges=self.ids.pairs(),
            gaps=gaps,
            filled=[gap for gap in whole.filled if not misses(gap, lacking)],
            holes=holes,
            amendments=self.amended,
            ids_reused=self.reused,
            quarantined=whole.quarantined + sum(one.gap.code in WITHDRAWN for one in own),
            rejoins=self.counts.get(RESUMED, 0),
            supersedes=self.certified,
            part=OutputPart(self._left_counts(whole.counts, own), left.pairs()),
        )

    def _left_counts(self, counts: dict[str, int], own: Sequence[OutputGap]) -> dict[str, int]:
        here = {**self.counts, GAP: self.counts.get(GAP, 0) - len(own)}  # those stand for records that are not here
        left = {kind: count - here.get(kind, 0) for kind, count in counts.items()}
        for one in own:
            if one.kind != GAP and one.kind in left:
                left[one.kind] -= 1  # a GAP tells of it
        return {kind: count for kind, count in left.items() if count > 0}


def held_of(whole: Certificate, *, certified: int | None) -> HeldState:
    """Return what is there of a chat of which an output holds all: what a certificate of it would say now."""
    return HeldState(
        last=whole.last_sequence,
        certified=certified,
        counts=whole.counts,
        id_ranges=whole.id_ranges,
        amended=whole.amendments,
        reused=whole.ids_reused,
    )


def misses(gap: Gap, lacking: set[int]) -> bool:
    """Tell whether an event that filled a gap elsewhere is one that an output lacks."""
    low, high = gap.from_event_id, gap.to_event_id
    return low is not None and high is not None and any(low <= one <= high for one in lacking)


def _highest(ids: IdRanges, gaps: Iterable[Gap]) -> int:
    named = (gap.to_event_id for gap in gaps if gap.from_event_id is not None and gap.to_event_id is not None)
    return max([ids.maximum or 0, *named])
