"""What a Chat Server said, occurrence by occurrence, and which of it is owed to the topic whatever else went wrong.

The ledger is read in its order, with the moments: an event id may be said again after a restoration that forgot it, and
a silent monitor comes and goes. From that, and from the windows in which nothing was wrong, follows what no fault
excuses.
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
"""How long nothing must be wrong before something counts as captured: a join, a transaction, a busy machine."""


@dataclass(slots=True, frozen=True)
class Calm:
    """A time without a fault, in seconds since 1970 UTC.

    The last fault was over at `healed`; from `since` on every replica was ready and every chat followed; the next fault
    began after `until`.
    """

    healed: float
    since: float
    until: float = math.inf


@dataclass(slots=True)
class Occurrence:
    """One event as it was said at `at`; `lost_at`: when a restoration forgot it.

    `owed`: no fault excuses its absence. `traceless`: a restoration let the ids go back behind it, so that nothing on
    the wire tells anybody that it ever was.
    """

    event: ChatEvent
    at: float
    lost_at: float | None = None
    owed: bool = False
    traceless: bool = False


@dataclass(slots=True)
class Stay:
    """A silent monitor in the chat. `left` is infinite when nobody saw it go."""

    user_id: str
    joined: float
    left: float = math.inf


@dataclass(slots=True)
class Life:
    """One chat, all its lives. `highest` is the highest id that was ever given."""

    session_id: str
    occurrences: list[Occurrence] = field(default_factory=list)
    stays: list[Stay] = field(default_factory=list)
    closed_at: float | None = None
    restorations: int = 0
    highest: int = 0
    behind: int = 0

    def visible(self) -> list[Occurrence]:
        """Return what a monitor that is in the chat is shown."""
        return [one for one in self.occurrences if visible_to_monitor(one.event)]

    def take(self, line: LedgerLine) -> None:
        """Add the next line of the ledger."""
        if line.kind == "event" and line.event is not None:
            self._said(line.event, line.at)
        elif line.kind == "restored":
            self._restored(line)
        elif line.kind == "closed":
            self.closed_at = line.at

    def _said(self, event: ChatEvent, at: float) -> None:
        self.occurrences.append(Occurrence(event, at, traceless=event.event_id <= self.behind))
        self.highest = max(self.highest, event.event_id)
        if event.visibility != VIP:
            return
        if event.event_type == NEW_PARTY:
            self.stays.append(Stay(event.user_id, at))
        elif event.event_type == PARTY_LEFT:
            for stay in self.stays:
                if stay.user_id == event.user_id and stay.left == math.inf:
                    stay.left = at

    def _restored(self, line: LedgerLine) -> None:
        self.restorations += 1
        for stay in self.stays:
            stay.left = min(stay.left, line.at)
        lost = set(line.lost)
        goes_back = line.next_id is not None and line.next_id <= self.highest
        for one in reversed(self.occurrences):
            if one.event.event_id in lost and one.lost_at is None:
                lost.discard(one.event.event_id)
                one.lost_at = line.at
                one.traceless = one.traceless or goes_back
        if goes_back:
            self.behind = self.highest

    def owe(self, calm: Iterable[Calm], margin: float = MARGIN_SECONDS) -> None:
        """Mark what has to be on the topic.

        A monitor that joins while nothing is wrong and stays for `margin` seconds gets the whole history, and then all
        that is said until it leaves or the next fault is near. One that joined before gets what is said in the calm.
        """
        for window in calm:
            for stay in self.stays:
                begin = max(stay.joined, window.since)
                end = min(stay.left, window.until)
                if end - begin < margin:
                    continue
                over = self.closed_at is not None and stay.left >= self.closed_at <= window.until - margin
                limit = end if over else end - margin
                since = -math.inf if stay.joined >= window.healed else begin
                for one in self.occurrences:
                    known = one.lost_at is None or one.lost_at > stay.joined
                    if known and since <= one.at <= limit:
                        one.owed = True


def read_lives(path: Path) -> dict[str, Life]:
    """Return the chats of a ledger by session id. A last line that is still being written is left out."""
    decoder = msgspec.json.Decoder(LedgerLine)
    lives: dict[str, Life] = {}
    with path.open("rb") as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                break
            entry = decoder.decode(line)
            lives.setdefault(entry.session_id, Life(entry.session_id)).take(entry)
    return lives
