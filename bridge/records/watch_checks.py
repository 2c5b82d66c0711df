"""What of a certificate's holes and intervals the records of its chat can prove. Those of 0.1.0 have neither."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from bridge.transcript.client_versions import withholds_events
from bridge.transcript.completeness import (
    EXPECTED_CLASSES,
    LEFT_OUT,
    SET_ASIDE,
    TYPING_ONLY,
    UNEXPLAINED,
    WITHHELD_BY_VERSION,
)
from bridge.transcript.entries import ARCHIVE, LIVE, REPLAY, UCS
from bridge.transcript.events import FIRST_ID
from bridge.transcript.gap_codes import KNOWN
from bridge.transcript.ranges import IdRanges
from bridge.transcript.watching import MAX_INTERVALS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

_US_PER_MS = 1_000


def of_holes(told: dict[str, Any], left_out: IdRanges) -> Iterator[str]:
    """Yield what first and last id and the holes of a certificate say that its ids and gaps do not.

    `left_out` are the ids that the output does not take.
    """
    listed = IdRanges((pair["from"], pair["to"]) for pair in told["idRanges"])
    pairs = listed.pairs()
    edges = (pairs[0][0], pairs[-1][1]) if pairs else (None, None)
    if (told["firstEventId"], told["lastEventId"]) != edges:
        yield f"says firstEventId {told['firstEventId']} and lastEventId {told['lastEventId']}, unlike idRanges"
    named = _named(told["gaps"])
    highest = max([listed.maximum or 0, *(high for _, high, _ in named)])
    holes = [(hole["fromEventId"], hole["toEventId"]) for hole in told["holes"]]
    missing = IdRanges(listed.missing_between(FIRST_ID, highest))
    if IdRanges(holes) != missing:
        yield f"lists the holes {IdRanges(holes)}, although {missing} are missing in idRanges"
    if any(low <= before for (_, before), (low, _) in pairwise(holes)):
        yield "lists holes more than once or out of order"
    for hole in told["holes"]:
        wrong = _wrong_part(hole, left_out)
        if hole["class"] != LEFT_OUT:
            wrong = wrong or _wrong_class(hole, told, named)
        if wrong:
            yield f"says that the hole {hole['fromEventId']}-{hole['toEventId']} is {hole['class']}, {wrong}"


def _named(gaps: Sequence[dict[str, Any]]) -> list[tuple[int, int, str]]:
    return [
        (gap["fromEventId"], gap["toEventId"], gap["code"])
        for gap in gaps
        if gap["fromEventId"] is not None and gap["toEventId"] is not None
    ]


def _wrong_part(hole: dict[str, Any], left_out: IdRanges) -> str:
    low, high = hole["fromEventId"], hole["toEventId"]
    if hole["class"] == LEFT_OUT and left_out.missing_between(low, high):
        return "although part does not say that it is left out"
    if hole["class"] != LEFT_OUT and left_out.within(low, high):
        return "although part says that it is left out"
    return ""


def _wrong_class(hole: dict[str, Any], told: dict[str, Any], named: list[tuple[int, int, str]]) -> str:
    """Return why a hole cannot have its class; the empty text if it can, or the class is not known."""
    low, high, what = hole["fromEventId"], hole["toEventId"], hole["class"]
    touching = [code for first, last, code in named if first <= high and low <= last]
    if what == SET_ASIDE and not touching:
        return "although no gap names it"
    if what in EXPECTED_CLASSES and KNOWN.intersection(touching):
        return f"although the gap of {touching[0]} names it"
    if what == TYPING_ONLY and not told["archived"]:
        return "although no stored transcript was read"
    unsettled = EXPECTED_CLASSES.keys() - {TYPING_ONLY} | (set() if touching else {UNEXPLAINED})
    if told["archived"] and what in unsettled:
        return "although the last stored transcript was read, and no gap names it"
    if what == WITHHELD_BY_VERSION and not withholds_events(told["lowestVersion"]):
        return f"although the lowest ClientVersion was {told['lowestVersion']}"
    return ""


def of_sources(told: dict[str, Any], origins: Collection[str]) -> Iterator[str]:
    """Yield what the sources and versions of a certificate, which hold from the opening on, cannot be.

    `origins` are those of the records of events.
    """
    sources = set(told["sources"])
    if UCS not in sources and (told["archived"] or ARCHIVE in origins):
        yield f"says sources {sorted(sources)}, although a stored transcript was read"
    if not sources - {UCS} and {LIVE, REPLAY} & set(origins):
        yield f"says sources {sorted(sources)}, although records came live, or from a history after a join"
    lowest, highest = told["lowestVersion"], told["highestVersion"]
    if (lowest is None) != (highest is None) or (lowest is not None and lowest > highest):
        yield f"says lowestVersion {lowest} and highestVersion {highest}"


def of_intervals(told: dict[str, Any], resumed: Sequence[int]) -> Iterator[str]:
    """Yield what the intervals of a certificate say that the RESUMED and GAP records do not.

    `resumed` are the observedAt of the first RESUMED records, MAX_INTERVALS of them at most.
    """
    intervals, rejoins = told["unwatched"], told["rejoins"]
    if told["joins"] - rejoins not in (0, 1):
        yield f"says joins {told['joins']} and rejoins {rejoins}"
    over = [one["to"] for one in intervals if one["to"] is not None]
    if any(one["to"] is None for one in intervals[:-1]):
        yield "lists an interval in unwatched that is not over, before another one"
    if told["sinceOpening"]:
        if over != list(resumed):
            yield f"lists {len(over)} intervals in unwatched that are over, which do not end with the RESUMED records"
        if told["unwatchedMore"] != max(rejoins - MAX_INTERVALS, 0):
            yield f"says unwatchedMore {told['unwatchedMore']} with rejoins {rejoins}"
        since = {gap["since"] for gap in (*told["gaps"], *told["filled"]) if gap["since"] is not None}
        if not told["unwatchedMore"] and not all(any(_holds(one, at) for one in intervals) for at in since):
            yield "lacks the interval in unwatched in which a gap began"
    elif not set(over) <= set(resumed) and rejoins <= MAX_INTERVALS:
        yield "lists an interval in unwatched that does not end with a RESUMED record"


def _holds(interval: dict[str, Any], at: int) -> bool:
    """Tell whether an interval holds a time, in ms since 1970 UTC.

    A gap begins with an interval, or within one: a history that could not be folded ends none, and the chat may be lost
    again before the next one.
    """
    begin, end = interval["from"] // _US_PER_MS, interval["to"]
    return at == begin or (begin < at and (end is None or at <= end // _US_PER_MS))
