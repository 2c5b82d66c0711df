"""The bridge's records as read by third-party programs: kcat, Confluent's client, Avro's libraries.

Two runs, one with a schema registry and one without. The simulator's ledger determines what must be found.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import avro.io
import avro.schema
import fastavro
import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from bridge.records.avro import QUARANTINED_INPUT, TRANSCRIPT_EVENT, Schemas, schema_folder
from bridge.records.payload_framing import unframe

if TYPE_CHECKING:
    from collections.abc import Iterator

from tests.integration.captured_run import (
    EPOCH,
    EVENTS,
    INVALID_ANNOUNCEMENT,
    KINDS,
    QUARANTINE,
    TYPES,
    UNITS,
    CapturedRun,
    device_tokens,
    value_of,
)

SCHEMAS = Schemas(schema_folder())
READ_BACK = ("SessionCheckpoint", "SessionRecord", "TranscriptEvent")
"""The types that a shard reads when it is opened."""


# --- kcat ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def kcat() -> str:
    found = shutil.which("kcat")
    if found is None:
        assert "CI" not in os.environ, "kcat is not installed: without it nothing but our own choice of client reads"
        pytest.skip("kcat is not installed (Debian: apt-get install kcat)")
    return found


def listed(kcat: str, captured: CapturedRun, topic: str) -> list[tuple[str, int, dict[str, str]]]:
    """Key, size of the value and headers of each committed record."""
    name = captured.prefix + topic
    words = [kcat, "-q", "-b", captured.broker, "-C", "-t", name, "-o", "beginning", "-e", "-f", "%k\t%S\t%h\n"]
    done = subprocess.run(
        [*words, "-X", "isolation.level=read_committed"], capture_output=True, text=True, timeout=60, check=True
    )
    found = []
    for line in done.stdout.splitlines():
        key, size, headers = line.split("\t")
        found.append((key, int(size), dict(header.split("=", 1) for header in headers.split(",") if header)))
    return found


@pytest.mark.parametrize("topic", TYPES)
def test_kcat_lists_as_many_committed_records_as_the_ledger_asks_for(
    kcat: str, captured: CapturedRun, topic: str
) -> None:
    found = listed(kcat, captured, topic)
    assert len(found) == captured.expected[topic]
    assert all(size > 0 for _, size, _ in found)


def test_kcat_shows_the_cloud_events_headers_of_every_event(kcat: str, captured: CapturedRun) -> None:
    found = listed(kcat, captured, EVENTS)
    for key, _, headers in found:
        assert headers["ce_subject"] == key == headers["ce_id"].partition(":")[0]
        assert headers["ce_specversion"] == "1.0"
        assert headers["ce_source"] == f"/chatbridge/main/{captured.prefix}bridge"
        assert headers["content-type"] == "application/avro"
    said = captured.expected_events
    types = {headers["ce_id"]: headers["ce_type"] for _, _, headers in found}
    assert len(types) == len(found)
    assert {name for name in types if ":~" not in name} == set(said)
    assert {types[name] for name in types if ":~" in name} == {f"{TRANSCRIPT_EVENT}.RESUMED"}
    assert {name: types[name] for name in said} == {
        name: f"{TRANSCRIPT_EVENT}.{KINDS[event.event_type]}" for name, event in said.items()
    }
    times = {headers["ce_id"]: headers["ce_time"] for _, _, headers in found}
    for name, event in said.items():
        start = datetime.fromisoformat(captured.ledger[name.partition(":")[0]].start_at)
        assert datetime.fromisoformat(times[name]) == start + timedelta(seconds=event.time_shift)


# --- Confluent's deserializer and registry client --------------------------------------------------------------------


@pytest.fixture
def registry_client(registered: CapturedRun) -> Iterator[SchemaRegistryClient]:
    assert registered.registry is not None
    with SchemaRegistryClient({"url": registered.registry}) as client:
        yield client


@pytest.mark.parametrize("topic", TYPES)
def test_confluents_deserializer_reads_every_record_as_we_do(
    registered: CapturedRun, registry_client: SchemaRegistryClient, topic: str
) -> None:
    deserialize = AvroDeserializer(registry_client)
    context = SerializationContext(registered.prefix + topic, MessageField.VALUE)
    messages = registered.messages(topic)
    assert len(messages) == registered.expected[topic]
    for message in messages:
        value = value_of(message)
        assert deserialize(value, context) == ours(TYPES[topic], value)


@pytest.mark.parametrize("topic", TYPES)
def test_the_registry_knows_each_subject_under_the_id_that_values_carry(
    registered: CapturedRun, registry_client: SchemaRegistryClient, topic: str
) -> None:
    subject = f"{registered.prefix}{topic}-value"
    latest = registry_client.get_latest_version(subject)
    assert latest.schema_id is not None
    assert latest.schema.schema_str is not None
    assert {value_of(message)[:5] for message in registered.messages(topic)} == {
        b"\0" + latest.schema_id.to_bytes(4, "big")
    }
    assert json.loads(latest.schema.schema_str)["name"] == TYPES[topic].rpartition(".")[2]
    assert registry_client.get_compatibility(subject) == "BACKWARD_TRANSITIVE"


def test_checkpoints_are_single_objects_beside_the_schemas_of_what_is_read_back_and_have_no_subject(
    registered: CapturedRun, registry_client: SchemaRegistryClient
) -> None:
    ours = [subject for subject in registry_client.get_subjects() if subject.startswith(registered.prefix)]
    assert sorted(ours) == sorted(f"{registered.prefix}{topic}-value" for topic in TYPES)
    stored = [(message.key() or b"", message.value()) for message in registered.messages("chat.capture.checkpoints.v1")]
    schemas = {str(key, "ascii"): json.loads(value) for key, value in stored if key[:1] == b"#" and value}
    fingerprints = {}
    for key, schema in schemas.items():
        canonical = fastavro.schema.to_parsing_canonical_form(schema)
        fingerprints[schema["name"]] = fastavro.schema.fingerprint(canonical, "CRC-64-AVRO")
        assert key == f"#schema:{fingerprints[schema['name']]}"
    assert sorted(fingerprints) == [f"org.chatbridge.v1.{one}" for one in READ_BACK]
    claims = {value for key, value in stored if key.startswith(b"/claim/") and value}
    assert {one.partition(b"-")[2] for one in claims} <= {b"worker:worker-1"}
    headers = {value[:10] for key, value in stored if key[:1] not in {b"#", b"/"} and value}
    assert headers == {b"\xc3\x01" + bytes.fromhex(fingerprints["org.chatbridge.v1.SessionCheckpoint"])}


def ours(name: str, value: bytes) -> Any:
    """Decode with the bridge's decoder, with times as a third-party reader returns them."""
    return with_times(SCHEMAS.whole(name), SCHEMAS.decode(name, unframe(value)[1]), {})


def with_times(schema: Any, value: Any, named: dict[str, Any]) -> Any:
    """Follow the schema through a value and turn what it calls a timestamp into a datetime."""
    if isinstance(schema, list):
        [schema] = [branch for branch in schema if branch != "null"]
    if isinstance(schema, str):
        schema = named.get(schema, {"type": schema})
    unit = UNITS.get(schema.get("logicalType"))
    if value is None:
        return None
    if unit is not None:
        return EPOCH + value * unit
    if schema["type"] == "record":
        named[f"{schema['namespace']}.{schema['name']}"] = schema
        return {part["name"]: with_times(part["type"], value[part["name"]], named) for part in schema["fields"]}
    return [with_times(schema["items"], each, named) for each in value] if schema["type"] == "array" else value


# --- Avro's libraries, without a registry ----------------------------------------------------------------------------


def plain(schema: Any) -> Any:
    """The schema without logical types, which canonical form strips first."""
    if isinstance(schema, dict):
        return {key: plain(value) for key, value in schema.items() if key != "logicalType"}
    return [plain(each) for each in schema] if isinstance(schema, list) else schema


def crc_64_avro(data: bytes) -> bytes:
    """The fingerprint as the Avro specification words it, little-endian as single-object encoding wants it."""
    empty = 0xC15D213AA4D7A795
    fingerprint = empty
    for byte in data:
        fingerprint ^= byte
        for _ in range(8):
            fingerprint = (fingerprint >> 1) ^ (empty if fingerprint & 1 else 0)
    return fingerprint.to_bytes(8, "little")


@pytest.mark.parametrize("topic", TYPES)
def test_values_without_a_registry_are_single_objects_for_both_avro_libraries(
    unregistered: CapturedRun, topic: str
) -> None:
    text = SCHEMAS.text(TYPES[topic])
    # Apache's Python library leaves {"type": "long"} where the specification (and Java) say "long", if a logical type
    # stood there; so it gets the schema without them.
    canonical = avro.schema.parse(json.dumps(plain(json.loads(text)))).canonical_form
    mark = b"\xc3\x01" + crc_64_avro(canonical.encode())
    fast = fastavro.parse_schema(json.loads(text))
    apache = avro.io.DatumReader(avro.schema.parse(text))
    messages = unregistered.messages(topic)
    assert len(messages) == unregistered.expected[topic]
    for message in messages:
        value = value_of(message)
        assert value[:10] == mark
        stream = io.BytesIO(value[10:])
        assert fastavro.schemaless_reader(stream, fast, None) == ours(TYPES[topic], value)
        assert stream.read() == b""
        assert apache.read(avro.io.BinaryDecoder(io.BytesIO(value[10:]))) == ours(TYPES[topic], value)


def test_the_fingerprint_of_the_test_is_the_one_that_the_specification_prints() -> None:
    assert crc_64_avro(b'"int"')[::-1].hex() == "7275d51a3f395c8f"


def test_what_was_unreadable_lies_in_the_quarantine_byte_for_byte(captured: CapturedRun) -> None:
    found = [ours(QUARANTINED_INPUT, value_of(message)) for message in captured.messages(QUARANTINE)]
    assert Counter(record["bytes"] for record in found) == {
        INVALID_ANNOUNCEMENT: 1,
        b'{"messageName": ': captured.unreadable_inputs - 1,
    }
    assert captured.unreadable_inputs > 1
    assert {message.key() for message in captured.messages(QUARANTINE)} == {
        record["source"].encode() for record in found
    }


def test_no_device_token_is_in_any_byte_of_any_topic(captured: CapturedRun) -> None:
    tokens = [token.encode() for token in device_tokens(captured).values()]
    assert tokens
    for topic in TYPES:
        for message in captured.messages(topic):
            headers: Any = message.headers()
            everything: list[Any] = [message.key(), message.value(), *(value for _, value in headers or ())]
            assert not any(token in part for token in tokens for part in everything)
