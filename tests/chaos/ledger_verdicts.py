"""The verdict of each chat as ledgers, journals and times of faults alone tell it, compared with its certificate.

Nothing here is shared with the bridge or with the rest of the oracle: ledger and journal are read as JSON. What they
decide: who was in a chat when, which ids nobody could be sent, what the server lost, and which monitors had a
connection that lived on when the faults were over, so that all that was sent over it was captured. What they cannot
decide is what was on the wire, or not committed yet, when a connection or a worker ended: then more than one verdict is
`allowed`, and the report counts the chats of which that is so.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tests.chaos.journal_connections import read_connections

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

COMPLETE: Final = "COMPLETE"
EXPECTED: Final = "COMPLETE_WITH_EXPECTED_HOLES"
INCOMPLETE: Final = "INCOMPLETE"
RANK: Final = (COMPLETE, EXPECTED, INCOMPLETE)
MARGIN: Final = 5.0
"""Seconds that a join and a transaction take at most, on a busy machine."""
_ON_THE_WAY: Final = 1.0
"""Seconds after which what was sent has been read."""
_PAIR: Final = 2

Span = tuple[float, float]


class SentGarbage(NamedTuple):
    """What a Chat Server, by the name of its ledger, sent on all connections at `begin`; its line ended at `end`."""

    server: str
    begin: float
    end: float
    text: str


@dataclass(slots=True, frozen=True)
class FaultTimes:
    """`quiet`: the times without a fault; `steady`: those in which workers and brokers had none, empty if not known."""

    quiet: Sequence[Span]
    garbage: Sequence[SentGarbage] = ()
    steady: Sequence[Span] = ()

    def committed(self, begin: float, end: float) -> bool:
        """Tell whether what was sent from `begin` to `end` surely arrived, and was committed.

        A fault of a Chat Server or of its connections, a moment later, takes nothing of it back.
        """
        arrived = any(start <= begin and end + _ON_THE_WAY <= stop for start, stop in self.quiet)
        return arrived and any(start <= begin and end + MARGIN <= stop for start, stop in self.steady or self.quiet)

    def settled(self, at: float, lived: float) -> float | None:
        """Return when what was sent at a time, over a connection that lived until `lived`, was surely captured."""
        for start, stop in self.quiet:
            if min(lived, stop) - max(at, start) >= MARGIN:
                return max(at, start) + MARGIN
        return None


class LeftOut(NamedTuple):
    """The times of the events before and after an id that nobody was sent.

    `begun_again`: ids had begun again below those of before a restoration, and this is above all of them. Whoever was
    away meanwhile cannot know that it did not miss it: the history that it was sent ended below.
    """

    since: float
    until: float
    begun_again: bool


def steady_times(quiet: Sequence[Span], disturbing: Sequence[bool]) -> list[Span]:
    """Join the times without a fault over the steps between them that disturbed no worker and no broker."""
    found: list[Span] = list(quiet[:1])
    for disturbed, (start, stop) in zip(disturbing, quiet[1:], strict=False):
        if disturbed:
            found.append((start, stop))
        else:
            found[-1] = found[-1][0], stop
    return found


@dataclass(slots=True)
class LedgerChatView:
    """One chat as its ledger tells: `monitors` by userId, as (joined, left); `events` as (id, time, direct).

    `shown` has (id, time) of all events but direct ones, also of those that were lost later, in their order.

    `lives` says until when the connections of the monitors lived, `connections` which they were, in their order;
    `asked` when somebody wanted to join, also in vain; `raw` when a fault sent bytes, by connection, of all that the
    server had; empty where no journal tells.
    """

    server: str
    events: list[tuple[int, float, bool]] = field(default_factory=list)
    shown: list[tuple[int, float]] = field(default_factory=list)
    monitors: dict[str, Span] = field(default_factory=dict)
    lost: dict[int, tuple[float, float]] = field(default_factory=dict)
    closed: float | None = None
    basic: set[str] = field(default_factory=set)
    lives: list[float] = field(default_factory=list)
    connections: list[int] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)
    restored: list[float] = field(default_factory=list)
    raw: dict[int, list[float]] = field(default_factory=dict)

    def watched(self) -> list[Span]:
        """Return from when to when each monitor could be sent something, in the order of their joins."""
        closed = math.inf if self.closed is None else self.closed
        alive = self.lives if len(self.lives) == len(self.monitors) else [math.inf] * len(self.monitors)
        spans = zip(self.monitors.values(), alive, strict=True)
        return [(joined, min(left, lived, closed)) for (joined, left), lived in spans]

    @property
    def able(self) -> int:
        """How many parties were there that can take part in a direct message."""
        return len(self.basic)

    def captures(self, begin: float, end: float, times: FaultTimes) -> bool:
        """Tell whether what happened from `begin` to `end` was surely sent to one monitor, and captured.

        Its connection lived on for a while without a fault: a worker that was stopped, or lost its shard or its broker,
        would have ended it, or another monitor would have come meanwhile. False where journal and ledger differ.
        """
        if len(self.lives) != len(self.monitors):
            return False
        closed, spans = self.closed or math.inf, list(self.monitors.values())
        for (joined, left), alive in zip(spans, self.lives, strict=True):
            settled = times.settled(end, alive if left >= closed else min(left, alive))
            if settled is None or not joined <= begin <= end <= left:
                continue
            if not any(one != (joined, left) and one[0] < settled and one[1] > begin for one in spans):
                return True
        return False

    def left_out(self) -> list[LeftOut]:
        """Return where ids are not used, or by a direct message only.

        What was lost later counts: it was sent when it happened, and showed that an id was skipped.
        """
        used = {number for number, _, direct in self.events if not direct} | self.lost.keys()
        highest = max((number for number, _, direct in self.events if not direct), default=0)
        found: list[LeftOut] = []
        for number in set(range(1, highest)) - used:
            place = next(place for place, (one, _) in enumerate(self.shown) if one > number)
            before, after = self.shown[:place], self.shown[place][1]
            since = max((at for one, at in before if one < number), default=0.0)
            found.append(LeftOut(since, after, begun_again=self._begun_again(number, before)))
        return found

    def _begun_again(self, number: int, before: Sequence[tuple[int, float]]) -> bool:
        """Tell whether ids began again at or below the highest one before a restoration, which `number` is above."""
        for restored in self.restored:
            highest = max((one for one, at in before if at < restored), default=number)
            if highest < number and any(one <= highest and at > restored for one, at in before):
                return True
        return False

    def take(self, line: dict[str, Any]) -> None:
        """Take the next line."""
        at, event = line["at"], line.get("event", {})
        if line["kind"] == "closed":
            self.closed = at
        elif line["kind"] == "restored":
            self.monitors = {user: (joined, min(left, at)) for user, (joined, left) in self.monitors.items()}
            self.restored.append(at)
            gone = set(line.get("lost", ()))
            # Of a direct message that was lost a monitor knew only that an id was skipped: `left_out` tells.
            self.lost |= {number: (when, at) for number, when, direct in self.events if number in gone and not direct}
            self.events = [one for one in self.events if one[0] not in gone]
        elif line["kind"] == "event":
            direct = "receiverId" in event
            self.events.append((event["eventId"], at, direct))
            if not direct:
                self.lost.pop(event["eventId"], None)  # the id is used again
                self.shown.append((event["eventId"], at))
            if event["eventType"] == "newParty" and event["userInfo"].get("protocolType", "BASIC") == "BASIC":
                self.basic.add(event["userId"])
            if event.get("visibility") == "VIP" and event["eventType"] == "newParty":
                self.monitors[event["userId"]] = (at, math.inf)
            elif event["userId"] in self.monitors and event["eventType"] == "partyLeft":
                joined, left = self.monitors[event["userId"]]
                self.monitors[event["userId"]] = (joined, min(left, at))

    def absences(self) -> list[Span]:
        """Return the times between the first join and the end in which no monitor was in the chat."""
        found, seen_to = [], math.inf
        for joined, left in sorted(self.monitors.values()):
            if joined > seen_to:
                found.append((seen_to, joined))
            seen_to = left if seen_to == math.inf else max(seen_to, left)
        return found


@dataclass(slots=True)
class Judgement:
    """What the ledger says of a chat: the verdicts that its certificate may have, and when it was surely unwatched."""

    allowed: set[str]
    absences: list[Span]


def read_views(path: Path) -> dict[str, LedgerChatView]:
    """Return the chats of a ledger, and of the journal beside it. An incomplete last line is left out."""
    views: dict[str, LedgerChatView] = {}
    for line in path.read_bytes().split(b"\n")[:-1]:
        told = json.loads(line)
        views.setdefault(told["sessionId"], LedgerChatView(path.stem)).take(told)
    connections = read_connections(path.with_suffix(".journal"))
    for session_id, view in views.items():
        view.lives, view.connections = connections.lives(session_id), connections.joined(session_id)
        view.asked, view.raw = connections.asked(session_id), connections.raw
    return views


def judge(chat: LedgerChatView, times: FaultTimes) -> Judgement:
    """Judge a chat that was closed."""
    quiet = times.quiet
    closed, present = chat.closed or math.inf, sorted(chat.monitors.values())
    absences = [(left, joined) for left, joined in chat.absences() if _was_watched(left, present, quiet)]
    if not any(joined < closed <= left for joined, left in present):
        return Judgement({INCOMPLETE}, absences)  # never joined, or over while nobody was there
    surely, maybe = {COMPLETE}, set()
    if not times.committed(closed, closed) and not chat.captures(closed, closed, times):
        maybe.add(INCOMPLETE)  # whether the end arrived, and was committed, is not in the ledger
    if any(at > closed for at in chat.asked):
        maybe.add(INCOMPLETE)  # who asks did not know of an end; whether somebody else published it first, neither
    if any(
        joined - MARGIN < sent.end and sent.begin < min(left, closed) + MARGIN
        for sent in times.garbage
        for joined, left in present
        if sent.server == chat.server
    ):
        maybe.add(INCOMPLETE)
    _judge_ids(chat, present, times, surely, maybe)
    sure = max(surely, key=RANK.index)
    return Judgement({sure, *(one for one in maybe if RANK.index(one) > RANK.index(sure))}, absences)


def _judge_ids(
    chat: LedgerChatView, present: Sequence[Span], times: FaultTimes, surely: set[str], maybe: set[str]
) -> None:
    """Add the verdicts that follow from ids that a monitor was not sent, or that the server lost."""
    quiet = times.quiet
    highest = max((number for number, _, _ in chat.events), default=0)
    for number, (since, until) in chat.lost.items():
        if number > highest:
            continue
        if until <= present[0][0]:
            surely.add(EXPECTED)  # before the first join
        elif _nobody(since - MARGIN, until, present) and _was_watched(since, present, quiet):
            surely.add(INCOMPLETE)
        elif not _captured(since, until, present, times):
            maybe |= {EXPECTED, INCOMPLETE}
    skipped = EXPECTED if chat.able >= _PAIR else INCOMPLETE
    for since, until, begun_again in chat.left_out():
        if until <= present[0][0]:
            surely.add(EXPECTED)
        elif _nobody_between(since, until, present) and _was_watched(since, present, quiet):
            surely.add(INCOMPLETE)
        else:
            begin = max(since, present[0][0])
            watched = _watched(begin, until, present, times) or chat.captures(begin, until, times)
            surely.add(skipped if watched else EXPECTED)
            maybe |= {INCOMPLETE} if begun_again or not watched else set()


def _watched(begin: float, end: float, present: Sequence[Span], times: FaultTimes) -> bool:
    """Tell whether a monitor was surely sent, over one connection, what happened from `begin` to `end`.

    Either there was no fault then, or no other monitor was in the chat, and this one was still there after the fault.
    """
    for joined, left in present:
        if not joined <= begin <= end <= left:
            continue
        if any(start <= begin and min(end + MARGIN, left) <= stop for start, stop in times.quiet):
            return True
        if times.committed(begin, end) and end + _ON_THE_WAY <= left:
            return True
        alone = [other for other in present if other[0] < left and joined < other[1]] == [(joined, left)]
        if alone and any(min(left, stop) - max(end, start) >= MARGIN for start, stop in times.quiet):
            return True
    return False


def _captured(since: float, until: float, present: Sequence[Span], times: FaultTimes) -> bool:
    """Tell whether an event was surely captured before the server lost it."""
    if times.committed(since, since) and any(
        joined <= since and since + _ON_THE_WAY < left for joined, left in present
    ):
        return True
    end = min(until, since + MARGIN)
    inside = any(joined <= since and end < left for joined, left in present)
    return inside and any(start <= since and end <= stop for start, stop in times.quiet)


def _nobody(begin: float, end: float, present: Sequence[Span]) -> bool:
    return all(left < begin or joined > end for joined, left in present)


def _nobody_between(since: float, until: float, present: Sequence[Span]) -> bool:
    """Tell the same of ids between two events: they may be the departure of a monitor and the join of the next one."""
    return all(left <= since or joined >= until for joined, left in present)


def _was_watched(before: float, present: Sequence[Span], quiet: Sequence[Span]) -> bool:
    """Tell whether a first history surely came before a time: somebody was there for a while, without a fault."""
    return any(
        min(left, end, before) - max(joined, begin) >= MARGIN for joined, left in present for begin, end in quiet
    )
