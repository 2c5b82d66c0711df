from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import avro.io
import avro.schema
import pytest
from fastavro.schema import load_schema, to_parsing_canonical_form
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import EnvironmentFault, VerificationFailed
from bridge.records.avro import ROOTS, SESSION_RECORD, TRANSCRIPT_EVENT, Schemas, schema_folder
from bridge.records.binary import long, text
from bridge.records.normalise import ChatRecorder, Recording
from bridge.records.redactor import Redactor
from bridge.transcript.events import ChatEvent, Item, MessageText
from tests.records.record_strategies import SESSION
from tests.records.reference import FOLDER
from tests.records.test_normalise import FACTS, entry

if TYPE_CHECKING:
    from pathlib import Path

SCHEMAS = Schemas(schema_folder())
FILES = sorted(FOLDER.glob("*.avsc"))
SOURCES = {file.stem: json.loads(file.read_text()) for file in FILES}


FIELDS = [
    pytest.param(field, id=f"{name}.{field['name']}") for name, source in SOURCES.items() for field in source["fields"]
]


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_says_what_it_is_and_where_it_comes_from(field: dict[str, Any]) -> None:
    assert "Source: " in field["doc"] or "As in the certificate" in field["doc"]
    assert "timestamp" not in str(field["type"]) or "1970" in field["doc"]


@pytest.mark.parametrize("field", FIELDS)
def test_every_nullable_or_collecting_field_has_an_empty_default(field: dict[str, Any]) -> None:
    kind = field["type"]
    if isinstance(kind, list):
        assert kind[0] == "null"
        assert len(kind) == 2
        assert field["default"] is None
    elif isinstance(kind, dict) and kind["type"] in ("array", "map"):
        assert field["default"] == ([] if kind["type"] == "array" else {})


def test_only_what_makes_a_record_what_it_is_has_no_default() -> None:
    essential = {
        "AmendmentCounter": "eventId count",
        "AuditRecord": "number at verb request outcome who reason integrity",
        "Certificate": "verdict lastSequence head",
        "ClosingEvent": "eventId ending",
        "FileReference": "action",
        "Gap": "code",
        "Hole": "fromEventId toEventId class",
        "IdRange": "from to",
        "Integrity": "previousHash hash",
        "LogMark": "topicId start end",
        "MessageText": "text",
        "NoticeText": "noticeType text",
        "OffsetRange": "topic partition",
        "OutputChain": "output firstSequence head",
        "OutputGap": "output sequence kind gap",
        "Party": "userId",
        "QuarantinedInput": "source observedAt code bytes totalBytes",
        "Redaction": "field rule count",
        "CheckpointHead": "state sequence chainHead observedAt",
        "CheckpointSeldom": "session",
        "SessionRecord": "state sessionId at",
        "ShardFacts": "group partitions",
        "Signature": "keyId algorithm signature",
        "SplitNumber": "output userId detector standIn eventId",
        "TreeState": "name",
        "UnwatchedInterval": "from code",
        "TranscriptEvent": "id sessionId sequence kind observedAt session origin integrity",
    }
    found = {
        source["name"]: " ".join(field["name"] for field in source["fields"] if "default" not in field)
        for source in SOURCES.values()
    }
    assert {name: fields for name, fields in found.items() if fields} == essential


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_is_named_after_its_type(file: Path) -> None:
    source = SOURCES[file.stem]
    assert f"{source['namespace']}.{source['name']}" == file.stem
    assert source["doc"]


def test_integrity_is_the_last_field_of_an_event() -> None:
    assert SOURCES[TRANSCRIPT_EVENT]["fields"][-1]["name"] == "integrity"


@pytest.mark.parametrize("name", ROOTS)
def test_the_self_contained_schema_is_what_fastavro_makes_of_the_files(schemas: Schemas, name: str) -> None:
    ours = to_parsing_canonical_form(json.loads(schemas.text(name)))
    assert ours == to_parsing_canonical_form(load_schema(str(FOLDER / f"{name}.avsc")))


def test_no_schema_is_left_that_no_topic_uses(schemas: Schemas) -> None:
    together = "".join(schemas.text(name) for name in ROOTS)
    assert [name for name in schemas.names() if f'"{name.rpartition(".")[2]}"' not in together] == []


def test_another_avro_library_reads_what_a_recorder_writes(schemas: Schemas) -> None:
    event = ChatEvent(
        "message",
        3,
        time_shift=9,
        message_text=MessageText("grüße 🙂"),
        user_data=[Item("FirstName", "string", "Nora")],
    )
    payload = ChatRecorder(SESSION, Recording(schemas, Redactor())).event_record(entry(event), FACTS)
    schema = avro.schema.parse(schemas.text(TRANSCRIPT_EVENT))
    record: Any = avro.io.DatumReader(schema).read(avro.io.BinaryDecoder(io.BytesIO(payload)))
    assert record["id"] == f"{SESSION}:3"
    assert record["message"]["text"] == "grüße 🙂"
    assert record["userData"] == {"FirstName": "Nora"}
    assert record["occurredAt"] == datetime(2031, 2, 27, 23, 6, 49, tzinfo=UTC)
    assert len(record["integrity"]["hash"]) == 32


def test_a_folder_without_the_schemas_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match=r"TranscriptEvent.*restore schemas/"):
        Schemas(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", '{"name": "Other", "namespace": "org.chatbridge.v1"}'])
def test_a_file_that_does_not_hold_its_type_is_named(tmp_path: Path, content: str) -> None:
    for file in FILES:
        (tmp_path / file.name).write_text(file.read_text())
    (tmp_path / f"{SESSION_RECORD}.avsc").write_text(content)
    with pytest.raises(EnvironmentFault, match="SessionRecord"):
        Schemas(tmp_path)


@given(st.binary(max_size=200))
def test_random_bytes_are_no_record_and_raise_nothing_but_that(payload: bytes) -> None:
    with pytest.raises(VerificationFailed):
        SCHEMAS.decode(TRANSCRIPT_EVENT, payload)


def test_bytes_left_over_after_a_record_are_refused(schemas: Schemas) -> None:
    payload = schemas.encode(SESSION_RECORD, {"state": "OPENED", "sessionId": SESSION, "at": 1})
    assert schemas.decode(SESSION_RECORD, payload)["sessionId"] == SESSION
    with pytest.raises(VerificationFailed, match="left over"):
        schemas.decode(SESSION_RECORD, payload + b"\0")


def seven_bits_at_a_time(number: int) -> bytes:
    """Encode a number as the specification tells it."""
    rest = number << 1 if number >= 0 else ~(number << 1)
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*out, rest])


@given(st.integers(0, 63).flatmap(lambda bits: st.integers(-(1 << bits), (1 << bits) - 1)))
def test_a_number_of_any_size_is_encoded_seven_bits_at_a_time(number: int) -> None:
    assert long(number) == seven_bits_at_a_time(number)


@pytest.mark.parametrize("bits", range(63))
def test_so_are_the_numbers_at_which_the_size_changes(bits: int) -> None:
    for number in (each for power in (1 << bits, -(1 << bits)) for each in (power - 1, power, power + 1)):
        assert long(number) == seven_bits_at_a_time(number)


def test_a_number_beyond_64_bits_cannot_be_encoded() -> None:
    assert long(2**63 - 1) == b"\xfe" + b"\xff" * 8 + b"\x01"
    assert long(-(2**63)) == b"\xff" * 9 + b"\x01"
    for number in (2**63, -(2**63) - 1):
        with pytest.raises(OverflowError):
            long(number)


def test_a_lone_surrogate_cannot_be_encoded() -> None:
    with pytest.raises(UnicodeEncodeError):
        text("\ud83d")
