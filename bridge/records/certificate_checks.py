"""What of a certificate a topic can prove: each field is compared with what the chat's records say.

A code that is not known comes from a later version: what depends on its meaning is not judged.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bridge.records.watch_checks import of_holes, of_intervals, of_sources
from bridge.transcript.completeness import EXPECTED_CLASSES, MissingIds, due_reasons, verdict_of
from bridge.transcript.entries import CHANGED, GAP, ID_REUSED, LIVE, RESUMED, Gap
from bridge.transcript.gap_codes import (
    IDS_REUSED,
    KNOWN,
    LISTS_LEFT_OUT,
    NOT_STORED,
    UNATTRIBUTED,
    UNEXPLAINED_IDS,
    UNREADABLE,
    UNTIL_JOINED,
    WITHDRAWN,
)
from bridge.transcript.ranges import IdRanges
from bridge.transcript.watching import MAX_INTERVALS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(slots=True)
class RecordedChat:
    """What the records of a chat hold so far. `told` are its gaps by sequence, `rejoined` those until a later join.

    The history that came with the join may have been cut short, so that the join counts with the next live event.
    `resumed` says when the first RESUMED records were observed, in us since 1970 UTC. `origins` counts the records of
    events by their origin.
    """

    ids: IdRanges = field(default_factory=IdRanges)
    counts: dict[str, int] = field(default_factory=dict)
    amendments: dict[str, int] = field(default_factory=dict)
    told: dict[int, Gap] = field(default_factory=dict)
    rejoined: list[Gap] = field(default_factory=list)
    _until_joined: list[Gap] = field(default_factory=list)
    resumed: list[int] = field(default_factory=list)
    origins: dict[str, int] = field(default_factory=dict)

    @property
    def gaps(self) -> list[Gap]:
        """The gaps, in order."""
        return list(self.told.values())

    def add(self, record: dict[str, Any]) -> None:
        """Take a decoded TranscriptEvent."""
        kind, amendment, number, origin = record["kind"], record["amendment"], record["eventId"], record["origin"]
        counts = self.counts
        counts[kind] = counts.get(kind, 0) + 1
        if number is not None:
            origins = self.origins
            origins[origin] = origins.get(origin, 0) + 1
        if amendment is not None:
            self.amendments[amendment] = self.amendments.get(amendment, 0) + 1
        elif number is not None:
            self.ids.add(number)
            if origin == LIVE:
                self.rejoined = self._until_joined
        elif kind == GAP and record["gap"] is not None:
            self.told[record["sequence"]] = _gap(record["gap"])
        elif kind == RESUMED:
            if len(self.resumed) < MAX_INTERVALS:
                self.resumed.append(record["observedAt"])
            self._until_joined = [gap for gap in self.gaps if gap.to_event_id is None and gap.code in UNTIL_JOINED]


def disagreements(told: dict[str, Any], chat: RecordedChat) -> Iterator[str]:
    """Yield what a certificate says that its chat does not; each names the field. All records of it must be there."""
    numbers: dict[str, object] = {
        "counts": chat.counts,
        "amendments": chat.amendments.get(CHANGED, 0),
        "idsReused": chat.amendments.get(ID_REUSED, 0),
        "rejoins": chat.counts.get(RESUMED, 0),
    }
    for name, number in numbers.items():
        if told[name] != number:
            yield f"says {name} {told[name]}, the topic holds {number}"
    least = least_quarantined(chat.gaps)
    if told["quarantined"] < least:
        yield f"says quarantined {told['quarantined']}, the topic tells of at least {least}"
    yield from _of_watch(told, chat)
    if LISTS_LEFT_OUT in told["reasons"]:
        yield from _of_verdict(told)
        return  # it does not list ids and gaps
    listed = IdRanges((pair["from"], pair["to"]) for pair in told["idRanges"])
    for here, other, what in ((listed, chat.ids, "lists"), (chat.ids, listed, "lacks")):
        differing = [hole for low, high in here.pairs() for hole in other.missing_between(low, high)]
        if differing and not (told["epoch"] and what == "lists"):  # an earlier epoch may have had them
            yield f"{what} ids {IdRanges(differing)} in idRanges, unlike the topic"
    pairs = [(pair["from"], pair["to"]) for pair in told["idRanges"]]
    if pairs != listed.pairs():
        yield "lists ids more than once or out of order in idRanges"
    if told["holes"] is not None:
        yield from of_holes(told)
    elif told["joins"] is not None:
        yield "does not list holes, and does not say in reasons that it leaves out its lists"
    yield from _of_gaps(told, chat)
    yield from _of_reasons(told)


def _of_watch(told: dict[str, Any], chat: RecordedChat) -> Iterator[str]:
    if told["unwatched"] is not None and told["joins"] is not None:
        yield from of_intervals(told, chat.resumed)
    if told["sinceOpening"]:
        yield from of_sources(told, chat.origins)


def least_quarantined(gaps: Iterable[Gap]) -> int:
    """Count the GAPs that stand for something in the quarantine, each for a thing of its own."""
    return sum(gap.code == UNREADABLE or gap.code in WITHDRAWN for gap in gaps)


def _of_gaps(told: dict[str, Any], chat: RecordedChat) -> Iterator[str]:
    still_open, filled = ([_gap(gap) for gap in told[name]] for name in ("gaps", "filled"))
    listed, there = Counter([*still_open, *filled]), Counter(chat.gaps)
    for gap in (there - listed).elements():
        yield f"lacks {_shown(gap)} in gaps and filled, unlike the topic"
    for gap in (listed - there).elements():
        yield f"lists {_shown(gap)} in gaps or filled, unlike the topic"
    for gap in still_open:
        if gap.code in KNOWN - WITHDRAWN and _missing(gap, chat.ids) == []:
            yield f"lists {_shown(gap)} in gaps, although its events are on the topic"
    for gap in filled:
        missing = _missing(gap, chat.ids)
        if told["archived"]:  # what the last stored transcript does not have was never stored
            wrong = gap.code in NOT_STORED
        else:
            wrong = bool(missing) or gap.code in WITHDRAWN or (missing is None and gap.code in KNOWN - UNTIL_JOINED)
        if wrong:
            yield f"lists {_shown(gap)} in filled, although its events are not on the topic"
    for gap in (Counter(chat.rejoined) - Counter(filled)).elements():
        yield f"lacks {_shown(gap)} in filled, although the chat was joined again"


def _of_reasons(told: dict[str, Any]) -> Iterator[str]:
    holes = [MissingIds(hole["fromEventId"], hole["toEventId"], hole["class"]) for hole in told["holes"] or ()]
    due = due_reasons(list(map(_gap, told["gaps"])), holes)
    due |= {UNATTRIBUTED} if told["unattributed"] and not told["archived"] else set()
    due |= {IDS_REUSED} if told["idsReused"] else set()
    reasons = set(told["reasons"])
    if due - reasons:
        yield f"lacks in reasons what follows from its other fields: {sorted(due - reasons)}"
    if IDS_REUSED in reasons - due:
        yield "says in reasons that ids were reused, unlike idsReused"
    if UNATTRIBUTED in reasons - due:
        yield "says in reasons that unreadable input may have concerned the chat, unlike unattributed"
    classes = reasons & {UNEXPLAINED_IDS, *EXPECTED_CLASSES} - due
    if classes:
        yield f"says in reasons {sorted(classes)}, unlike holes"
    yield from _of_verdict(told)


def _of_verdict(told: dict[str, Any]) -> Iterator[str]:
    reasons = set(told["reasons"])
    if told["reasons"] != sorted(reasons):
        yield "lists reasons more than once or out of order"
    known = KNOWN | EXPECTED_CLASSES.keys()
    judged = reasons <= known or bool(reasons & KNOWN - {IDS_REUSED})
    if judged and told["verdict"] != verdict_of(reasons):
        yield f"has the verdict {told['verdict']} with the reasons {sorted(reasons)}"


def _missing(gap: Gap, ids: IdRanges) -> list[tuple[int, int]] | None:
    """Return what of a gap is not on the topic; None when it does not say what it lacks."""
    if gap.from_event_id is None or gap.to_event_id is None:
        return None
    return ids.missing_between(gap.from_event_id, gap.to_event_id)


def _gap(record: dict[str, Any]) -> Gap:
    """Return a gap without its detail, which is for people only."""
    return Gap(record["fromEventId"], record["toEventId"], record["since"], record["code"])


def _shown(gap: Gap) -> str:
    low, high = ("?" if edge is None else edge for edge in (gap.from_event_id, gap.to_event_id))
    return f"the gap {low}-{high} ({gap.code})"
