"""Whether the records of one epoch of a chat follow from each other: chain, sequence, ids, order, certificates."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import msgspec

from bridge.records.certificate_checks import RecordedChat, disagreements
from bridge.records.chain import split
from bridge.records.epoch_claims import Certified
from bridge.records.fill_checks import misnamed
from bridge.records.findings import ANCHOR, CERTIFICATE, CHAIN, FILLS, ID, ORDER, RETENTION, SEQUENCE, Finding
from bridge.records.ids import amendment_id, amendment_number, bridge_id, event_id
from bridge.records.recorded_figures import RecordedFigures
from bridge.transcript.entries import CHANGED, ID_REUSED, LIVE
from bridge.transcript.gap_codes import OUTPUT_ADDED
from bridge.transcript.ranges import IdRanges

if TYPE_CHECKING:
    from bridge.records.epoch_claims import AnchoredHead
    from bridge.records.record_places import PartitionStart

_SHOWN: Final = 12


@dataclass(slots=True)
class _Hole:
    low: int
    high: int
    where: str
    found: int


@dataclass(slots=True)
class VerifiedEpoch:
    """One epoch of a chat as far as it was read; `last` and `head` are of the record with the highest sequence so far.

    `opened` says whether the chat was opened since its last certificate, `first_opened` when it was for the first time,
    in us since 1970 UTC, if that is sure: a chat without an earlier certificate.
    """

    session_id: str
    escaped_id: str
    epoch: int
    head: bytes
    last: int = 0
    truncated: bool = False
    run: int = 1
    """From this sequence to `last` every record was read; `sequences` has those that were read below it."""
    sequences: IdRanges = field(default_factory=IdRanges)
    holes: list[_Hole] = field(default_factory=list)
    recorded: RecordedChat = field(default_factory=RecordedChat)
    numbers: dict[int, int] = field(default_factory=dict)
    certified: list[Certified] = field(default_factory=list)
    opened: bool = False
    first_opened: int | None = None
    begins_late: str | None = None
    """Why it is said that its beginning is missing; None when it is there, or never was on this topic."""
    findings: list[Finding] = field(default_factory=list)
    ended: int | None = None
    """Offset of the last record that was read."""
    opening: int | None = None
    """When it was opened for the first time that is known of, in us since 1970 UTC."""
    awaited: int | None = None
    """The lowest sequence above `last` that a certificate or an anchor waits for."""
    anchored: AnchoredHead | None = None
    """What was anchored of it last, until the record is there."""
    part: bool = False
    """Whether a session record of it says that the output does not hold all records."""
    left_out: bool = False
    """Whether records were passed over that never were in this output: its chain goes on over them."""
    figures: RecordedFigures | None = None
    """What its events tell of ending and summary, if a certificate was known before the first of them."""

    def say(self, promise: str, message: str, *, broken: bool = True, by_absence: bool = False) -> None:
        """Add a finding; see `Finding`."""
        self.findings.append(Finding(self.session_id, promise, message, broken, by_absence))

    # --- a record ------------------------------------------------------------------------------------------------

    def take(self, record: dict[str, Any], payload: bytes, where: str) -> bool:
        """Take the next event record that was read, decoded and as its payload.

        Returns whether a certificate was compared with the chat, which ends with this record.
        """
        body, previous, own = split(payload)
        if sha256(previous + body).digest() != own:
            self.say(CHAIN, f"record at {where} was altered: its content does not have the hash that it carries")
        sequence = record["sequence"]
        in_place = sequence > self.last
        if not self.last and self.certified:
            self.figures = RecordedFigures()
        if sequence == self.last + 1 and previous == self.head:
            self.last, self.head = sequence, own
        elif in_place:
            self._advance(record, previous, own, where)
        elif sequence >= self.run or sequence in self.sequences:
            self.say(SEQUENCE, f"record at {where} has sequence {sequence} ({record['id']}), which was there before")
            return False
        else:
            self._came_late(sequence, where)
            self.sequences.add(sequence)
        if not (in_place and self._is_next_event(record)):
            self._check_id(record, where, in_place=in_place)
        self.recorded.add(record)
        if self.figures is not None:
            self.figures.add(record)
        return in_place and self.awaited == sequence and self._compare_due()

    def _is_next_event(self, record: dict[str, Any]) -> bool:
        """Tell whether it is a new event above all before it, and names no GAP: what `_check_id` is about is right."""
        number, ids = record["eventId"], self.recorded.ids
        highest = ids.maximum
        return (
            number is not None
            and (highest is None or number > highest)
            and record["amendment"] is None
            and record["amends"] is None
            and record["fills"] is None
            and not self.recorded.told
            and record["id"] == f"{self.escaped_id}:{number}"
        )

    def _compare_due(self) -> bool:
        for certified in self.certified:
            if certified.last_sequence == self.last:
                self.compare(certified)
        if self.anchored is not None and self.anchored.sequence == self.last:
            if self.anchored.head != self.head:
                what = f"record {self.last} of epoch {self.epoch} has another hash than {self.anchored.where} says"
                self.say(ANCHOR, what)
            self.anchored = None
        self._await()
        return True

    def _await(self) -> None:
        waiting = [one.last_sequence for one in self.certified if one.last_sequence > self.last]
        if self.anchored is not None and self.anchored.sequence > self.last:
            waiting.append(self.anchored.sequence)
        self.awaited = min(waiting, default=None)

    def expect(self, anchored: AnchoredHead) -> None:
        """Take what was anchored of it, before any of its records; the last of them is compared."""
        if self.anchored is None or anchored.sequence >= self.anchored.sequence:
            self.anchored = anchored
            self._await()

    def _advance(self, record: dict[str, Any], previous: bytes, own: bytes, where: str) -> None:
        sequence, continues = record["sequence"], previous == self.head
        if sequence == self.last + 1:
            if not continues:
                self.say(
                    CHAIN,
                    f"record at {where} does not continue the chain: the hash of the record before it is"
                    f" {self.head.hex()[:_SHOWN]}..., not {previous.hex()[:_SHOWN]}...",
                )
        elif continues and (self.part or _tells_of_others(record)):
            self.left_out = True
        elif not self.last:
            self.truncated = True
            if continues:
                what = "its chain begins there: the output was added when the chat was open"
                self.say(RETENTION, f"starts at sequence {sequence}; {what}", broken=False, by_absence=True)
            else:
                self.begins_late = f"starts at sequence {sequence}; earlier records not on the topic"
        else:
            self.holes.append(_Hole(self.last + 1, sequence - 1, where, sequence))
        if sequence != self.last + 1:
            if self.last:
                self.sequences.add_range(self.run, self.last)
            self.run = sequence
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
        number, amends, amendment = record["eventId"], record["amends"], record["amendment"]
        session = self.escaped_id
        original = "" if number is None else event_id(session, number)
        ids = self.recorded.ids
        if number is None:
            rule = bridge_id(session, self.epoch, record["sequence"])
            self.left_out |= _tells_of_others(record)
        elif amendment is None:
            rule = original
            if number in ids:
                self.say(ID, f"record at {where} has id {record['id']}, which was there before")
            highest = ids.maximum
            if in_place and record["origin"] == LIVE and highest is not None and number < highest:
                self.say(ORDER, f"record at {where} is event {number}, live, but comes after event {highest}")
        else:
            # Numbers rise, but not always by one: an amendment that could not be published left a GAP in its place.
            count = amendment_number(record["id"])
            rule = amendment_id(session, number, self.epoch, max(count, self.numbers.get(number, 0) + 1))
            self.numbers[number] = count
            if not (self.truncated or self.left_out or number in ids):
                self.say(ID, f"record at {where} amends {original}, which is not there", by_absence=True)
        if amends != (original if amendment == CHANGED else None) or amendment not in (None, CHANGED, ID_REUSED):
            self.say(ID, f"record at {where} has amends {amends} with the amendment {amendment}")
        if record["id"] != rule:
            self.say(ID, f"record at {where} has id {record['id']} where {rule} was expected")
        problem = misnamed(
            record, self.recorded.told, self.epoch, truncated=self.truncated or self.part or bool(self.holes)
        )
        if problem is not None:
            self.say(FILLS, f"record at {where} {problem}")

    # --- a certificate -------------------------------------------------------------------------------------------

    def compare(self, certified: Certified) -> None:
        """Compare a certificate with the chat as it was when that was issued, which is now."""
        certified.checked = True
        told, summary = certified.unpacked()
        where = certified.where
        if told["epoch"] != self.epoch:
            self.say(
                CERTIFICATE, f"certificate at {where} is about epoch {told['epoch']} in a record of epoch {self.epoch}"
            )
        if self.head != told["head"]:
            self.say(CERTIFICATE, f"certificate at {where} names another head than the record with its lastSequence")
        if self.truncated or self.holes:
            return  # what is missing cannot be counted
        for what in disagreements(told, self.recorded):
            self.say(CERTIFICATE, f"certificate at {where} {what}")
        if self.figures is not None and not self.part:
            for what in self.figures.disagreements(told, summary, self.recorded.gaps):
                self.say(CERTIFICATE, f"certificate at {where} {what}")

    def open(self, at: int, *, part: bool = False) -> None:
        """Take the record that the chat was opened `at`, in us since 1970 UTC; `part`: it says so."""
        self.opened = True
        self.part |= part
        if self.opening is None:
            self.opening = at

    def certify(self, where: str, certificate: dict[str, Any], summary: dict[str, Any] | None = None) -> None:
        """Take a certificate and its summary; it is compared when the record with its lastSequence is there."""
        replaced = certificate["supersedes"]
        self.part |= certificate["part"] is not None
        if replaced is None and not self.certified and self.opening is not None:
            self.first_opened = self.opening
        former = self.certified[-1].last_sequence if self.certified and not self.opened else None
        if replaced != former:
            known = bool(self.certified) or self.opened
            what = f"certificate at {where} has supersedes {replaced}, the former one is {former}"
            self.say(CERTIFICATE if known else RETENTION, what, broken=known, by_absence=True)
        self.opened = False
        certified = Certified(where, certificate["lastSequence"], msgspec.msgpack.encode((certificate, summary)))
        self.certified.append(certified)
        if certified.last_sequence == self.last:
            self.compare(certified)
        self._await()

    # --- at the end ----------------------------------------------------------------------------------------------

    def conclude(self, start: PartitionStart | None, *, unread: bool) -> list[Finding]:
        """Return the findings, with those that only the end can tell.

        `start` is what is left of the partition, None when that is not known: then any beginning may be gone. `unread`:
        the chat has records that could not be read. Of such a one nothing can be said to be missing.
        """
        if unread:
            return [finding for finding in self.findings if not finding.by_absence]
        found = list(self.findings)
        due = start is not None and start.holds(self.first_opened)
        if self.begins_late is not None:
            message = f"{self.begins_late}, although {start}" if due else self.begins_late
            found.append(Finding(self.session_id, SEQUENCE if due else RETENTION, message, broken=due))
        for hole in self.holes:
            missing = hole.high - hole.low + 1
            what = "a record is missing" if missing == 1 else f"{missing} records are missing"
            if self.part:
                what = "the chain does not go on: a record is missing at least"
            message = f"record at {hole.where} has sequence {hole.found} where {hole.low} was expected: {what}"
            found.append(Finding(self.session_id, SEQUENCE, message))
        found += [
            Finding(self.session_id, *self._unchecked(certified, start if due else None))
            for certified in self.certified
            if not certified.checked
        ]
        if self.anchored is not None and (self.last or (start is not None and start.holds(self.anchored.at))):
            sequence = self.anchored.sequence
            if sequence > self.last:
                what = (
                    f"{self.anchored.where} says that record {sequence} was committed, but the last one is {self.last}"
                )
            else:
                what = f"record {sequence}, which {self.anchored.where} names, is missing"
            if sequence > self.last or not self.truncated:
                found.append(Finding(self.session_id, ANCHOR, what))
        if self.certified and not self.opened and start is not None and self.ended is not None:
            covered = self.certified[-1].last_sequence
            if self.last > covered and self.ended < start.settled:
                what = f"has {self.last - covered} records after its last certificate, at {self.certified[-1].where}"
                found.append(Finding(self.session_id, CERTIFICATE, f"{what}, which none covers"))
        return found

    @property
    def at_rest(self) -> bool:
        """Whether nothing is due, and nothing to say of it, unless more records come."""
        if (
            self.opened
            or self.findings
            or self.holes
            or self.truncated
            or self.numbers
            or self.anchored
            or not self.certified
        ):
            return False
        return self.certified[-1].last_sequence == self.last and all(one.checked for one in self.certified)

    def _unchecked(self, certified: Certified, held: PartitionStart | None) -> tuple[str, str, bool]:
        """`held` is what is left of the partition if it must still have all records of the chat."""
        last = certified.last_sequence
        if not self.last:
            message = f"closed after {last} records, none of which is on the topic"
            return (RETENTION, message, False) if held is None else (SEQUENCE, f"{message}, although {held}", True)
        if last > self.last:
            what = f"has lastSequence {last}, the topic ends at {self.last}: records are missing"
            return CERTIFICATE, f"certificate at {certified.where} {what}", True
        if last < self.run and last not in self.sequences and self.truncated:
            return RETENTION, f"certificate at {certified.where} is about records not on the topic", False
        return CERTIFICATE, f"certificate at {certified.where} was read after later records: not checked", False


def _tells_of_others(record: dict[str, Any]) -> bool:
    """Tell whether a record says that those before it may never have been in this output."""
    gap = record["gap"]
    return gap is not None and bool(gap["code"] == OUTPUT_ADDED)
