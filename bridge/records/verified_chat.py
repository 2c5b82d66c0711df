"""One chat as far as its records were read: a chain in each of its epochs, all on one partition."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import msgspec

from bridge.records.chain import genesis
from bridge.records.epoch_checks import VerifiedEpoch
from bridge.records.findings import CERTIFICATE, EPOCH, PARTITION, SEQUENCE, Finding
from bridge.records.ids import escaped
from bridge.records.session_records import CLOSED

if TYPE_CHECKING:
    from bridge.records.record_places import PartitionStart

_DIGEST_BYTES: Final = 8


class SessionStatement(msgspec.Struct, array_like=True, frozen=True):
    """What of a session record is compared: its fields, where it stands, and a digest of all of it."""

    where: str
    partition: int | None
    digest: bytes
    state: str
    epoch: int
    at: int
    certificate: dict[str, Any] | None
    summary: dict[str, Any] | None
    part: bool = False

    @classmethod
    def of(cls, record: dict[str, Any], payload: bytes, partition: int | None, where: str) -> SessionStatement:
        """Take a decoded session record and its payload."""
        digest = sha256(payload).digest()[:_DIGEST_BYTES]
        certificate, summary, part = record["certificate"], record["summary"], record["part"] is not None
        return cls(where, partition, digest, record["state"], record["epoch"], record["at"], certificate, summary, part)


@dataclass(slots=True)
class VerifiedChat:
    """`partition` is where it began, None in a file that does not say. `escaped_id` is its id as it stands in ids.

    `unread`: there are records of which only the key is known, and so not the epoch. `digests` are of its session
    records, by which one that comes again is recognised. `was_opened`: one of them says that it was opened, before any
    says that it was closed; `closed`: the last one says that it is over or given up.
    """

    session_id: str
    partition: int | None
    escaped_id: str = ""
    epochs: dict[int, VerifiedEpoch] = field(default_factory=dict)
    highest: int = 0
    findings: list[Finding] = field(default_factory=list)
    unread: bool = False
    recorded_at: int | None = None
    """Offset of its first event record."""
    begun: int | None = None
    """When the first record of its chain was observed, in us since 1970 UTC; None when that record was not read."""
    digests: list[bytes] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    """Where session records are that were there before."""
    moments: list[int] = field(default_factory=list)
    """When it was opened and closed, in us since 1970 UTC."""
    was_opened: bool = False
    closed: bool = False

    def __post_init__(self) -> None:
        """Escape the id, once."""
        self.escaped_id = escaped(self.session_id)

    def say(self, promise: str, message: str, *, broken: bool = True) -> None:
        """Add a finding."""
        self.findings.append(Finding(self.session_id, promise, message, broken))

    def epoch(self, number: int) -> VerifiedEpoch:
        """Return one of its epochs."""
        found = self.epochs.get(number)
        if found is None:
            start = genesis(self.session_id, number)
            found = self.epochs[number] = VerifiedEpoch(self.session_id, self.escaped_id, number, start)
        return found

    def begin(self, record: dict[str, Any], partition: int | None, offset: int, where: str) -> VerifiedEpoch:
        """Take where the next event record stands; return its epoch."""
        if partition != self.partition:
            self.stand_on(partition, where)
        if self.recorded_at is None:
            self.recorded_at = offset
        if record["sequence"] == 1 and self.begun is None:
            self.begun = record["observedAt"]
        number = record["epoch"]
        if number > self.highest:
            self.highest = number
            self.say(EPOCH, f"begins again at {where} with epoch {number}: its events may be there twice", broken=False)
        elif number < self.highest:
            self.say(EPOCH, f"record at {where} is of epoch {number} but comes after epoch {self.highest}")
        epoch = self.epoch(number)
        epoch.ended = offset
        return epoch

    def stand_on(self, partition: int | None, where: str) -> None:
        """Take where one of its records stands; None: it is not known."""
        if self.partition is None:
            self.partition = partition
        elif partition is not None and partition != self.partition:
            self.say(PARTITION, f"record at {where}, but the chat began on partition {self.partition}")

    def take_session(self, said: SessionStatement) -> None:
        """Take the next session record."""
        if said.digest in self.digests:
            self.again.append(said.where)
        self.digests.append(said.digest)
        self.moments.append(said.at)
        chat = self.epoch(said.epoch)
        self.closed = said.state == CLOSED
        if said.certificate is not None:
            chat.certify(said.where, said.certificate, said.summary)
        elif self.closed:
            chat.say(CERTIFICATE, f"closed without a certificate at {said.where}")
        else:
            self.was_opened = self.was_opened or len(self.digests) == 1
            chat.open(said.at, part=said.part)

    @property
    def at_rest(self) -> bool:
        """Whether nothing is due, and nothing to say of it, unless more records come."""
        if self.findings or self.again or self.unread or len(self.epochs) != 1 or self.highest or not self.was_opened:
            return False
        return all(epoch.at_rest for epoch in self.epochs.values())

    @property
    def cut_off(self) -> bool:
        """Whether its beginning was not read."""
        return any(epoch.begins_late is not None or not epoch.last for epoch in self.epochs.values())

    def conclude(self, start: PartitionStart | None) -> list[Finding]:
        """Return the findings of the chat, then those of its epochs. `start` is what is left of its partition."""
        found = [
            finding for _, epoch in sorted(self.epochs.items()) for finding in epoch.conclude(start, unread=self.unread)
        ]
        again = [] if start is None else [f"session record at {where} was there before" for where in self.again]
        repeated = [Finding(self.session_id, SEQUENCE, what) for what in again]
        return [*self.findings, *repeated, *found, *self._without_session_records(start)]

    def _without_session_records(self, start: PartitionStart | None) -> list[Finding]:
        if self.unread or start is None or not start.sessions_hold(self.begun):
            return []
        why = "files are to hold their chats whole" if start.in_files else "nothing was deleted from that partition"
        if not start.sessions_whole and not start.in_files:
            why = "it is younger than the retention of the topic"
        if self.digests and not self.was_opened:
            what = f"was closed, but no session record before says that it was opened, although {why}"
            return [Finding(self.session_id, CERTIFICATE, what)]
        if self.digests or self.recorded_at is None or self.recorded_at >= start.settled:
            return []
        return [Finding(self.session_id, CERTIFICATE, f"has events but no session record, although {why}")]
