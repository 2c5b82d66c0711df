"""What is missing of a chat, by what is known of the reason; and the verdict that follows from it.

A hole is a range of event ids without a record. Its class is a statement about how it came about, never about what it
held: no source tells the content of an id that it does not show. Expected are the classes that say that a silent
monitor may never be sent such an event; all others make a chat INCOMPLETE.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from bridge.transcript import gap_codes
from bridge.transcript.client_versions import withholds_events
from bridge.transcript.entries import COMPLETE, COMPLETE_WITH_EXPECTED_HOLES, INCOMPLETE
from bridge.transcript.events import FIRST_ID
from bridge.transcript.ranges import IdRanges

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from bridge.transcript.entries import Gap
    from bridge.transcript.watch import Watch

BEFORE_JOIN: Final = "BEFORE_JOIN"
DIRECT_MESSAGE_SUSPECTED: Final = "DIRECT_MESSAGE_SUSPECTED"
WITHHELD_BY_VERSION: Final = "WITHHELD_BY_VERSION"
TYPING_ONLY: Final = "TYPING_ONLY"
NOT_CLASSIFIED: Final = "NOT_CLASSIFIED"
LEFT_OUT: Final = "LEFT_OUT"
SET_ASIDE: Final = "SET_ASIDE"
UNEXPLAINED: Final = "UNEXPLAINED"

_COMPARE: Final = "Compare with the stored transcript if each event counts."
EXPECTED_CLASSES: Final = {
    BEFORE_JOIN: (
        "The history of the first join lacks them: typing, direct messages, or what the server had lost by then.",
        _COMPARE,
    ),
    DIRECT_MESSAGE_SUSPECTED: (
        "The server skipped them while the chat was watched. No reason but direct messages between others is known.",
        _COMPARE,
    ),
    WITHHELD_BY_VERSION: (
        "The server skipped them while the chat was watched with a ClientVersion that does not get all events.",
        "Raise `sources.chat_server.client_version`, if the server supports it.",
    ),
    TYPING_ONLY: (
        "The final stored transcript lacks them, too: typing notices, or other events that the server does not store.",
        "Nothing.",
    ),
    NOT_CLASSIFIED: (
        "BEFORE_JOIN or DIRECT_MESSAGE_SUSPECTED: the chat had ended a while ago, began under 0.1.0, or lost state.",
        _COMPARE,
    ),
    LEFT_OUT: (
        "They were captured, but this output does not take them, or did not take the chat then: `part` names them.",
        "Read them in an output that takes them.",
    ),
}
"""Class of a hole that a silent monitor has to expect -> what it says of its ids, and what to do.

That messages and direct messages are stored (TYPING_ONLY), and that skipped ids have no other reason
(DIRECT_MESSAGE_SUSPECTED), is how Chat Server is documented, not proof.
"""

OTHER_CLASSES: Final = {
    SET_ASIDE: ("Their content is in the quarantine.", "Read it from the quarantine record."),
    UNEXPLAINED: (
        "Nothing that is known explains them. If a GAP names them, its code says what happened.",
        "Compare with the stored transcript.",
    ),
}
"""Class of any other hole -> what it says, and what to do."""

_IN_QUARANTINE: Final = gap_codes.WITHDRAWN | {gap_codes.UNREADABLE, gap_codes.INTERNAL}
_TWO: Final = 2


class MissingIds(NamedTuple):
    """Event ids from `low` to `high` without a record; `what` is their class."""

    low: int
    high: int
    what: str


def holes_of(delivered: IdRanges, gaps: Iterable[Gap], watch: Watch, *, archived: bool) -> list[MissingIds]:
    """Return the ids without a record up to the highest one that came or was told as missing, by class, rising.

    `gaps` are the open ones. `archived`: the final stored transcript was folded in, so that what no open gap names was
    not stored: a gap whose ids it should have told of, and did not lose, is open no more.
    """
    ranges = [
        (gap.from_event_id, gap.to_event_id, gap.code)
        for gap in gaps
        if gap.from_event_id is not None and gap.to_event_id is not None
    ]
    highest = max([delivered.maximum or 0, *(high for _, high, _ in ranges)])
    rest = IdRanges(delivered.missing_between(FIRST_ID, highest))
    found: list[MissingIds] = []
    rest = _take(found, rest, ((low, high) for low, high, code in ranges if code in _IN_QUARANTINE), SET_ASIDE)
    rest = _take(found, rest, ((low, high) for low, high, _ in ranges), UNEXPLAINED)
    if archived:
        _take(found, rest, rest.pairs(), TYPING_ONLY)
        return _merged(sorted(found))
    if watch.history_to:
        rest = _take(found, rest, [(FIRST_ID, watch.history_to)], BEFORE_JOIN)
    _take(found, rest, rest.pairs(), _left_out(watch))
    return _merged(sorted(found))


def _left_out(watch: Watch) -> str:
    """Return the class of ids that no gap names, above the first history, as long as none of the archive is known."""
    if watch.history_to is None:  # never joined, or under 0.1.0
        return UNEXPLAINED if watch.since_opening else NOT_CLASSIFIED
    if withholds_events(watch.lowest_version):
        return WITHHELD_BY_VERSION
    return DIRECT_MESSAGE_SUSPECTED if watch.direct_messages >= _TWO else UNEXPLAINED


def _take(found: list[MissingIds], rest: IdRanges, ranges: Iterable[tuple[int, int]], what: str) -> IdRanges:
    """Move what of `rest` lies in `ranges` to `found`; return what is left."""
    taken = IdRanges(ranges)
    if not taken.ranges or not rest.ranges:
        return rest
    found += [MissingIds(*pair, what) for low, high in rest.pairs() for pair in taken.within(low, high)]
    return IdRanges(pair for low, high in rest.pairs() for pair in taken.missing_between(low, high))


def with_set_aside(holes: Iterable[MissingIds] | None, ids: Iterable[int]) -> list[MissingIds] | None:
    """Return holes with some more ids, none of which is in a hole, whose content is in the quarantine."""
    if holes is None:
        return None
    return _merged(sorted([*holes, *(MissingIds(one, one, SET_ASIDE) for one in ids)]))


def holes_with(holes: Iterable[MissingIds], more: Iterable[MissingIds], *, highest: int) -> list[MissingIds]:
    """Return holes with some more, none of which overlaps another one, up to the highest id that counts."""
    both = sorted([*holes, *more])
    cut = (MissingIds(max(low, FIRST_ID), min(high, highest), what) for low, high, what in both)
    return _merged([hole for hole in cut if hole.low <= hole.high])


def _merged(holes: list[MissingIds]) -> list[MissingIds]:
    merged: list[MissingIds] = []
    for hole in holes:
        if merged and merged[-1].what == hole.what and merged[-1].high + 1 == hole.low:
            merged[-1] = MissingIds(merged[-1].low, hole.high, hole.what)
        else:
            merged.append(hole)
    return merged


def due_reasons(gaps: Iterable[Gap], holes: Iterable[MissingIds]) -> set[str]:
    """Return the codes in `reasons` that follow from the open gaps and the holes of a certificate."""
    found = {gap.code for gap in gaps}
    named = IdRanges(
        (gap.from_event_id, gap.to_event_id)
        for gap in gaps
        if gap.from_event_id is not None and gap.to_event_id is not None
    )
    for hole in holes:
        if hole.what in EXPECTED_CLASSES:
            found.add(hole.what)
        elif named.missing_between(hole.low, hole.high):
            found.add(gap_codes.UNEXPLAINED_IDS)
    return found


def verdict_of(reasons: Collection[str]) -> str:
    """Return the verdict that follows from the reasons of a certificate. A reason that is not known is a lack."""
    lacks = set(reasons) - {gap_codes.IDS_REUSED}
    if not lacks:
        return COMPLETE
    return COMPLETE_WITH_EXPECTED_HOLES if lacks <= EXPECTED_CLASSES.keys() else INCOMPLETE
