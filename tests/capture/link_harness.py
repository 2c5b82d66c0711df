"""One link and one session store without socket, clock or Kafka: bytes of a server in, records to commit out.

The link is the real one on a transport that only stores what is written. The server's messages are encoded with
Python's json, not by the bridge; records are decoded with plain fastavro, timestamps included.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
from typing import TYPE_CHECKING, Any, Self, cast

import fastavro

from bridge.announcement import parse
from bridge.capture.inbox import Announced
from bridge.capture.session_store import SessionStore
from bridge.capture.session_store_settings import SessionStoreSettings
from bridge.capture.stored_chats import stored_shard
from bridge.chatserver.connection_settings import ConnectionSettings
from bridge.chatserver.psdk_json import client_wire
from bridge.errors import Problem, UnreadableAnnouncement
from bridge.logs import JsonLines
from bridge.records.avro import QUARANTINED_INPUT, SESSION_RECORD, TRANSCRIPT_EVENT, Schemas, schema_folder
from bridge.records.normalise import Recording
from bridge.records.redactor import Redactor
from bridge.records.verifier import Verifier
from bridge.records.writer_schemas import WriterSchemas
from bridge.sources.chat_server.history_turn import HistoryTurn
from bridge.sources.chat_server.link import Link
from bridge.telemetry import Telemetry
from bridge.transcript.updates import JoinRefused, LinkDown, TranscriptUpdate, Verdict
from tests.capture.link_surroundings import FakeClock, Stream
from tests.capture.written_topics import CHECKPOINTS, EVENTS, QUARANTINE, SESSIONS, output, written_to
from tests.support.reasons import A_REFUSAL

if TYPE_CHECKING:
    from types import TracebackType

    from bridge.capture.inbox import Input
    from bridge.capture.ports import Outgoing
    from bridge.transcript.updates import Update

CHAT = "0000ROOM00000001"
OTHER = "0000ROOM00000002"
SERVER = "chat-1:4800"
START = "2031-03-04T10:00:00Z"
PARTITION = 3
PREFIX = b"\x00\x00\x00\x00\x01"
CHUNK = 65536

SCHEMAS = Schemas(schema_folder())
_READERS = {
    name: fastavro.parse_schema(json.loads(SCHEMAS.text(name)))
    for name in (TRANSCRIPT_EVENT, SESSION_RECORD, QUARANTINED_INPUT)
}


def info(session_id: str, *events: object, reference: int | None = None, **transcript: object) -> dict[str, Any]:
    """Return an EventSessionInfo; `status=Over` ends the chat."""
    status = transcript.pop("status", "Alive")
    said = {"sessionId": session_id, "startAt": START, "chatEventList": list(events), **transcript}
    message = {"messageName": "EventSessionInfo", "chatTranscript": said, "sessionStatus": status}
    return message if reference is None else {**message, "referenceId": reference}


def party(event_id: int, user_id: str = "00A1", nickname: str = "Visitor", **more: object) -> dict[str, Any]:
    user = {"userNickname": nickname, "userType": "CLIENT", "protocolType": "FLEX"}
    return {"eventType": "newParty", "eventId": event_id, "userId": user_id, "userInfo": user, **more}


def message(event_id: int, text: str = "hello", **more: object) -> dict[str, Any]:
    said = {"eventType": "message", "eventId": event_id, "userId": "00A1", "messageText": {"text": text}}
    return {**said, "timeShift": event_id if event_id < 2**31 else 0, **more}


def line(value: object) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


class LinkHarness:
    """A session store that follows `chats` over one link to one server. `buffered`: the most bytes the wire held.

    `history` is the longest message of many events in bytes, 0 if none may be longer than a frame.
    """

    def __init__(
        self,
        *chats: str,
        password: str | None = None,
        redactor: Redactor | None = None,
        history: int = 0,
        turn: HistoryTurn | None = None,
        **settings: Any,
    ) -> None:
        self.settings = SessionStoreSettings(
            **written_to(output(Recording(SCHEMAS, redactor or Redactor()), PREFIX)),
            writers=WriterSchemas(SCHEMAS),
            partition_of=lambda _: PARTITION,
            **settings,
        )
        self.store = SessionStore(PARTITION, self.settings)
        self.clock = FakeClock()
        self.events: list[Outgoing] = []
        self.sessions: list[Outgoing] = []
        self.quarantine: list[Outgoing] = []
        self.checkpoints: dict[bytes, bytes | None] = {}
        self.refused: list[JoinRefused] = []
        self.history_turn = turn or HistoryTurn()
        self._history = history
        self.lost: list[str] = []
        self.buffered = 0
        self._inbox: list[Input] = []
        self._offset = 0
        self._log = io.StringIO()
        self.telemetry = Telemetry(self._logger())
        self._runner = asyncio.Runner()
        self.connect()
        for chat in chats:
            self.announce({"sessionId": chat, "host": "chat-1", "port": 4800, "password": password})
            self.hears(info(chat, party(1), reference=self.join(chat)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._run(self.link.close)
        self._runner.close()

    # --- the owner of the link ---------------------------------------------------------------------------------------

    def update_received(self, _link: Link, update: Update, _size: int) -> None:
        if isinstance(update, JoinRefused):
            self.refused.append(update)
            return
        while isinstance(update, TranscriptUpdate) and update.waiting is not None:
            part, _ = update.take_part()
            if part.part.last:
                update = part
            else:
                self._inbox.append(part)
        self._inbox.append(update)

    def registered(self, _link: Link) -> None:
        pass

    def ended(self, _link: Link, reason: Problem, *, refused: bool) -> None:
        assert not refused
        self.lost.append(reason.code)
        self._inbox += [LinkDown(session_id, reason, self.clock.now_us()) for session_id in self.store.chats]

    def closed(self, _link: Link) -> None:
        pass

    def defect_found(self, _link: Link, error: Exception) -> None:
        raise error

    # --- input -------------------------------------------------------------------------------------------------------

    def hears(self, *lines: object) -> Self:
        """Receive these messages (or bytes) from the server, one line each, and commit the result as one batch."""
        self.receives(b"".join(line(one) + b"\n" for one in lines))
        return self.commit()

    def receives(self, data: bytes) -> None:
        """Receive these bytes from the server."""
        for at in range(0, len(data), CHUNK):
            self._run(self.link.data_received, data[at : at + CHUNK])
            self.buffered = max(self.buffered, self.link._wire.buffered)  # type: ignore[attr-defined]

    def connect(self) -> Self:
        """Make a new link; an existing one is lost."""
        if self.lost or self.events:
            self._run(self.link.connection_lost, None)
        self.stream = Stream()
        wire = client_wire(history=self._history)
        self.link: Link = Link(ConnectionSettings("bridge", "", SERVER), wire, self.clock, self, paused=False)
        self._run(self.link.connection_made, self.stream)
        return self.hears({"messageName": "EventRegistered", "userId": "00B1", "clientVersion": 106, "referenceId": 1})

    def announce(self, value: object) -> Self:
        """Read this from the announcements partition."""
        raw, announcement, problem = line(value), None, ""
        try:
            announcement = parse(raw)
        except UnreadableAnnouncement as error:
            problem = error.message
        self._inbox.append(Announced(self._offset, raw, None, announcement, problem, self.clock.now_us()))
        self._offset += 1
        return self.commit()

    def join(self, chat: str, password: str | None = None) -> int:
        """The follower asks the link to join; return the reference that the answer must have."""
        self.stream.written = b""
        self._run(self.link.join, chat, password)
        return int(json.loads(self.stream.written)["referenceId"])

    def give_up(self, chat: str) -> Self:
        """The follower gives a chat up."""
        self._inbox.append(JoinRefused(chat, 0, A_REFUSAL, Verdict.NEVER, self.clock.now_us()))
        return self.commit()

    def overdue(self, seconds: float) -> Self:
        """Advance the clock by so many seconds and fire the link's timer."""
        self.clock.seconds += seconds
        self._run(self.link._on_timer)
        return self.commit()

    def commit(self) -> Self:
        """Fold the inbox; check that every record is within Kafka's limits."""
        inputs, self._inbox = self._inbox, []
        plan = self.store.fold(inputs, self.clock.now_us())
        batch = plan.batch
        for record in batch.records:
            headers = sum(len(name) + len(value) for name, value in record.headers)
            assert len(record.key) + len(record.value or b"") + headers <= self.settings.limits.get(EVENTS, 1_000_000)
        self.events += batch.on(EVENTS)
        self.sessions += batch.on(SESSIONS)
        self.quarantine += batch.on(QUARANTINE)
        self.checkpoints.update((record.key, record.value) for record in batch.on(CHECKPOINTS))
        for fact in plan.facts:
            self.telemetry.emit(fact)
        for session_id in plan.forget:
            self._run(self.link.leave, session_id)
        return self

    # --- results -----------------------------------------------------------------------------------------------------

    def published(self, chat: str = CHAT) -> list[dict[str, Any]]:
        """Return the event records of a chat, decoded with fastavro; check that `verify` has no finding."""
        verifier = Verifier(SCHEMAS)
        for offset, record in enumerate(self.sessions):
            verifier.feed_session((record.value or b"")[len(PREFIX) :], PARTITION, offset)
        for offset, record in enumerate(self.events):
            verifier.feed_event((record.value or b"")[len(PREFIX) :], PARTITION, offset)
        assert [str(finding) for finding in verifier.findings()] == []
        return [record for record in self._read(TRANSCRIPT_EVENT, self.events) if record["sessionId"] == chat]

    def ids(self, chat: str = CHAT) -> list[int | None]:
        """Return the event ids of a chat's records in order; None for records of the bridge itself, such as GAP."""
        return [record["eventId"] for record in self.published(chat)]

    def gaps(self, chat: str = CHAT) -> list[tuple[int | None, int | None, str]]:
        """Return the GAP records: first id, last id, code."""
        gaps = [record["gap"] for record in self.published(chat) if record["kind"] == "GAP"]
        return [(gap["fromEventId"], gap["toEventId"], gap["code"]) for gap in gaps]

    def set_aside(self) -> list[dict[str, Any]]:
        """Return the records of the quarantine."""
        return self._read(QUARANTINED_INPUT, self.quarantine)

    def certificate(self, chat: str = CHAT) -> dict[str, Any]:
        """Return the last certificate of a chat."""
        closed = [
            record["certificate"]
            for record in self._read(SESSION_RECORD, self.sessions)
            if record["sessionId"] == chat and record["certificate"]
        ]
        return dict(closed[-1])

    def restored(self) -> SessionStore:
        """Return a session store restored from the checkpoints; check that its state is the same."""
        records = [(key.decode(), value) for key, value in self.checkpoints.items() if value is not None]
        stored = stored_shard(records, self.settings.writers)
        assert stored.incomplete == []
        other = SessionStore(PARTITION, self.settings)
        other.restore(stored)
        assert {name: chat.transcript.state() for name, chat in other.chats.items()} == {
            name: chat.transcript.state() for name, chat in self.store.chats.items()
        }
        return other

    def still_works(self, chat: str = CHAT, event_id: int = 1_000_000_000) -> bool:
        """Return whether the next message of the chat is captured unaltered and the link was never lost."""
        self.hears(info(chat, message(event_id, "still here")))
        self.restored()
        last = self.published(chat)[-1]
        return not self.lost and (last["eventId"], last["message"]) == (
            event_id,
            {"text": "still here", "messageType": None, "treatAs": None},
        )

    def log(self) -> str:
        """Return everything that was logged, at level DEBUG."""
        return self._log.getvalue()

    def metrics(self) -> str:
        """Return the metrics in Prometheus' text format."""
        return self.telemetry.render().decode()

    def series(self) -> list[str]:
        """Return the names and labels of all metrics."""
        return [one.rpartition(" ")[0] for one in self.metrics().splitlines() if not one.startswith("#")]

    def quarantined(self) -> dict[str, float]:
        """Return the non-zero counts of quarantined inputs by reason."""
        start = "chatbridge_quarantined_total{reason="
        pairs = (one.rpartition(" ") for one in self.metrics().splitlines() if one.startswith(start))
        return {name[len(start) + 1 : -2]: float(count) for name, _, count in pairs if float(count)}

    def _read(self, name: str, records: list[Outgoing]) -> list[dict[str, Any]]:
        found = []
        for record in records:
            source = io.BytesIO((record.value or b"")[len(PREFIX) :])
            found.append(cast("dict[str, Any]", fastavro.schemaless_reader(source, _READERS[name], None)))
            assert source.read() == b""
        return found

    def _run(self, act: Any, *given: Any) -> None:
        async def acted() -> None:
            act(*given)

        self._runner.run(acted())

    def _logger(self) -> logging.Logger:
        logger = logging.Logger("bridge.link_harness", logging.DEBUG)  # noqa: LOG001 - one for each harness
        handler = logging.StreamHandler(self._log)
        handler.setFormatter(JsonLines())
        logger.addHandler(handler)
        return logger
