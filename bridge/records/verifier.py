"""Verifies the records on the topics: nothing lost, altered, reordered or duplicated.

Feed the session records first, then the event records, each partition in the order of its offsets; then ask for the
findings. Records deleted by retention are no breach: a chat whose first records are gone is checked from the first one
that is left. What retention cannot have deleted, because the partition has lost nothing or only what is older, has to
be there. Pure; holds some kilobytes per open chat, some hundred bytes of any other one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bridge.errors import VerificationFailed
from bridge.records.avro import SESSION_RECORD, TRANSCRIPT_EVENT
from bridge.records.event_decoding import EventDecoding
from bridge.records.findings import HEADERS, PARTITION, READABLE, SCHEMA, SIGNATURE, Finding
from bridge.records.record_places import agrees, early, of_event, of_session
from bridge.records.resting_chats import WaitingChats, pack, unpack
from bridge.records.verified_chat import SessionStatement, VerifiedChat

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from bridge.errors import SchemaUnknown
    from bridge.records.avro import Schemas, WriterSchema
    from bridge.records.epoch_claims import AnchoredHead
    from bridge.records.record_places import PartitionStart, Surroundings

    PlacesOf = Callable[[bytes], Collection[int]]
    CheckSession = Callable[[bytes, dict[str, Any], int | None], str | None]
    Select = Callable[[VerifiedChat], bool]


@dataclass(slots=True)
class _Unread:
    first: str
    count: int = 0

    def __str__(self) -> str:
        return f"record at {self.first}" if self.count == 1 else f"{self.count} records, the first at {self.first},"


@dataclass(slots=True)
class Extent:
    """How much was verified.

    Chats are `closed` or `open` if their beginnings were read, else `cut_off`; or `unread`, if not all of their records
    could be. Times of events in us since 1970 UTC, None when there are none.
    """

    chats: int = 0
    closed: int = 0
    open: int = 0
    cut_off: int = 0
    unread: int = 0
    certificates: int = 0
    earliest: int | None = None
    latest: int | None = None


class Verifier:
    """Reads the records of any number of chats. The names of the topics serve its messages.

    `places_of` tells the partitions that a key may be on; None when that is not to be checked. `check_session` returns
    what is wrong with the signature of a session record, given its payload, its fields and its partition; None when
    nothing is.
    """

    def __init__(
        self,
        schemas: Schemas,
        *,
        events: str = "events",
        sessions: str = "sessions",
        places_of: PlacesOf | None = None,
        check_session: CheckSession | None = None,
    ) -> None:
        self._schemas = schemas
        self._decoding = EventDecoding(schemas)
        self._events = events
        self._sessions = sessions
        self._places_of = places_of
        self._check_session = check_session
        self._anchored: dict[str, AnchoredHead] = {}
        self._chats: dict[str, VerifiedChat] = {}
        self._waiting = WaitingChats()
        self._resting: dict[str, bytes] = {}
        self._left_out: set[str] = set()
        self._unreadable: list[Finding] = []
        self._unread: dict[str, _Unread] = {}
        self._starts: dict[int | None, PartitionStart] = {}
        self._earliest: int | None = None
        self._latest: int | None = None
        self.records = 0
        self.session_records = 0
        self.certificates = 0

    @property
    def chats(self) -> int:
        """How many chats were seen so far."""
        return len(self._chats) + len(self._waiting) + len(self._resting)

    @property
    def unread(self) -> int:
        """How many records could not be read because what wrote them is not known."""
        return sum(unread.count for unread in self._unread.values())

    def fingerprint(self, name: str) -> bytes:
        """Return that of the schema as which records of a type are read."""
        return self._schemas.fingerprint(name)

    def start_partition(self, partition: int | None, start: PartitionStart) -> None:
        """Take what is left of a partition of the events topic. Without it, no beginning has to be there.

        None: of what does not say which partition it is from.
        """
        self._starts[partition] = start

    def feed_event(  # noqa: PLR0913 - a record, and where it stands
        self,
        payload: bytes,
        partition: int | None,
        offset: int,
        written: WriterSchema | None = None,
        around: Surroundings | None = None,
        *,
        where: str | None = None,
        record: dict[str, Any] | None = None,
    ) -> None:
        """Take the next record of a partition of the events topic, without its framing; None: today's schema wrote it.

        The chain is that of the bytes as they were written: `integrity` is the last field in every schema. `around` is
        compared with the value; None when there is none, as in a file. `where` is what messages call its place, in
        place of topic, partition and offset. `record` is the payload as today's schema reads it, if that is known.
        """
        where = where or f"{self._events}-{partition}@{offset}"
        try:
            if record is None:
                record = self._decode(payload, written)
            session_id = record["sessionId"]
            chat = self._chats.get(session_id)
            if chat is None:
                if session_id in self._left_out:
                    return
                chat = self._awaken(session_id, partition, where)
            if chat.recorded_at is None:
                self._limit(record["observedAt"])
            epoch = chat.begin(record, partition, offset, where)
            if around is not None and not agrees(record, around):
                _contradicted(chat, record, around, where)
            compared = epoch.take(record, payload, where)
            if compared:
                self._limit(record["observedAt"])
                if chat.at_rest:
                    self._resting[session_id] = pack(self._chats.pop(session_id))
        except VerificationFailed as error:
            self._unreadable.append(Finding("", READABLE, f"record at {where} cannot be read: {error}"))
        self.records += 1

    def feed_session(  # noqa: PLR0913 - a record, and where it stands
        self,
        payload: bytes,
        partition: int | None,
        offset: int,
        written: WriterSchema | None = None,
        around: Surroundings | None = None,
        *,
        where: str | None = None,
        record: dict[str, Any] | None = None,
    ) -> None:
        """Take the next record of a partition of the sessions topic, without its framing; None: as for events."""
        where = where or f"{self._sessions}-{partition}@{offset}"
        try:
            if record is None:
                record = self._schemas.decode(SESSION_RECORD, payload, written)
        except VerificationFailed as error:
            self._unreadable.append(Finding("", READABLE, f"record at {where} cannot be read: {error}"))
            return
        session_id = record["sessionId"]
        self.session_records += 1
        self.certificates += record["certificate"] is not None
        problems = [] if around is None else [(HEADERS, what) for what in of_session(record, around)]
        wrong = None if self._check_session is None else self._check_session(payload, record, partition)
        if wrong is not None:
            problems.append((SIGNATURE, f"is not proved: {wrong}"))
        misplaced = self._misplaced(session_id, partition)
        if not (problems or misplaced) and session_id not in self._chats and session_id not in self._resting:
            self._waiting.add(session_id, SessionStatement.of(record, payload, partition, where))
            return
        chat = self._chats.get(session_id) or self._awaken(session_id, partition, where)
        for promise, what in problems:
            chat.say(promise, f"record at {where} {what}")
        chat.stand_on(partition, where)
        chat.take_session(SessionStatement.of(record, payload, partition, where))

    def leave_unread(
        self, session_id: str, place: str, why: SchemaUnknown, *, event: bool, partition: int | None
    ) -> None:
        """Take the key of a record instead: what wrote it is not known. Its chat is not verified, nor is it broken."""
        chat = self._chats.get(session_id) or self._awaken(session_id, partition, place)
        chat.stand_on(partition, place)
        chat.unread = True
        unread = self._unread.setdefault(str(why), _Unread(place))
        unread.count += 1
        self.records += event

    def expect(self, session_id: str, anchored: AnchoredHead) -> None:
        """Take what a signed statement says of an open chat: after all session records, before all events."""
        chat = self._chats.get(session_id)
        if chat is not None:  # something was found of it already
            chat.epoch(anchored.epoch).expect(anchored)
            return
        before = self._anchored.get(session_id)
        if before is None or (anchored.epoch, anchored.sequence) >= (before.epoch, before.sequence):
            self._anchored[session_id] = anchored

    def leave_out(self, select: Select) -> int:
        """Forget all chats so far that `select` does not want, and their events that follow; return their number."""
        chats = [*self._waiting.all(), *self._chats.values()]
        self._left_out = {chat.session_id for chat in chats if not select(chat)}
        for session_id in self._left_out:
            self._waiting.take(session_id)
            self._chats.pop(session_id, None)
        return len(self._left_out)

    def knows(self, session_id: str) -> bool | None:
        """Tell whether a chat is verified; None: nothing was read of it yet."""
        if session_id in self._left_out:
            return False
        there = session_id in self._chats or session_id in self._resting or session_id in self._waiting
        return True if there else None

    def findings(self) -> list[Finding]:
        """Return what was found: unreadable records first, then chat by chat, those without events last."""
        for session_id, anchored in list(self._anchored.items()):
            if session_id not in self._left_out:
                self._awaken(session_id, None, anchored.where)
        unread = [
            Finding("", SCHEMA, f"{unread} cannot be read: {why}", broken=False) for why, unread in self._unread.items()
        ]
        chats = (
            finding
            for chat in (*self._chats.values(), *self._waiting.all())
            for finding in chat.conclude(self._starts.get(chat.partition))
        )
        return [*self._unreadable, *unread, *chats]

    def extent(self) -> Extent:
        """Return how much was verified."""
        found = Extent(self.chats, len(self._resting), certificates=self.certificates)
        found.earliest, found.latest = self._earliest, self._latest
        for chat in (*self._chats.values(), *self._waiting.all()):
            found.unread += chat.unread
            found.cut_off += not chat.unread and chat.cut_off
            found.closed += chat.closed and not chat.unread and not chat.cut_off
            found.open += not chat.closed and not chat.unread and not chat.cut_off
        return found

    def _decode(self, payload: bytes, written: WriterSchema | None) -> dict[str, Any]:
        if written is None or written.fingerprint == self._schemas.fingerprint(TRANSCRIPT_EVENT):
            return self._decoding.decode(payload)
        return self._schemas.decode(TRANSCRIPT_EVENT, payload, written)

    def _limit(self, observed: int) -> None:
        self._earliest = observed if self._earliest is None else min(self._earliest, observed)
        self._latest = observed if self._latest is None else max(self._latest, observed)

    def _awaken(self, session_id: str, partition: int | None, where: str) -> VerifiedChat:
        """Return a chat that waits or is at rest, or a new one, which is looked at from now on."""
        packed = self._resting.pop(session_id, None)
        if packed is not None:
            chat = unpack(session_id, packed)
        else:
            chat = self._waiting.take(session_id) or VerifiedChat(session_id, partition)
            place = self._misplaced(session_id, chat.partition)
            if place:
                chat.say(PARTITION, f"record at {where}, but its key belongs on partition {place}")
        anchored = self._anchored.pop(session_id, None)
        if anchored is not None:
            chat.epoch(anchored.epoch).expect(anchored)
        self._chats[session_id] = chat
        return chat

    def _misplaced(self, session_id: str, partition: int | None) -> str:
        """Return the partition, or partitions, that a chat belongs on, if it stands on another one; empty if not."""
        if self._places_of is None or partition is None:
            return ""
        places = self._places_of(session_id.encode())
        return "" if partition in places else " or ".join(map(str, places))


def _contradicted(chat: VerifiedChat, record: dict[str, Any], around: Surroundings, where: str) -> None:
    for what in of_event(record, around):
        chat.say(HEADERS, f"record at {where} {what}")
    if early(record, around):
        what = "has a Kafka time long before it was observed: it was copied, or a clock was wrong"
        chat.say(HEADERS, f"record at {where} {what}", broken=False)
