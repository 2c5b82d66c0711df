"""Events and sessions topics in memory: chats as the bridge writes them, and a reader that stands in for Kafka."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from bridge.adapters.kafka.partitioner import partition_of
from bridge.errors import EnvironmentFault
from bridge.records.avro import SESSION_RECORD, TRANSCRIPT_EVENT, Schemas, schema_folder
from bridge.records.normalise import ChatRecorder, Recording
from bridge.records.payload_framing import single_object
from bridge.records.redactor import Redactor
from bridge.records.session_records import CLOSED, OPENED
from bridge.transcript.entries import INCOMPLETE, SessionFacts
from bridge.transcript.events import ChatTranscript
from bridge.transcript.fold import Transcript
from bridge.transcript.state import TranscriptState
from bridge.transcript.updates import TranscriptUpdate
from tests.transcript.build import joined, left, said

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from bridge.transcript.entries import Entry
    from bridge.transcript.events import ChatEvent

EVENTS: Final = "chat.transcript.events.v1"
SESSIONS: Final = "chat.transcript.sessions.v1"
PARTITIONS: Final = 3
SCHEMAS: Final = Schemas(schema_folder())
RECORDING: Final = Recording(SCHEMAS, Redactor())
FRAMING: Final = {
    EVENTS: single_object(SCHEMAS.fingerprint(TRANSCRIPT_EVENT)),
    SESSIONS: single_object(SCHEMAS.fingerprint(SESSION_RECORD)),
}
AT: Final = 1_750_000_000_000_000
MINUTE: Final = 60_000_000


@dataclass(frozen=True)
class CopiedRecord:
    """A record as a consumer gets it."""

    topic: str
    partition: int
    key: bytes
    headers: tuple[tuple[str, bytes | None], ...]
    value: bytes
    timestamp: int
    offset: int = 0

    @property
    def payload(self) -> bytes:
        return self.value[len(FRAMING[self.topic]) :]

    def with_payload(self, payload: bytes) -> CopiedRecord:
        return replace(self, value=FRAMING[self.topic] + payload)


@dataclass
class TopicCopies:
    """Both topics: lists of records by topic and partition. Offsets are their places in the lists."""

    logs: dict[tuple[str, int], list[CopiedRecord]] = field(default_factory=dict)

    def copy(self) -> TopicCopies:
        return TopicCopies({place: list(log) for place, log in self.logs.items()})

    def log(self, topic: str, partition: int) -> list[CopiedRecord]:
        return self.logs.setdefault((topic, partition), [])

    def append(self, record: CopiedRecord) -> None:
        self.log(record.topic, record.partition).append(record)

    def partitions(self, topic: str) -> int:
        return sum(name == topic for name, _ in self.logs)

    def chats(self, partition: int) -> list[str]:
        """The chats of a partition in the order of their first records."""
        return list(dict.fromkeys(record.key.decode() for record in self.log(SESSIONS, partition)))


class TopicCopiesReader:
    """Reads copies as TopicReader reads topics."""

    def __init__(self, copies: TopicCopies) -> None:
        self._copies = copies

    async def beginnings(self, _: str, partitions: Iterable[int]) -> dict[int, int]:
        return dict.fromkeys(partitions, 0)

    async def ends(self, topic: str, partitions: Iterable[int]) -> dict[int, int]:
        return {each: len(self._copies.log(topic, each)) for each in partitions}

    async def whole(self, topic: str, partitions: Iterable[int]) -> AsyncIterator[Sequence[CopiedRecord]]:
        for each in partitions:
            log = [replace(record, offset=offset) for offset, record in enumerate(self._copies.log(topic, each))]
            if log:
                yield log

    # --- of the manager of topics ---------------------------------------------------------------------------------

    async def partitions(self, topic: str) -> int:
        found = self._copies.partitions(topic)
        if not found:
            raise EnvironmentFault(f"there is no topic {topic}")
        return found

    async def kept_seconds(self, _: str) -> float | None:
        return None


def reader_of(copies: TopicCopies) -> Any:
    """Return what stands in for `topic_reader.reader`."""

    @contextlib.asynccontextmanager
    async def reader(_: object) -> AsyncIterator[TopicCopiesReader]:
        yield TopicCopiesReader(copies)

    return reader


class WrittenChat:
    """Writes the records of one chat, as the bridge does, to its partition."""

    def __init__(self, copies: TopicCopies, session_id: str, partition: int | None = None) -> None:
        self.session_id = session_id
        self._copies = copies
        key = session_id.encode()
        self._partition = partition_of(key, PARTITIONS) if partition is None else partition
        self._fold = Transcript(TranscriptState(SessionFacts(session_id, server="chat-1:4800")))
        self._recorder = ChatRecorder(session_id, RECORDING)
        self._at = AT
        self._session(OPENED)

    def hears(self, *events: ChatEvent, snapshot: bool = False) -> None:
        self._at += MINUTE
        told = ChatTranscript(self.session_id, "2031-03-04T10:00:00Z", chat_event_list=list(events))
        update = TranscriptUpdate(
            told, False, snapshot=snapshot, server="chat-1:4800", version=106, observed_at=self._at
        )
        for entry in self._fold.apply(update):
            self._event(entry)

    def close(self, supersedes: int | None = None) -> None:
        self._at += MINUTE
        self._session(CLOSED, self._fold.certificate(supersedes=supersedes))

    def session_headers(self, told: dict[str, Any]) -> tuple[tuple[str, bytes], ...]:
        """The headers that belong to a session record of this chat."""
        certificate = told["certificate"]
        whole = self._fold.certificate(supersedes=None if certificate is None else certificate["supersedes"])
        if certificate is None:
            return tuple(self._recorder.session_headers(told["state"], told["at"]))
        like = replace(whole, last_sequence=certificate["lastSequence"])
        return tuple(self._recorder.session_headers(told["state"], told["at"], like))

    def _event(self, entry: Entry) -> None:
        headers = self._recorder.blocks(entry, self._fold.facts).headers
        self._append(EVENTS, headers, self._recorder.event_record(entry, self._fold.facts))

    def _session(self, state: str, certificate: Any = None) -> None:
        headers = self._recorder.session_headers(state, self._at, certificate)
        missing = certificate is not None and certificate.verdict == INCOMPLETE
        summary = None if certificate is None else self._fold.summary(missing=missing)
        facts = self._fold.facts
        payload = self._recorder.session_record(state, facts, self._at, certificate, summary=summary)
        self._append(SESSIONS, headers, payload)

    def _append(self, topic: str, headers: Any, payload: bytes) -> None:
        record = CopiedRecord(
            topic, self._partition, self._recorder.key, tuple(headers), FRAMING[topic] + payload, self._at // 1000
        )
        self._copies.append(record)


def written(chat: WrittenChat, *, ended: bool = True, again: bool = False) -> None:
    """Six events; then closed, and closed once more after a late one."""
    chat.hears(joined(1), said(2), snapshot=True)
    for number in (3, 4, 5):
        chat.hears(said(number))
    chat.hears(left(6))
    if ended:
        chat.close()
    if again:
        chat.hears(said(7, "late"))
        chat.close(6)


@cache
def _sound() -> TopicCopies:
    copies = TopicCopies({(topic, each): [] for topic in (SESSIONS, EVENTS) for each in range(PARTITIONS)})
    number = 0
    while any(len(copies.chats(each)) < 4 for each in range(PARTITIONS)):
        number += 1
        name = f"0000TEST{number:08}"
        there = len(copies.chats(partition_of(name.encode(), PARTITIONS)))
        if there < 4:
            written(WrittenChat(copies, name), ended=there != 3, again=there == 1)
    return copies


def sound() -> TopicCopies:
    """Three partitions with four chats each: the second was closed twice, the last one is open."""
    return _sound().copy()
