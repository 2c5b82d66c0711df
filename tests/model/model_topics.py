"""A store of one shard and the topics that its batches are committed to, read back with plain fastavro."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import fastavro

from bridge.capture.session_store import SessionStore
from bridge.capture.session_store_settings import SessionStoreSettings
from bridge.capture.stored_chats import stored_shard
from bridge.records.avro import (
    QUARANTINED_INPUT,
    SESSION_RECORD,
    TRANSCRIPT_EVENT,
    Schemas,
    schema_folder,
)
from bridge.records.checkpoint_keys import MARKER_KEY
from bridge.records.normalise import Recording
from bridge.records.rules import Rule
from bridge.records.verifier import Verifier
from bridge.records.writer_schemas import WriterSchemas
from tests.capture.written_topics import EVENTS, TOPICS, output, written_to
from tests.model.expected_records import Expected, ExpectedHole, in_order
from tests.model.failing_redactor import FailingRedactor
from tests.model.true_chat import CHAT

if TYPE_CHECKING:
    from bridge.capture.ports import Batch
    from tests.model.true_chat import Given

SCHEMAS: Final = Schemas(schema_folder())
PREFIX: Final = b"\x00\x00\x00\x00\x01"
PARTITION: Final = 0
EVENT_ROOM: Final = 6_000
KINDS: Final = ("events", "sessions", "quarantine", "checkpoints")
_READERS: Final = {
    name: fastavro.schema.load_schema(str(Path(__file__).parents[2] / "schemas" / f"{name}.avsc"))
    for name in (TRANSCRIPT_EVENT, SESSION_RECORD, QUARANTINED_INPUT)
}


SETTINGS: Final = SessionStoreSettings(
    **written_to(output(Recording(SCHEMAS, FailingRedactor([Rule("a rule for nothing", attribute="none")])), PREFIX)),
    writers=WriterSchemas(SCHEMAS),
    partition_of=lambda _: PARTITION,
    limits={EVENTS: EVENT_ROOM},
)


class ModelTopics:
    """Folds what is given, keeps what is committed, and compares with a store that was restored just before."""

    def __init__(self) -> None:
        self.store = SessionStore(PARTITION, SETTINGS)
        self.stored: dict[str, bytes] = {}
        self.events: list[bytes] = []
        self.sessions: list[bytes] = []
        self.quarantine: list[bytes] = []
        self.records: list[dict[str, Any]] = []
        self.certificates: list[dict[str, Any]] = []

    def restored(self) -> SessionStore:
        stored = stored_shard(self.stored.items(), SETTINGS.writers)
        assert stored.incomplete == []
        store = SessionStore(PARTITION, SETTINGS)
        store.restore(stored)
        return store

    def fold(self, given: Given) -> None:
        """Fold, as a transaction that fails once: the restored store must come to the same bytes."""
        again = self.restored().fold(given.inputs, given.now)
        if given.restarted:
            self.store = self.restored()
        plan = self.store.fold(given.inputs, given.now)
        for topic in KINDS:
            assert of_chats(plan.batch, topic) == of_chats(again.batch, topic), f"a restored store differs on {topic}"
        assert plan.number == again.number
        events = [value for _, value in values(plan.batch, "events") if value is not None]
        sessions = [value for _, value in values(plan.batch, "sessions") if value is not None]
        self.events += events
        self.sessions += sessions
        self.records += [read(TRANSCRIPT_EVENT, payload) for payload in events]
        self.certificates += certificates(sessions)
        self.quarantine += [value for _, value in values(plan.batch, "quarantine") if value is not None]
        for key, value in values(plan.batch, "checkpoints"):
            if value is None:
                self.stored.pop(key, None)
            else:
                self.stored[key] = value

    def certificate_now(self, last: Given) -> dict[str, Any]:
        """Return the certificate that would be issued after `last`, without keeping anything of that."""
        batch = self.restored().fold(last.inputs, last.now).batch
        return certificates([value for _, value in values(batch, "sessions") if value is not None])[-1]

    def findings(self) -> list[str]:
        verifier = Verifier(SCHEMAS)
        for offset, payload in enumerate(self.sessions):
            verifier.feed_session(payload[len(PREFIX) :], PARTITION, offset)
        for offset, payload in enumerate(self.events):
            verifier.feed_event(payload[len(PREFIX) :], PARTITION, offset)
        return [str(finding) for finding in verifier.findings()]

    def quarantined(self) -> list[dict[str, Any]]:
        return [read(QUARANTINED_INPUT, payload) for payload in self.quarantine]


def of_chats(batch: Batch, topic: str) -> list[tuple[str, bytes | None]]:
    """Return the values but for the marker, which tells that a store was restored."""
    return [(key, value) for key, value in values(batch, topic) if key != MARKER_KEY]


def values(batch: Batch, topic: str) -> list[tuple[str, bytes | None]]:
    found = [(record.key.decode(), record.value) for record in batch.on(TOPICS[topic])]
    return sorted(found, key=lambda one: one[0]) if topic == "checkpoints" else found


def read(name: str, payload: bytes) -> dict[str, Any]:
    record = fastavro.schemaless_reader(io.BytesIO(payload[len(PREFIX) :]), _READERS[name], None)
    assert isinstance(record, dict)
    return record


def hole(gap: dict[str, Any]) -> ExpectedHole:
    return ExpectedHole(gap["fromEventId"], gap["toEventId"], gap["code"])


def published(record: dict[str, Any]) -> Expected:
    """Return a record of the events topic as the model speaks of it."""
    event_id, gap, party = record["eventId"], record["gap"], record["party"]
    return Expected(
        record["id"],
        record["kind"],
        event_id,
        record["origin"] if event_id is not None else None,
        record["amends"],
        record["amendment"],
        hole(gap) if gap is not None else None,
        party["nickname"] if party is not None else None,
        record["fills"],
    )


_NOT_MODELLED: Final = (
    *("ending", "endedBy", "endedByType", "firstEventId", "lastEventId", "holes", "sinceOpening", "joins"),
    *("joinedAt", "unwatched", "unwatchedMore", "lowestVersion", "highestVersion", "visibility", "sources"),
    *("blindSpots", "offsets"),
)
"""Fields of a certificate of which the model tells nothing."""


def certificates(sessions: list[bytes]) -> list[dict[str, Any]]:
    """Return the certificates of the chat in the sessions records, as the model speaks of them."""
    records = [read(SESSION_RECORD, payload) for payload in sessions]
    found = [one["certificate"] for one in records if one["certificate"] is not None and one["sessionId"] == CHAT]
    for told in found:
        for name in ("head", "details", *_NOT_MODELLED):
            del told[name]
        assert told.pop("part") is None  # the only output takes all
        told["ids"] = [n for pair in told.pop("idRanges") for n in range(pair["from"], pair["to"] + 1)]
        told["gaps"] = in_order([hole(gap) for gap in told["gaps"]])
        told["filled"] = in_order([hole(gap) for gap in told["filled"]])
    return found
