"""The capture of one chat as plainly as it can be said: what the topics must hold after a list of inputs.

Everything that was ever seen is kept as it came, every question is answered by looking through all of it, and what
may have to be undone is a copy of all of it. Nothing here is shared with the engine but the types of its input.
"""

from __future__ import annotations

import copy
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from bridge.transcript.updates import JoinRefused, LinkDown, QuarantinedInput, TranscriptUpdate, Verdict
from tests.model.expected_records import Expected, ExpectedHole, in_order, runs
from tests.model.naive_comparison import SeenEvent, as_far_as_carried, identity, is_masked
from tests.model.naive_holes import ChatSight, verdict
from tests.model.naive_names import ToldNames

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.transcript.events import ChatEvent

GRACE_US: Final = 60_000_000
KINDS: Final = {"newParty": "PARTY_JOINED", "message": "MESSAGE", "notice": "NOTICE", "partyLeft": "PARTY_LEFT"}

UNREADABLE: Final = "UNREADABLE"
INTERNAL: Final = "INTERNAL"
TOO_LARGE: Final = "TOO_LARGE"
NOT_IN_REPLAY: Final = "NOT_IN_REPLAY"
NEVER_JOINED: Final = "NEVER_JOINED"
OVER_WHILE_AWAY: Final = "OVER_WHILE_AWAY"
OUT_OF_REACH: Final = "OUT_OF_REACH"
UNATTRIBUTED: Final = "UNATTRIBUTED"
REUSED: Final = "IDS_REUSED"

ENDED_BY_A_SNAPSHOT: Final = {NEVER_JOINED, OVER_WHILE_AWAY, OUT_OF_REACH}


class Content:
    """What the driver knows of the contents that it makes: which cannot be published, and which meet a defect."""

    def __init__(
        self, unpublishable: Callable[[ChatEvent], str | None], meets_defect: Callable[[ChatEvent], bool]
    ) -> None:
        self.unpublishable = unpublishable
        self.meets_defect = meets_defect


class DefectMetError(Exception):
    """The engine is made to fail here."""


class NaiveChat:
    """One chat, announced once before anything else. `give` takes the inputs in their order."""

    def __init__(self, session_id: str, content: Content) -> None:
        self.session_id = session_id
        self.content = content
        self.state = "FOLLOWED"
        self.closed_at = 0
        self.shrunk = False
        self.records: list[Expected] = []
        self.certificates: list[dict[str, Any]] = []
        self.quarantined_inputs = 0
        self.sights: dict[int, list[SeenEvent]] = {}
        self.withdrawn_first: list[int] = []
        self.withdrawn_later: list[int] = []
        self.tries: Counter[int] = Counter()
        self.names = ToldNames()
        self.masked = 0
        self.quarantined = 0
        self.unattributed = 0
        self.joined = False
        self.sight = ChatSight()
        self.absent_after: int | None = None
        self.snapshots_after: list[int] = []
        self.ending_now: list[int] = []

    # --- questions, answered from the records --------------------------------------------------------------------

    def on_topic(self) -> list[int]:
        return sorted({record.event_id for record in self.records if record.event_id is not None})

    def holes(self) -> list[ExpectedHole]:
        return [hole for _, hole in self.told_holes()]

    def highest_told(self) -> int:
        told = self.on_topic()
        told += [hole.high for hole in self.holes() if hole.low is not None and hole.high is not None]
        return max(told, default=0)

    def told_holes(self) -> list[tuple[int, ExpectedHole]]:
        """Return the GAPs, each with its place among the records."""
        return [(at, record.gap) for at, record in enumerate(self.records) if record.gap is not None]

    def is_open(self, position: int, hole: ExpectedHole) -> bool:
        if position in self.withdrawn_later:
            return True
        if hole.low is not None and hole.high is not None:
            return not set(range(hole.low, hole.high + 1)) <= set(self.on_topic())
        if hole.code in ENDED_BY_A_SNAPSHOT:
            return not [at for at in self.snapshots_after if at > position]
        return True

    def open_holes(self) -> list[ExpectedHole]:
        return [hole for at, hole in self.told_holes() if self.is_open(at, hole)]

    def filled_holes(self) -> list[ExpectedHole]:
        return [hole for at, hole in self.told_holes() if not self.is_open(at, hole)]

    def in_an_open_hole(self, number: int) -> bool:
        known = [(hole.low, hole.high) for hole in self.open_holes()]
        return any(low is not None and high is not None and low <= number <= high for low, high in known)

    def certificate(self) -> dict[str, Any]:
        """Return what a certificate of now says, but its head and the one it supersedes."""
        reused = [record for record in self.records if record.amendment == "ID_REUSED"]
        reasons = {hole.code for hole in self.open_holes()}
        if self.unattributed:
            reasons.add(UNATTRIBUTED)
        reasons |= self.sight.reasons(self.on_topic(), self.open_holes(), self.highest_told())
        return {
            "verdict": verdict(reasons),
            "reasons": sorted(reasons | {REUSED} if reused else reasons),
            "epoch": 0,
            "lastSequence": len(self.records),
            "counts": dict(Counter(record.kind for record in self.records)),
            "ids": self.on_topic(),
            "gaps": in_order(self.open_holes()),
            "filled": in_order(self.filled_holes()),
            "amendments": len([record for record in self.records if record.amendment == "CHANGED"]),
            "masked": self.masked,
            "quarantined": self.quarantined,
            "unattributed": self.unattributed,
            "rejoins": len([record for record in self.records if record.kind == "RESUMED"]),
            "idsReused": len(reused),
            "archived": False,
        }

    # --- inputs --------------------------------------------------------------------------------------------------

    def announced(self) -> None:
        """It was announced again."""
        if self.state == "GIVEN_UP":
            self.state = "FOLLOWED"

    def give(self, told: TranscriptUpdate | LinkDown | JoinRefused | QuarantinedInput, now: int) -> None:
        """Take the next input, folded at `now` in us."""
        if isinstance(told, TranscriptUpdate):
            self.update(told, now)
        elif isinstance(told, QuarantinedInput):
            self.quarantined_input(told, now)
        elif self.state != "FOLLOWED":
            return
        elif isinstance(told, LinkDown):
            if self.joined and self.absent_after is None:
                self.absent_after = self.highest_told()
        elif told.verdict is not Verdict.RETRY:
            self.given_up(told, now)

    def folded(self, now: int) -> None:
        """The inputs of a transaction were given: of a chat that ended a minute ago only ids and gaps stay known."""
        self.shrunk = self.shrunk or (self.state == "OVER" and now - self.closed_at > GRACE_US)
        if self.shrunk:
            self.names = ToldNames()
            self.sight.forget_users()

    def quarantined_input(self, told: QuarantinedInput, now: int) -> None:
        self.quarantined_inputs += 1
        if told.session_id == self.session_id and told.attributed:
            self.quarantined += 1
            self.add_gap(ExpectedHole(None, None, UNREADABLE))
            if self.state != "FOLLOWED":
                self.close(self.state, now, len(self.records) - 1)
        elif told.session_id is None and self.session_id in told.followed and self.state == "FOLLOWED":
            self.unattributed += 1

    def given_up(self, refused: JoinRefused, now: int) -> None:
        last = self.highest_told()
        if self.absent_after is not None:
            last = min(last, self.absent_after)
        gone = OVER_WHILE_AWAY if refused.verdict is Verdict.GONE else OUT_OF_REACH
        self.add_gap(
            ExpectedHole(last + 1 if self.highest_told() else None, None, gone if self.joined else NEVER_JOINED)
        )
        self.close("GIVEN_UP", now, None)

    def update(self, told: TranscriptUpdate, now: int) -> None:
        if told.session_id != self.session_id:
            self.quarantined_inputs += bool(told.transcript.chat_event_list) + len(told.damaged)
            return
        before, count = {name: copy.copy(value) for name, value in self.__dict__.items()}, len(self.records)
        try:
            self.fold(told)
        except DefectMetError:
            self.__dict__ = before
            if told.snapshot:
                self.rejoined()
            self.quarantined_inputs += 1 + len(told.damaged)
            self.quarantined += 1 + len(told.damaged)
            here = [event.event_id for event in told.transcript.chat_event_list]
            here += [one.event_id for one in told.damaged if one.event_id is not None]
            lost = [number for number in here if number not in self.on_topic()]
            known: list[tuple[int | None, int | None]] = [
                *runs([number for number in lost if not self.in_an_open_hole(number)])
            ]
            for low, high in known if lost else [(None, None)]:
                self.add_gap(ExpectedHole(low, high, INTERNAL))
        if self.state == "FOLLOWED" and told.over:
            self.close("OVER", now, None)
        elif self.state != "FOLLOWED" and (len(self.records) > count or (told.over and self.state == "GIVEN_UP")):
            self.close("OVER" if told.over else self.state, now, count)

    def close(self, state: str, now: int, supersedes: int | None) -> None:
        self.state, self.closed_at = state, now
        self.certificates.append({**self.certificate(), "supersedes": supersedes})

    # --- an update of the transcript -----------------------------------------------------------------------------

    def fold(self, told: TranscriptUpdate) -> None:
        self.ending_now = []
        self.sight.given(told, first=told.snapshot and not self.joined)
        if told.snapshot:
            self.ending_now = [
                at for at, hole in self.told_holes() if hole.code in ENDED_BY_A_SNAPSHOT and self.is_open(at, hole)
            ]
            if self.joined:
                self.add("RESUMED")
            self.rejoined()
            self.snapshots_after.append(len(self.records))
        damaged = [one.event_id for one in told.damaged if one.event_id is not None]
        missing = self.ends_absence(told, damaged)
        for event in sorted(told.transcript.chat_event_list, key=lambda one: one.event_id):
            while missing and (missing[0].high or 0) < event.event_id:
                self.add_gap(missing.pop(0))
            self.event(event, told)
        for hole in missing:
            self.add_gap(hole)
        for one in told.damaged:
            self.quarantined_inputs += 1
            self.quarantined += 1
            number = one.event_id
            if number is None or not (number in self.on_topic() or self.in_an_open_hole(number)):
                self.add_gap(ExpectedHole(number, number, UNREADABLE))

    def rejoined(self) -> None:
        """A history came, read or not: it tells of an absence, unless it is the first."""
        if self.joined and self.absent_after is None:
            self.absent_after = self.highest_told()
        self.joined = True

    def ends_absence(self, told: TranscriptUpdate, damaged: list[int]) -> list[ExpectedHole]:
        """Return what is missing, now that something above the last id had is here, in runs."""
        if self.absent_after is None:
            return []
        here = [event.event_id for event in told.transcript.chat_event_list] + damaged
        above = [number for number in here if number > self.absent_after]
        if not above:
            return []
        end = max(above) if told.snapshot else min(above)
        gone = [
            number
            for number in range(self.absent_after + 1, end)
            if not (number in here or number in self.on_topic() or self.in_an_open_hole(number))
        ]
        self.absent_after = None
        return [ExpectedHole(low, high, NOT_IN_REPLAY) for low, high in runs(gone)]

    def event(self, event: ChatEvent, told: TranscriptUpdate) -> None:
        number = event.event_id
        if number in self.withdrawn_first:
            return
        if self.shrunk and number in self.on_topic():
            self.names_after(event)  # the content that was published is not known; whom it names is
            return
        before = self.sights.get(number, [])
        now = SeenEvent(event, told.version)
        pushed = "REPLAY" if told.snapshot else "LIVE"
        if not before:
            self.publish(now, pushed if number > self.highest_told() else "REPLAY", None)
        elif identity(event) != identity(before[-1].event):
            self.publish(now, pushed, "ID_REUSED")
        else:
            known, new = as_far_as_carried(before, now)
            if known == new:
                self.sights[number] = [*before, now]
            elif is_masked(known, new):
                self.masked += 1
                self.sights[number] = [*before, SeenEvent(event, told.version, masked=True)]
            else:
                self.publish(now, pushed, "CHANGED")

    def publish(self, sight: SeenEvent, origin: str, amendment: str | None) -> None:
        event, number = sight.event, sight.event.event_id
        if self.content.meets_defect(event):
            raise DefectMetError
        nickname = self.names_after(event)
        self.sights[number] = [*(self.sights[number] if amendment == "CHANGED" else []), sight]
        record_id = original = f"{self.session_id}:{number}"
        if amendment is not None:
            self.tries[number] += 1
            record_id = f"{original}:{self.tries[number]}"
        refused = self.content.unpublishable(event)
        if refused is not None:
            self.withdraw(number, refused, amendment)
            return
        kind = KINDS.get(event.event_type, "UNKNOWN")
        amends = original if amendment == "CHANGED" else None
        fills = self.gap_of(number) if origin == "REPLAY" and amendment is None else None
        self.records.append(Expected(record_id, kind, number, origin, amends, amendment, None, nickname, fills))

    def gap_of(self, number: int) -> str | None:
        """Return the id of the first GAP that says that this event is missing: by its ids, or until this history."""
        told = self.told_holes()
        here = [at for at, (low, high, _) in told if low is not None and high is not None and low <= number <= high]
        here += [at for at, hole in told if at in self.ending_now and (hole.low or 0) <= number]
        return self.records[here[0]].id if here else None

    def withdraw(self, number: int, reason: str, amendment: str | None) -> None:
        """The record of an event could not be published."""
        self.quarantined += 1
        self.quarantined_inputs += 1
        if amendment is None:
            self.withdrawn_first.append(number)
            del self.sights[number]
        else:
            self.withdrawn_later.append(len(self.records))
        self.add_gap(ExpectedHole(number, number, reason))

    def names_after(self, event: ChatEvent) -> str | None:
        """Note whom an event is by, and names, and return the name that its own record carries."""
        self.sight.met(event.user_id)
        return self.names.after(event)

    def add_gap(self, hole: ExpectedHole) -> None:
        self.add("GAP", hole)

    def add(self, kind: str, hole: ExpectedHole | None = None) -> None:
        self.records.append(Expected(f"{self.session_id}:~0.{len(self.records) + 1}", kind, gap=hole))
