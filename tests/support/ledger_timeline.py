"""The events of each chat from the ledger, and which of them the bridge must have captured whatever faults occurred.

The ledger is read in order, with times: an event id may be reused after a restoration that lost it, and a silent
monitor joins and leaves. Together with the periods without faults this decides which events must not be missing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from bridge.simulator.harness.ledger import LedgerLine, visible_to_monitor
from bridge.transcript.events import NEW_PARTY, PARTY_LEFT, VIP

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from bridge.transcript.events import ChatEvent

MARGIN_SECONDS = 5.0
"""How long a fault-free period must last for a join and a transaction to complete, on a busy machine."""


@dataclass(slots=True, frozen=True)
class FaultFreePeriod:
    """A period without a fault. All times in seconds since 1970 UTC.

    `fault_ended`: end of the last fault; `start`: from then on every worker was ready and every chat followed; `end`:
    beginning of the next fault.
    """

    fault_ended: float
    start: float
    end: float = math.inf


@dataclass(slots=True)
class LedgerEvent:
    """One event, added to the chat at `at`; `lost_at`: when a restoration lost it.

    `required`: its record may not be missing. `untraceable`: nothing on the wire shows that it existed, because a
    restoration reused its id, or lost it before any monitor was in the chat: in a first history its id is missing as
    that of an event that the server withholds.
    """

    event: ChatEvent
    at: float
    lost_at: float | None = None
    required: bool = False
    untraceable: bool = False


@dataclass(slots=True)
class MonitorPresence:
    """The time a silent monitor was in the chat. `left` is infinite when the ledger has no end of it."""

    user_id: str
    joined: float
    left: float = math.inf


@dataclass(slots=True)
class ChatTimeline:
    """One chat over all restorations. `highest` is the highest event id; `reused_up_to`: ids up to it were reused."""

    session_id: str
    events: list[LedgerEvent] = field(default_factory=list)
    presences: list[MonitorPresence] = field(default_factory=list)
    closed_at: float | None = None
    restorations: int = 0
    highest: int = 0
    reused_up_to: int = 0

    def visible(self) -> list[LedgerEvent]:
        """Return the events that a silent monitor in the chat is sent."""
        return [one for one in self.events if visible_to_monitor(one.event)]

    def add(self, line: LedgerLine) -> None:
        """Add the next line of the ledger."""
        if line.kind == "event" and line.event is not None:
            self._add_event(line.event, line.at)
        elif line.kind == "restored":
            self._add_restoration(line)
        elif line.kind == "closed":
            self.closed_at = line.at

    def _add_event(self, event: ChatEvent, at: float) -> None:
        self.events.append(LedgerEvent(event, at, untraceable=event.event_id <= self.reused_up_to))
        self.highest = max(self.highest, event.event_id)
        if event.visibility != VIP:
            return
        if event.event_type == NEW_PARTY:
            self.presences.append(MonitorPresence(event.user_id, at))
        elif event.event_type == PARTY_LEFT:
            for presence in self.presences:
                if presence.user_id == event.user_id and presence.left == math.inf:
                    presence.left = at

    def _add_restoration(self, line: LedgerLine) -> None:
        self.restorations += 1
        for presence in self.presences:
            presence.left = min(presence.left, line.at)
        lost = set(line.lost)
        reuses_ids = line.next_id is not None and line.next_id <= self.highest
        for one in reversed(self.events):
            if one.event.event_id in lost and one.lost_at is None:
                lost.discard(one.event.event_id)
                one.lost_at = line.at
                one.untraceable = one.untraceable or reuses_ids or not self.presences
        if reuses_ids:
            self.reused_up_to = self.highest

    def mark_required(self, periods: Iterable[FaultFreePeriod], margin: float = MARGIN_SECONDS) -> None:
        """Mark the events that must have been captured.

        A monitor that joins in a fault-free period and stays for `margin` seconds gets the whole history, and then all
        events until it leaves or the period ends. One that joined before the period gets the events within it.
        """
        for period in periods:
            for presence in self.presences:
                begin = max(presence.joined, period.start)
                end = min(presence.left, period.end)
                if end - begin < margin:
                    continue
                over = self.closed_at is not None and presence.left >= self.closed_at <= period.end - margin
                limit = end if over else end - margin
                since = -math.inf if presence.joined >= period.fault_ended else begin
                for one in self.events:
                    known = one.lost_at is None or one.lost_at > presence.joined
                    if known and since <= one.at <= limit:
                        one.required = True


def read_timelines(path: Path) -> dict[str, ChatTimeline]:
    """Return the chats of a ledger by session id. An incomplete last line is left out."""
    decoder = msgspec.json.Decoder(LedgerLine)
    timelines: dict[str, ChatTimeline] = {}
    with path.open("rb") as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                break
            entry = decoder.decode(line)
            timelines.setdefault(entry.session_id, ChatTimeline(entry.session_id)).add(entry)
    return timelines
