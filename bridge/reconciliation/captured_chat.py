"""What the topics hold of one chat, in the form that is compared with its stored transcript."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from bridge.transcript import gap_codes
from bridge.transcript.entries import ARCHIVE, CHANGED, COMPLETE, GAP, ID_REUSED, LIVE, RESUMED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.reconciliation.event_comparison import Record

_WITHOUT_IDS: Final = frozenset(
    (gap_codes.UNATTRIBUTED, gap_codes.STATE_LOST, gap_codes.EVENTS_LOST, gap_codes.LISTS_LEFT_OUT)
)
"""Reasons of a certificate because of which any event may be missing."""


@dataclass(slots=True)
class CapturedChat:
    """One chat. `records` are its TranscriptEvents by (epoch, sequence); `certificate` is its last, if it is closed.

    `is_known` is False for a chat of which neither an event nor a session record is on the topics.
    """

    session_id: str
    records: Sequence[Record] = ()
    certificate: dict[str, Any] | None = None
    is_known: bool = True
    _events: dict[int, list[Record]] = field(init=False)
    _gaps: list[Record] = field(init=False)

    def __post_init__(self) -> None:
        """Put the contents of each id together."""
        self._events = {}
        self._gaps = []
        for record in self.records:
            if record["kind"] == GAP:
                self._gaps.append(record)
            elif record["eventId"] is not None:
                self._take(self._events.setdefault(record["eventId"], []), record)

    @staticmethod
    def _take(events: list[Record], record: Record) -> None:
        if not events or record["amendment"] == ID_REUSED:
            events.append(record)
        elif record["amendment"] == CHANGED or record["epoch"] > events[-1]["epoch"]:
            events[-1] = record

    @property
    def is_closed(self) -> bool:
        """Whether the bridge has closed it."""
        return self.certificate is not None

    @property
    def lacks_stored_text(self) -> bool:
        """Whether the bridge has closed it because UCS gives no text of it."""
        return self.certificate is not None and gap_codes.NO_STORED_TEXT in self.certificate["reasons"]

    @property
    def was_filled(self) -> bool:
        """Whether some of its events came from a stored transcript, beside others."""
        origins = {record["origin"] for record in self.records if record["eventId"] is not None}
        return ARCHIVE in origins

    @property
    def sites(self) -> set[str]:
        """The sites that its records name."""
        return {record["session"]["site"] for record in self.records}

    @property
    def start_at(self) -> int | None:
        """When it started, ms since 1970 UTC, as far as it is known."""
        known = [record["session"]["startAt"] for record in self.records if record["session"]["startAt"] is not None]
        return known[-1] if known else None

    @property
    def client_version(self) -> int | None:
        """The lowest ClientVersion of the connections that its live events came over; None when none is known."""
        live = [record for record in self.records if record["origin"] != ARCHIVE]
        known = [record["session"]["clientVersion"] for record in live]
        return min((version for version in known if version is not None), default=None)

    def last(self) -> dict[int, Record]:
        """Return the last content of the last event under each id."""
        return {event_id: events[-1] for event_id, events in self._events.items()}

    def replaced(self) -> list[Record]:
        """Return the events whose ids were used for other events later."""
        return [event for events in self._events.values() for event in events[:-1]]

    def says_missing(self, event_id: int) -> bool:
        """Tell whether a GAP, or the certificate, says that an event with this id may be missing."""
        for record in self._gaps:
            low, high = record["gap"]["fromEventId"], record["gap"]["toEventId"]
            if (low is None or event_id >= low) and (high is None or event_id <= high):
                return True
        certificate = self.certificate
        if certificate is None or certificate["verdict"] == COMPLETE:
            return False
        return not _WITHOUT_IDS.isdisjoint(certificate["reasons"])

    def tails(self, absent: set[int]) -> set[int]:
        """Return those of the `absent` ids that come directly before an absence of the bridge, or of the server.

        Directly: of the records between the event and the RESUMED or GAP, none is of an id that is not absent.
        """
        found: set[int] = set()
        since: list[int] = []
        for record in self.records:
            event_id = record["eventId"]
            if record["kind"] in (RESUMED, GAP):
                found.update(since)
                since.clear()
            elif event_id is None:
                continue
            elif event_id in absent:
                since.append(event_id)
            else:
                since.clear()
        return found

    def out_of_order(self) -> int | None:
        """Return the first id that came live after a higher one of the same epoch; None: they rise."""
        highest: dict[int, int] = {}
        for record in self.records:
            event_id, epoch = record["eventId"], record["epoch"]
            if event_id is None or record["origin"] != LIVE or record["amendment"] is not None:
                continue
            if event_id <= highest.get(epoch, -1):
                return int(event_id)
            highest[epoch] = event_id
        return None
