"""Verifies the records on the topics: nothing lost, altered, reordered or duplicated.

Feed the session records first, then the event records, each partition in the order of its offsets; then ask for the
findings. Records deleted by retention are no breach: a chat whose first records are gone is checked from the first one
that is left. Pure; holds a few hundred bytes per chat.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from bridge.errors import SchemaUnknown, VerificationFailed
from bridge.records.avro import SESSION_RECORD, TRANSCRIPT_EVENT
from bridge.records.certificate_checks import RecordedChat, disagreements
from bridge.records.chain import genesis, link, split
from bridge.records.session_records import CLOSED
from bridge.transcript.entries import CHANGED, ID_REUSED, LIVE
from bridge.transcript.ranges import IdRanges

if TYPE_CHECKING:
    from bridge.records.avro import Schemas, WriterSchema

# What was promised.
READABLE: Final = "readable"
SCHEMA: Final = "schema"
"""Of records that may be sound: what wrote them is not known here. Neither broken nor verified."""
CHAIN: Final = "chain"
SEQUENCE: Final = "sequence"
ID: Final = "id"
ORDER: Final = "order"
PARTITION: Final = "partition"
CERTIFICATE: Final = "certificate"
RETENTION: Final = "retention"

_SHOWN: Final = 12
_LONGEST_NUMBER: Final = 19  # digits of 64 bits


@dataclass(slots=True, frozen=True)
class Finding:
    """One result about a chat. `broken` distinguishes a broken promise from a remark.

    `session_id` is empty when the record could not be read. `by_absence`: said because a record is not there.
    """

    session_id: str
    promise: str
    message: str
    broken: bool = True
    by_absence: bool = False

    def __str__(self) -> str:
        """The chat and the message."""
        return f"chat {self.session_id}: {self.message}" if self.session_id else self.message


@dataclass(slots=True)
class _Certified:
    where: str
    certificate: dict[str, Any]
    checked: bool = False


@dataclass(slots=True)
class _Unread:
    first: str
    count: int = 0

    def __str__(self) -> str:
        return f"record at {self.first}" if self.count == 1 else f"{self.count} records, the first at {self.first},"


@dataclass(slots=True)
class _Hole:
    low: int
    high: int
    where: str
    found: int


@dataclass(slots=True)
class _Chat:
    """One chat as far as it was read; `last` and `head` are of the record with the highest sequence so far.

    `opened` says whether the chat was opened since its last certificate. `unread`: there are records of which only the
    key is known.
    """

    session_id: str
    partition: int
    head: bytes
    last: int = 0
    truncated: bool = False
    sequences: IdRanges = field(default_factory=IdRanges)
    holes: list[_Hole] = field(default_factory=list)
    recorded: RecordedChat = field(default_factory=RecordedChat)
    numbers: dict[int, int] = field(default_factory=dict)
    certified: list[_Certified] = field(default_factory=list)
    opened: bool = False
    findings: list[Finding] = field(default_factory=list)
    unread: bool = False

    def say(self, promise: str, message: str, *, broken: bool = True, by_absence: bool = False) -> None:
        self.findings.append(Finding(self.session_id, promise, message, broken, by_absence))

    # --- a record ------------------------------------------------------------------------------------------------

    def take(self, record: dict[str, Any], payload: bytes, where: str) -> None:
        body, previous, own = split(payload)
        if link(previous, body) != own:
            self.say(CHAIN, f"record at {where} was altered: its content does not have the hash that it carries")
        sequence = record["sequence"]
        if sequence in self.sequences:
            self.say(SEQUENCE, f"record at {where} has sequence {sequence} ({record['id']}), which was there before")
            return
        in_place = sequence > self.last
        if in_place:
            self._advance(sequence, previous, own, where)
        else:
            self._came_late(sequence, where)
        self.sequences.add(sequence)
        self._check_id(record, where, in_place=in_place)
        self.recorded.add(record)
        if in_place:
            for certified in self.certified:
                if certified.certificate["lastSequence"] == sequence:
                    self.compare(certified)

    def _advance(self, sequence: int, previous: bytes, own: bytes, where: str) -> None:
        if sequence == self.last + 1:
            if previous != self.head:
                self.say(
                    CHAIN,
                    f"record at {where} does not continue the chain: the hash of the record before it is"
                    f" {self.head.hex()[:_SHOWN]}..., not {previous.hex()[:_SHOWN]}...",
                )
        elif not self.sequences:
            self.truncated = True
            what = f"starts at sequence {sequence}; earlier records not on the topic"
            self.say(RETENTION, what, broken=False, by_absence=True)
        else:
            self.holes.append(_Hole(self.last + 1, sequence - 1, where, sequence))
        self.last, self.head = sequence, own

    def _came_late(self, sequence: int, where: str) -> None:
        self.say(SEQUENCE, f"record at {where} has sequence {sequence} but comes after {self.last}: out of order")
        for hole in self.holes:
            if hole.low <= sequence <= hole.high:
                self.holes.remove(hole)
                self.holes += [
                    _Hole(low, high, hole.where, hole.found)
                    for low, high in ((hole.low, sequence - 1), (sequence + 1, hole.high))
                    if low <= high
                ]
                return

    def _check_id(self, record: dict[str, Any], where: str, *, in_place: bool) -> None:
        event_id, amends, amendment = record["eventId"], record["amends"], record["amendment"]
        original = f"{self.session_id}:{event_id}"
        ids = self.recorded.ids
        if event_id is None:
            rule = f"{self.session_id}:~{record['sequence']}"
        elif amendment is None:
            rule = original
            if event_id in ids:
                self.say(ID, f"record at {where} has id {record['id']}, which was there before")
            highest = ids.maximum
            if in_place and record["origin"] == LIVE and highest is not None and event_id < highest:
                self.say(ORDER, f"record at {where} is event {event_id}, live, but comes after event {highest}")
        else:
            # Numbers rise, but not always by one: an amendment that could not be published left a GAP in its place.
            number = _number_of(record["id"])
            rule = f"{original}:{max(number, self.numbers.get(event_id, 0) + 1)}"
            self.numbers[event_id] = number
            if not (self.truncated or event_id in ids):
                self.say(ID, f"record at {where} amends {original}, which is not there", by_absence=True)
        if amends != (original if amendment == CHANGED else None) or amendment not in (None, CHANGED, ID_REUSED):
            self.say(ID, f"record at {where} has amends {amends} with the amendment {amendment}")
        if record["id"] != rule:
            self.say(ID, f"record at {where} has id {record['id']} where {rule} was expected")

    # --- a certificate -------------------------------------------------------------------------------------------

    def compare(self, certified: _Certified) -> None:
        """Compare a certificate with the chat as it was when that was issued, which is now."""
        certified.checked = True
        told, where = certified.certificate, certified.where
        if self.head != told["head"]:
            self.say(CERTIFICATE, f"certificate at {where} names another head than the record with its lastSequence")
        if self.truncated or self.holes:
            return  # what is missing cannot be counted
        for what in disagreements(told, self.recorded):
            self.say(CERTIFICATE, f"certificate at {where} {what}")

    def certify(self, where: str, certificate: dict[str, Any]) -> None:
        """Take a certificate; it is compared when the record with its lastSequence is there."""
        replaced = certificate["supersedes"]
        former = self.certified[-1].certificate["lastSequence"] if self.certified and not self.opened else None
        if replaced != former:
            known = bool(self.certified) or self.opened
            what = f"certificate at {where} has supersedes {replaced}, the former one is {former}"
            self.say(CERTIFICATE if known else RETENTION, what, broken=known, by_absence=True)
        self.opened = False
        certified = _Certified(where, certificate)
        self.certified.append(certified)
        if certificate["lastSequence"] == self.last:
            self.compare(certified)

    # --- at the end ----------------------------------------------------------------------------------------------

    def conclude(self) -> list[Finding]:
        """Return the findings, with those that only the end can tell.

        Of a chat with unread records nothing can be said to be missing.
        """
        if self.unread:
            return [finding for finding in self.findings if not finding.by_absence]
        found = list(self.findings)
        for hole in self.holes:
            missing = hole.high - hole.low + 1
            what = "a record is missing" if missing == 1 else f"{missing} records are missing"
            message = f"record at {hole.where} has sequence {hole.found} where {hole.low} was expected: {what}"
            found.append(Finding(self.session_id, SEQUENCE, message))
        found += [
            Finding(self.session_id, *self._unchecked(certified))
            for certified in self.certified
            if not certified.checked
        ]
        return found

    def _unchecked(self, certified: _Certified) -> tuple[str, str, bool]:
        last = certified.certificate["lastSequence"]
        if not self.sequences:
            return RETENTION, f"closed after {last} records, none of which is on the topic", False
        if last > self.last:
            what = f"has lastSequence {last}, the topic ends at {self.last}: records are missing"
            return CERTIFICATE, f"certificate at {certified.where} {what}", True
        if last not in self.sequences and self.truncated:
            return RETENTION, f"certificate at {certified.where} is about records not on the topic", False
        return CERTIFICATE, f"certificate at {certified.where} was read after later records: not checked", False


class Verifier:
    """Reads the records of any number of chats. The names of the topics serve its messages."""

    def __init__(self, schemas: Schemas, *, events: str = "events", sessions: str = "sessions") -> None:
        self._schemas = schemas
        self._events = events
        self._sessions = sessions
        self._chats: dict[str, _Chat] = {}
        self._unreadable: list[Finding] = []
        self._unread: dict[str, _Unread] = {}
        self.records = 0

    @property
    def chats(self) -> int:
        """How many chats were seen so far."""
        return len(self._chats)

    @property
    def unread(self) -> int:
        """How many records could not be read because what wrote them is not known."""
        return sum(unread.count for unread in self._unread.values())

    def feed_event(self, payload: bytes, partition: int, offset: int, written: WriterSchema | None = None) -> None:
        """Take the next record of a partition of the events topic, without its framing; None: today's schema wrote it.

        The chain is that of the bytes as they were written: `integrity` is the last field in every schema.
        """
        where = f"{self._events}-{partition}@{offset}"
        try:
            record = self._schemas.decode(TRANSCRIPT_EVENT, payload, written)
            self._chat(record["sessionId"], partition, where).take(record, payload, where)
        except VerificationFailed as error:
            self._unreadable.append(Finding("", READABLE, f"record at {where} cannot be read: {error}"))
        self.records += 1

    def feed_session(self, payload: bytes, partition: int, offset: int, written: WriterSchema | None = None) -> None:
        """Take the next record of a partition of the sessions topic, without its framing; None: as for events."""
        where = f"{self._sessions}-{partition}@{offset}"
        try:
            record = self._schemas.decode(SESSION_RECORD, payload, written)
        except VerificationFailed as error:
            self._unreadable.append(Finding("", READABLE, f"record at {where} cannot be read: {error}"))
            return
        chat = self._chat(record["sessionId"], partition, where)
        if record["certificate"] is None:
            if record["state"] == CLOSED:
                chat.say(CERTIFICATE, f"closed without a certificate at {where}")
            else:
                chat.opened = True
            return
        chat.certify(where, record["certificate"])

    def leave_unread(self, session_id: str, topic: str, partition: int, offset: int, why: SchemaUnknown) -> None:
        """Take the key of a record instead: what wrote it is not known. Its chat is not verified, nor is it broken."""
        where = f"{topic}-{partition}@{offset}"
        self._chat(session_id, partition, where).unread = True
        unread = self._unread.setdefault(str(why), _Unread(where))
        unread.count += 1
        self.records += topic == self._events

    def findings(self) -> list[Finding]:
        """Return what was found: unreadable records first, then chat by chat in the order in which they appeared."""
        unread = [
            Finding("", SCHEMA, f"{unread} cannot be read: {why}", broken=False) for why, unread in self._unread.items()
        ]
        chats = (finding for chat in self._chats.values() for finding in chat.conclude())
        return [*self._unreadable, *unread, *chats]

    def _chat(self, session_id: str, partition: int, where: str) -> _Chat:
        chat = self._chats.get(session_id)
        if chat is None:
            chat = self._chats[session_id] = _Chat(session_id, partition, genesis(session_id))
        elif chat.partition != partition:
            chat.say(PARTITION, f"record at {where}, but the chat began on partition {chat.partition}")
        return chat


def _number_of(amendment_id: str) -> int:
    number = amendment_id.rpartition(":")[2]
    return int(number) if number.isascii() and number.isdigit() and len(number) <= _LONGEST_NUMBER else 1
