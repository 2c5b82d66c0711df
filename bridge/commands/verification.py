"""What `chatbridge verify` is asked to look at, and what came of it, wherever the records were read from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bridge.records.findings import PRESENCE, Finding
from bridge.transcript.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.records.verified_chat import VerifiedChat
    from bridge.records.verifier import Verifier


@dataclass(slots=True, frozen=True)
class Selection:
    """Which chats: one, or those opened or closed in a window. Times in us since 1970 UTC, `until` excluded."""

    chat: str | None = None
    since: int | None = None
    until: int | None = None

    @property
    def windowed(self) -> bool:
        """Whether there is a window."""
        return self.since is not None or self.until is not None

    def covers(self, at: int) -> bool:
        """Tell whether a time is in the window."""
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)

    def wants(self, chat: VerifiedChat) -> bool:
        """Tell whether a chat is selected, of which the session records were read."""
        if self.chat is not None and chat.session_id != self.chat:
            return False
        return not self.windowed or any(self.covers(at) for at in chat.moments)

    def __str__(self) -> str:
        """The selection as a sentence tells it; empty when it is everything."""
        said = [] if self.chat is None else [f"of chat {self.chat}"]
        if self.windowed:
            said.append("opened or closed")
        if self.since is not None:
            said.append(f"from {shown(self.since)}")
        if self.until is not None:
            said.append(f"before {shown(self.until)}")
        return " ".join(said)


@dataclass(slots=True)
class Verification:
    """A verifier that has read everything. `places` names what was read; `found` are findings beside the verifier's.

    `limits` are sentences on what these sources cannot show. `left_out` chats were not selected.
    """

    verifier: Verifier
    places: str
    found: list[Finding] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)
    left_out: int = 0

    def findings(self, selection: Selection) -> list[Finding]:
        """Return all findings; that nothing was verified is one, for it is no proof of anything."""
        return [*self.found, *self.verifier.findings(), *self._absent(selection)]

    def unchecked(self) -> Iterator[str]:
        """Yield what was not verified: of chats that were read, and what these sources cannot show."""
        extent = self.verifier.extent()
        if extent.open:
            yield f"the ends of {extent.open} open chats: no certificate says which record is their last one"
        if extent.cut_off:
            yield f"{extent.cut_off} chats are not whole: certificates are compared with whole chats only"
        yield from self.limits

    def figures(self) -> dict[str, Any]:
        """Return how much was verified, as JSON has it."""
        verifier, extent = self.verifier, self.verifier.extent()
        return {
            "chats": verifier.chats,
            "records": verifier.records,
            "sessionRecords": verifier.session_records,
            "certificates": verifier.certificates,
            "closed": extent.closed,
            "open": extent.open,
            "cutOff": extent.cut_off,
            "unread": verifier.unread,
            "leftOut": self.left_out,
            "earliest": None if extent.earliest is None else shown(extent.earliest),
            "latest": None if extent.latest is None else shown(extent.latest),
        }

    def _absent(self, selection: Selection) -> list[Finding]:
        if self.verifier.records or self.verifier.unread:
            return []
        if selection.chat is not None and not self.verifier.chats:
            return [Finding(selection.chat, PRESENCE, f"no record in {self.places}")]
        what = f"nothing to verify: {self.places} hold no readable event of a chat"
        asked = f" {selection}" if str(selection) else ""
        return [Finding("", PRESENCE, f"{what}{asked}")]


def shown(at: int) -> str:
    """Return a time of a record, in us since 1970 UTC, as text; as a number outside the years 1 to 9999."""
    try:
        return rfc3339(at)
    except OverflowError:
        return str(at)
