"""What later versions could write needs nullable fields only, beside what there is: one invented record of each kind.

`LATER` are the fields that a later version may add; `integrity` stays the last one. Each record is written with the
schemas that have them and read with those and with today's, and today's records are read with the later schemas.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, Final

import avro.io
import avro.schema
import fastavro
import pytest

from bridge.records.avro import NAMESPACE, ROOTS, SESSION_CHECKPOINT, SESSION_RECORD, TRANSCRIPT_EVENT, Schemas
from bridge.records.checkpoint import BatchStamp, CheckpointHead, encode_head
from bridge.records.ids import bridge_id
from bridge.records.normalise import ChatRecorder, Recording
from bridge.records.redactor import Redactor
from bridge.records.session_records import CLOSED, OPENED
from bridge.transcript import entries as kinds
from bridge.transcript.entries import Certificate, Entry, SessionFacts
from bridge.transcript.events import ChatEvent, MessageText
from tests.records.reference import FOLDER

if TYPE_CHECKING:
    from pathlib import Path

Fields = list[dict[str, Any]]

CHAT: Final = "0000LATER0000001"
FACTS: Final = SessionFacts(CHAT, 1_930_000_000_000, server="chat-1:4800")
TODAY: Final = Schemas(FOLDER)
LIVE_AT: Final = 1_930_000_100_123_456


def nullable(name: str, kind: object) -> dict[str, Any]:
    return {"name": name, "type": ["null", kind], "default": None, "doc": "Invented. Source: a later version."}


def record_type(name: str, *fields: tuple[str, object]) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": field, "type": kind} for field, kind in fields]}


LATER: Final[dict[str, Fields]] = {
    "TranscriptEvent": [
        nullable("sealed", record_type("Sealed", ("keyId", "string"), ("paths", {"type": "map", "values": "bytes"}))),
        nullable(
            "move",
            record_type("Move", ("partition", "long"), ("sequence", "long"), ("head", "bytes"), ("placement", "long")),
        ),
    ],
    "SessionRecord": [
        nullable("survey", record_type("Survey", ("answers", "long"), ("rating", ["null", "long"]))),
        nullable("output", f"{NAMESPACE}.OutputChain"),
    ],
    "Certificate": [nullable("signature", "bytes"), nullable("notSeen", {"type": "array", "items": "string"})],
    "SessionCheckpoint": [nullable("placement", "long")],
}


def later(source: dict[str, Any]) -> dict[str, Any]:
    """Return a type of today with what a later version adds to it, the last field of an event left where it is."""
    added, fields = LATER.get(source["name"], []), list(source["fields"])
    at = len(fields) - (fields[-1]["name"] == "integrity")
    return {**source, "fields": [*fields[:at], *added, *fields[at:]]}


@pytest.fixture(scope="module", name="tomorrow")
def _tomorrow(tmp_path_factory: pytest.TempPathFactory) -> Schemas:
    folder: Path = tmp_path_factory.mktemp("schemas")
    for file in FOLDER.glob("*.avsc"):
        (folder / file.name).write_text(json.dumps(later(json.loads(file.read_text("utf-8")))), "utf-8")
    return Schemas(folder)


def recorder(epoch: int = 0) -> ChatRecorder:
    return ChatRecorder(CHAT, Recording(TODAY, Redactor()), epoch=epoch)


def event(entry: Entry, **more: Any) -> dict[str, Any]:
    return {**TODAY.decode(TRANSCRIPT_EVENT, recorder().event_record(entry, FACTS)), **more}


def session(state: str, certificate: Certificate | None = None, **more: Any) -> dict[str, Any]:
    payload = recorder().session_record(state, FACTS, LIVE_AT, certificate)
    record = {**TODAY.decode(SESSION_RECORD, payload), **more}
    if certificate is not None:
        record["certificate"] |= MORE_OF_A_CERTIFICATE
    return record


def checkpoint(**more: Any) -> dict[str, Any]:
    head = CheckpointHead("FOLLOWED", 7, 0, bytes(32), {}, None, LIVE_AT, BatchStamp(5, 6))
    return {**TODAY.decode(SESSION_CHECKPOINT, encode_head(head)), **more}


MORE_OF_A_CERTIFICATE: Final = {"signature": b"s" * 64, "notSeen": ["DIRECT_MESSAGES"]}
SAID: Final = ChatEvent("message", 5, time_shift=9, message_text=MessageText(""))
MOVE: Final = {"partition": 17, "sequence": 8, "head": b"h" * 32, "placement": 2}
CHAIN_OF_AUDIT: Final = {"output": "audit", "firstSequence": 8, "head": b"g" * 32, "held": None}
SUPERSEDING: Final = Certificate("COMPLETE", last_sequence=9, supersedes=7)

KINDS_TO_COME: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "sealed text": (
        TRANSCRIPT_EVENT,
        event(
            Entry(kinds.MESSAGE, 6, kinds.LIVE, LIVE_AT, SAID),
            sealed={"keyId": "chat-key-1", "paths": {"message.text": b"\x01sealed", "userData.name": b"\x02"}},
        ),
    ),
    "event that fills a GAP": (
        TRANSCRIPT_EVENT,
        event(Entry(kinds.MESSAGE, 7, kinds.ARCHIVE, LIVE_AT, SAID, fills=4), sealed=None, move=None),
    ),
    "chat moved to another partition": (
        TRANSCRIPT_EVENT,
        event(Entry("MOVED", 8, kinds.LIVE, LIVE_AT), move=MOVE),
    ),
    "chat continued there": (
        TRANSCRIPT_EVENT,
        event(Entry("CONTINUED", 9, kinds.LIVE, LIVE_AT), move={**MOVE, "partition": 3}),
    ),
    "certificate that supersedes another": (
        SESSION_RECORD,
        session(CLOSED, SUPERSEDING),
    ),
    "survey after a chat": (
        SESSION_RECORD,
        session(CLOSED, SUPERSEDING, survey={"answers": 5, "rating": 4}),
    ),
    "output added to an open chat": (SESSION_RECORD, session(OPENED, output=CHAIN_OF_AUDIT)),
    "checkpoint of a chat that was moved": (SESSION_CHECKPOINT, checkpoint(placement=2)),
}
KIND_NAMES: Final = sorted(KINDS_TO_COME)


def read(payload: bytes, name: str, writer: Schemas, reader: Schemas) -> dict[str, Any]:
    """Read with the writer's schema, resolved to the reader's, as Avro has it."""
    written, wanted = (fastavro.parse_schema(json.loads(one.text(name))) for one in (writer, reader))
    found: Any = fastavro.schemaless_reader(io.BytesIO(payload), written, wanted)
    return dict(found)


def without_times(record: dict[str, Any]) -> dict[str, Any]:
    """Leave out what one reader gives as a date and the other as a number."""
    times = ("occurredAt", "observedAt", "startAt", "at", "session")
    return {
        key: without_times(value) if key == "head" and value is not None else value
        for key, value in record.items()
        if key not in times
    }


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_a_record_of_a_later_kind_is_written_and_read_as_it_was(tomorrow: Schemas, kind: str) -> None:
    name, record = KINDS_TO_COME[kind]
    payload = tomorrow.encode(name, record)
    found = tomorrow.decode(name, payload)
    assert {key: found[key] for key in record} == record
    schema = avro.schema.parse(tomorrow.text(name))
    foreign: Any = avro.io.DatumReader(schema).read(avro.io.BinaryDecoder(io.BytesIO(payload)))
    assert foreign.keys() == found.keys()
    assert name == SESSION_CHECKPOINT or foreign["sessionId"] == CHAT


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_today_s_reader_finds_in_it_all_that_it_knows(tomorrow: Schemas, kind: str) -> None:
    name, record = KINDS_TO_COME[kind]
    found = read(tomorrow.encode(name, record), name, tomorrow, TODAY)
    known = {field["name"] for field in TODAY.whole(name)["fields"]}
    assert found.keys() == known
    expected = {key: record[key] for key in known}
    if expected.get("certificate"):
        told = expected["certificate"]
        expected["certificate"] = {key: value for key, value in told.items() if key not in MORE_OF_A_CERTIFICATE}
    assert without_times(found) == without_times(expected)


@pytest.mark.parametrize("name", ROOTS)
def test_today_s_records_have_nothing_where_later_ones_have_more(tomorrow: Schemas, name: str) -> None:
    added = {field["name"] for field in LATER.get(name.removeprefix(f"{NAMESPACE}."), [])}
    records = {
        TRANSCRIPT_EVENT: event(Entry(kinds.MESSAGE, 6, kinds.LIVE, LIVE_AT, SAID)),
        SESSION_RECORD: session(CLOSED, SUPERSEDING),
        SESSION_CHECKPOINT: checkpoint(),
    }
    if name not in records:
        assert not added
        return
    found = read(TODAY.encode(name, records[name]), name, TODAY, tomorrow)
    assert found.keys() == records[name].keys() | added
    assert {found[key] for key in added} == {None}
    if name == SESSION_RECORD:
        assert (found["certificate"]["signature"], found["certificate"]["notSeen"]) == (None, None)


def test_what_a_later_version_adds_to_an_event_is_hashed_with_it(tomorrow: Schemas) -> None:
    assert [field["name"] for field in tomorrow.whole(TRANSCRIPT_EVENT)["fields"]][-3:] == [
        "sealed",
        "move",
        "integrity",
    ]


def test_an_event_that_fills_a_gap_and_a_certificate_that_supersedes_need_nothing_more() -> None:
    _, filling = KINDS_TO_COME["event that fills a GAP"]
    _, superseding = KINDS_TO_COME["certificate that supersedes another"]
    assert filling["fills"] == bridge_id(CHAT, 0, 4)
    assert superseding["certificate"]["supersedes"] == 7
    for kind, word in (("chat moved to another partition", "MOVED"), ("chat continued there", "CONTINUED")):
        assert (KINDS_TO_COME[kind][1]["kind"], KINDS_TO_COME[kind][1]["eventId"]) == (word, None)
