"""Verifies the records on the topics: nothing lost, altered, reordered or duplicated.

Feed the session records first, then the event records, each partition in the order of its offsets; then ask for the
findings. Records deleted by retention are no breach: a chat whose first records are gone is checked from the first one
that is left. What retention cannot have deleted, because the partition has lost nothing or only what is older, has to
be there. Pure; holds a few hundred bytes per chat.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.errors import VerificationFailed
from bridge.records.avro import SESSION_RECORD, TRANSCRIPT_EVENT
from bridge.records.chain import genesis
from bridge.records.epoch_checks import VerifiedEpoch
from bridge.records.findings import CERTIFICATE, EPOCH, HEADERS, PARTITION, READABLE, SCHEMA, Finding
from bridge.records.record_places import early, of_event, of_session
from bridge.records.session_records import CLOSED

if TYPE_CHECKING:
    from bridge.errors import SchemaUnknown
    from bridge.records.avro import Schemas, WriterSchema
    from bridge.records.record_places import PartitionStart, Surroundings


@dataclass(slots=True)
class _Unread:
    first: str
    count: int = 0

    def __str__(self) -> str:
        return f"record at {self.first}" if self.count == 1 else f"{self.count} records, the first at {self.first},"


@dataclass(slots=True)
class _Epochs:
    """One chat: a chain of records in each of its epochs, all on one partition.

    `unread`: there are records of which only the key is known, and so not the epoch.
    """

    session_id: str
    partition: int
    chats: dict[int, VerifiedEpoch] = field(default_factory=dict)
    highest: int = 0
    findings: list[Finding] = field(default_factory=list)
    unread: bool = False
    recorded_at: int | None = None
    """Offset of its first event record."""
    in_sessions: bool = False

    def say(self, promise: str, message: str, *, broken: bool = True) -> None:
        self.findings.append(Finding(self.session_id, promise, message, broken))

    def chat(self, epoch: int) -> VerifiedEpoch:
        if epoch not in self.chats:
            self.chats[epoch] = VerifiedEpoch(self.session_id, epoch, genesis(self.session_id, epoch))
        return self.chats[epoch]

    def recorded(self, epoch: int, where: str) -> VerifiedEpoch:
        """Return the epoch of the next event record."""
        if epoch > self.highest:
            self.highest = epoch
            self.say(EPOCH, f"begins again at {where} with epoch {epoch}: its events may be there twice", broken=False)
        elif epoch < self.highest:
            self.say(EPOCH, f"record at {where} is of epoch {epoch} but comes after epoch {self.highest}")
        return self.chat(epoch)

    def conclude(self, start: PartitionStart | None) -> list[Finding]:
        """Return the findings of the chat, then those of its epochs. `start` is what is left of its partition."""
        epochs = sorted(self.chats.items())
        found = [finding for _, chat in epochs for finding in chat.conclude(start, unread=self.unread)]
        return [*self.findings, *found, *self._never_opened(start)]

    def _never_opened(self, start: PartitionStart | None) -> list[Finding]:
        if self.unread or self.in_sessions or self.recorded_at is None or start is None:
            return []
        if not start.sessions_whole or self.recorded_at >= start.settled:
            return []
        what = "has events but no session record, although nothing was deleted from that partition"
        return [Finding(self.session_id, CERTIFICATE, what)]


class Verifier:
    """Reads the records of any number of chats. The names of the topics serve its messages."""

    def __init__(self, schemas: Schemas, *, events: str = "events", sessions: str = "sessions") -> None:
        self._schemas = schemas
        self._events = events
        self._sessions = sessions
        self._chats: dict[str, _Epochs] = {}
        self._unreadable: list[Finding] = []
        self._unread: dict[str, _Unread] = {}
        self._starts: dict[int, PartitionStart] = {}
        self.records = 0
        self.session_records = 0

    @property
    def chats(self) -> int:
        """How many chats were seen so far."""
        return len(self._chats)

    @property
    def unread(self) -> int:
        """How many records could not be read because what wrote them is not known."""
        return sum(unread.count for unread in self._unread.values())

    def start_partition(self, partition: int, start: PartitionStart) -> None:
        """Take what is left of a partition of the events topic. Without it, no beginning has to be there."""
        self._starts[partition] = start

    def feed_event(
        self,
        payload: bytes,
        partition: int,
        offset: int,
        written: WriterSchema | None = None,
        around: Surroundings | None = None,
    ) -> None:
        """Take the next record of a partition of the events topic, without its framing; None: today's schema wrote it.

        The chain is that of the bytes as they were written: `integrity` is the last field in every schema. `around` is
        compared with the value; None when there is none, as in a file.
        """
        where = f"{self._events}-{partition}@{offset}"
        try:
            record = self._schemas.decode(TRANSCRIPT_EVENT, payload, written)
            epochs = self._epochs(record["sessionId"], partition, where)
            if epochs.recorded_at is None:
                epochs.recorded_at = offset
            epochs.recorded(record["epoch"], where).take(record, payload, where)
            if around is not None:
                for what in of_event(record, around):
                    epochs.say(HEADERS, f"record at {where} {what}")
                if early(record, around):
                    what = "has a Kafka time long before it was observed: it was copied, or a clock was wrong"
                    epochs.say(HEADERS, f"record at {where} {what}", broken=False)
        except VerificationFailed as error:
            self._unreadable.append(Finding("", READABLE, f"record at {where} cannot be read: {error}"))
        self.records += 1

    def feed_session(
        self,
        payload: bytes,
        partition: int,
        offset: int,
        written: WriterSchema | None = None,
        around: Surroundings | None = None,
    ) -> None:
        """Take the next record of a partition of the sessions topic, without its framing; None: as for events."""
        where = f"{self._sessions}-{partition}@{offset}"
        try:
            record = self._schemas.decode(SESSION_RECORD, payload, written)
        except VerificationFailed as error:
            self._unreadable.append(Finding("", READABLE, f"record at {where} cannot be read: {error}"))
            return
        epochs = self._epochs(record["sessionId"], partition, where)
        epochs.in_sessions = True
        self.session_records += 1
        if around is not None:
            for what in of_session(record, around):
                epochs.say(HEADERS, f"record at {where} {what}")
        chat = epochs.chat(record["epoch"])
        if record["certificate"] is None:
            if record["state"] == CLOSED:
                chat.say(CERTIFICATE, f"closed without a certificate at {where}")
            else:
                chat.open(record["at"])
            return
        chat.certify(where, record["certificate"])

    def leave_unread(self, session_id: str, topic: str, partition: int, offset: int, why: SchemaUnknown) -> None:
        """Take the key of a record instead: what wrote it is not known. Its chat is not verified, nor is it broken."""
        where = f"{topic}-{partition}@{offset}"
        self._epochs(session_id, partition, where).unread = True
        unread = self._unread.setdefault(str(why), _Unread(where))
        unread.count += 1
        self.records += topic == self._events

    def findings(self) -> list[Finding]:
        """Return what was found: unreadable records first, then chat by chat in the order in which they appeared."""
        unread = [
            Finding("", SCHEMA, f"{unread} cannot be read: {why}", broken=False) for why, unread in self._unread.items()
        ]
        chats = (
            finding
            for epochs in self._chats.values()
            for finding in epochs.conclude(self._starts.get(epochs.partition))
        )
        return [*self._unreadable, *unread, *chats]

    def _epochs(self, session_id: str, partition: int, where: str) -> _Epochs:
        epochs = self._chats.get(session_id)
        if epochs is None:
            epochs = self._chats[session_id] = _Epochs(session_id, partition)
        elif epochs.partition != partition:
            epochs.say(PARTITION, f"record at {where}, but the chat began on partition {epochs.partition}")
        return epochs
