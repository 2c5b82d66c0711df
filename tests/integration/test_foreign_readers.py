"""What the bridge writes, read by programs that are not ours: kcat, Confluent's client, Avro's libraries, DuckDB.

The line runs twice, once with a schema registry and once without. Each run has live chats, a lost link (RESUMED
records), and input that nobody can read (quarantine). The simulator's ledger says what must be found.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import avro.io
import avro.schema
import duckdb
import fastavro
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from bridge.records.avro import QUARANTINED_INPUT, SESSION_RECORD, TRANSCRIPT_EVENT, Schemas, schema_folder
from bridge.records.payload_framing import unframe
from bridge.simulator.harness.ledger import LedgerChat, read_ledger, visible_to_monitor
from tests.support.oracle import closed_sessions, judge
from tests.support.processes import Bridge, Simulator, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bridge.transcript.events import ChatEvent

TYPES = {
    "chat.transcript.events.v1": TRANSCRIPT_EVENT,
    "chat.transcript.sessions.v1": SESSION_RECORD,
    "chat.transcript.quarantine.v1": QUARANTINED_INPUT,
}
EVENTS, SESSIONS, QUARANTINE = TYPES
KINDS = {"newParty": "PARTY_JOINED", "message": "MESSAGE", "notice": "NOTICE", "partyLeft": "PARTY_LEFT"}
CHATS = 4
PARTITIONS = 3
JUNK = b"this is no announcement"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNITS = {"timestamp-millis": timedelta(milliseconds=1), "timestamp-micros": timedelta(microseconds=1)}
SCHEMAS = Schemas(schema_folder())


@dataclass
class Captured:
    """One finished run: what was said, and where to read what was captured. `noise` counts unreadable inputs."""

    broker: str
    prefix: str
    ledger: dict[str, LedgerChat]
    resumed: int
    noise: int
    registry: str | None = None
    _messages: dict[str, list[Message]] = field(default_factory=dict)

    @property
    def said(self) -> dict[str, ChatEvent]:
        """Id of the record -> the event, for all that a monitor is shown."""
        return {
            f"{session_id}:{event.event_id}": event
            for session_id, chat in self.ledger.items()
            for event in chat.events
            if visible_to_monitor(event)
        }

    @property
    def expected(self) -> dict[str, int]:
        """Records per topic."""
        return {EVENTS: len(self.said) + self.resumed, SESSIONS: 2 * len(self.ledger), QUARANTINE: self.noise}

    def messages(self, topic: str) -> list[Message]:
        """All committed records of a topic, by Confluent's client; read once."""
        if topic not in self._messages:
            self._messages[topic] = read_messages(self.broker, self.prefix + topic)
        return self._messages[topic]


def read_messages(broker: str, topic: str) -> list[Message]:
    consumer = Consumer(
        {
            "bootstrap.servers": broker,
            "group.id": "foreign-reader",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    found: list[Message] = []
    ended: set[int] = set()
    try:
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(PARTITIONS)])

        def at_end() -> bool:
            for message in consumer.consume(1000, 0.2):
                error, partition = message.error(), message.partition()
                if error is None:
                    found.append(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    assert partition is not None
                    ended.add(partition)
                else:
                    raise AssertionError(error)
            return len(ended) == PARTITIONS

        wait_for(at_end, 30, f"{topic} could not be read to its end")
    finally:
        consumer.close()
    return found


def value_of(message: Message) -> bytes:
    value = message.value()
    assert value is not None
    return value


def run_line(broker: str, folder: Path, registry: str | None) -> Captured:
    prefix = f"{uuid.uuid4().hex[:8]}."
    settings: dict[str, object] = {"kafka__partitions": PARTITIONS}
    if registry is not None:
        settings["schema_registry__url"] = registry
    with Bridge(broker, folder / "bridge.log", prefix=prefix, worker="replica-1", **settings) as bridge:
        bridge.wait_ready()
        with Simulator(
            folder / "chat-server.log",
            folder / "ledger.jsonl",
            announce_url=bridge.url,
            concurrent_chats=CHATS,
            events_per_second=60,
            mean_events=100_000,  # no chat ends before it is told to: what ends unseen cannot be captured
            finish=2,
            seed=21,
            passwords=True,
        ) as chats:
            noise = disturb(broker, prefix, bridge, chats)
            wait_for(lambda: bridge.metric("chatbridge_events_total") > 150, 60, "hardly anything is captured")
            chats.send(signal.SIGTERM)
            chats.summary(60)
        ledger = read_ledger(chats.ledger)
        assert len(ledger) == CHATS
        assert all(chat.closed for chat in ledger.values())
        wait_for(lambda: len(closed_sessions(broker, prefix)) == CHATS, 30, "some chats have no certificate")
        resumed = int(bridge.metric("chatbridge_resumptions_total"))
        assert bridge.terminate() == 0
    result = judge(broker, prefix, chats.ledger)
    assert result.clean, str(result)
    assert result.told == []
    return Captured(broker, prefix, ledger, resumed, noise, registry)


def disturb(broker: str, prefix: str, bridge: Bridge, chats: Simulator) -> int:
    """Cut every link, send bytes that are no message, announce what is no chat; return how many were unreadable."""

    def all_joined() -> bool:
        sessions = bridge.sessions()
        return len(sessions) == CHATS and all(session["joined"] for session in sessions)

    wait_for(all_joined, 30, "not every chat is followed")
    assert chats.fault("drop")["connections"] > 0
    wait_for(
        lambda: bridge.metric("chatbridge_resumptions_total") >= CHATS and all_joined(),
        60,
        "some chats are not resumed",
    )
    noise = int(chats.fault("send-raw", text='{"messageName": \n')["connections"]) + 1
    producer = Producer({"bootstrap.servers": broker})
    producer.produce(f"{prefix}chat.capture.announcements.v1", JUNK, b"nobody", partition=0)
    assert producer.flush(20) == 0
    wait_for(lambda: bridge.metric("chatbridge_quarantined_total") == noise, 30, "the noise is not set aside")
    wait_for(all_joined, 60, "the noise put a chat out")
    return noise


@pytest.fixture(scope="module")
def registered(broker: str, registry: str, tmp_path_factory: pytest.TempPathFactory) -> Captured:
    return run_line(broker, tmp_path_factory.mktemp("registered"), registry)


@pytest.fixture(scope="module")
def unregistered(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Captured:
    return run_line(broker, tmp_path_factory.mktemp("unregistered"), None)


@pytest.fixture(params=["registered", "unregistered"])
def captured(request: pytest.FixtureRequest) -> Captured:
    found: Captured = request.getfixturevalue(request.param)
    return found


# --- kcat ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def kcat() -> str:
    found = shutil.which("kcat")
    if found is None:
        assert "CI" not in os.environ, "kcat is not installed: without it nothing but our own choice of client reads"
        pytest.skip("kcat is not installed (Debian: apt-get install kcat)")
    return found


def listed(kcat: str, captured: Captured, topic: str) -> list[tuple[str, int, dict[str, str]]]:
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
def test_kcat_lists_as_many_committed_records_as_the_ledger_asks_for(kcat: str, captured: Captured, topic: str) -> None:
    found = listed(kcat, captured, topic)
    assert len(found) == captured.expected[topic]
    assert all(size > 0 for _, size, _ in found)


def test_kcat_shows_the_cloud_events_headers_of_every_event(kcat: str, captured: Captured) -> None:
    found = listed(kcat, captured, EVENTS)
    for key, _, headers in found:
        assert headers["ce_subject"] == key == headers["ce_id"].partition(":")[0]
        assert headers["ce_specversion"] == "1.0"
        assert headers["ce_source"] == f"/chatbridge/{captured.prefix}bridge"
        assert headers["content-type"] == "application/avro"
    said = captured.said
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
def registry_client(registered: Captured) -> Iterator[SchemaRegistryClient]:
    assert registered.registry is not None
    with SchemaRegistryClient({"url": registered.registry}) as client:
        yield client


@pytest.mark.parametrize("topic", TYPES)
def test_confluents_deserializer_reads_every_record_as_we_do(
    registered: Captured, registry_client: SchemaRegistryClient, topic: str
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
    registered: Captured, registry_client: SchemaRegistryClient, topic: str
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


def ours(name: str, value: bytes) -> Any:
    """What our own decoder gives, with times as a foreign reader gives them."""
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
    unregistered: Captured, topic: str
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


def test_what_was_unreadable_lies_in_the_quarantine_byte_for_byte(captured: Captured) -> None:
    found = [ours(QUARANTINED_INPUT, value_of(message)) for message in captured.messages(QUARANTINE)]
    assert Counter(record["bytes"] for record in found) == {JUNK: 1, b'{"messageName": ': captured.noise - 1}
    assert captured.noise > 1
    assert {message.key() for message in captured.messages(QUARANTINE)} == {
        record["source"].encode() for record in found
    }


# --- DuckDB ----------------------------------------------------------------------------------------------------------

COLUMNS = {
    "id": "VARCHAR",
    "sessionId": "VARCHAR",
    "eventId": "BIGINT",
    "sequence": "BIGINT",
    "kind": "VARCHAR",
    "occurredAt": "TIMESTAMPTZ",
    "observedAt": "TIMESTAMPTZ",
    "party": "STRUCT(userId VARCHAR, nickname VARCHAR, userType VARCHAR, bot BOOLEAN)",
    "message": "STRUCT(text VARCHAR, messageType VARCHAR, treatAs VARCHAR)",
    "userData": "MAP(VARCHAR, VARCHAR)",
    "userDataTypes": "MAP(VARCHAR, VARCHAR)",
    "redactions": 'STRUCT("field" VARCHAR, "rule" VARCHAR, "count" BIGINT)[]',
}


@pytest.fixture
def table(captured: Captured, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB over what `chatbridge tail --json` prints, as a view named `events`."""
    words = ["tail", "--json", "--from-beginning", "--max", str(captured.expected[EVENTS])]
    where = ["--bootstrap-servers", captured.broker, "--topic-prefix", captured.prefix]
    lines = tmp_path / "events.jsonl"
    with lines.open("wb") as out:
        subprocess.run([sys.executable, "-m", "bridge", *words, *where], stdout=out, timeout=60, check=True)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.read_json(str(lines), format="newline_delimited", columns=COLUMNS).create_view("events")
        yield connection


def rows(table: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return table.execute(query).fetchall()


def test_duckdb_counts_what_the_ledger_counts(captured: Captured, table: duckdb.DuckDBPyConnection) -> None:
    counts = Counter(KINDS[event.event_type] for event in captured.said.values())
    counts["RESUMED"] = captured.resumed
    assert dict(rows(table, "SELECT kind, count(*) FROM events GROUP BY kind")) == counts
    assert dict(rows(table, "SELECT sessionId, max(sequence) FROM events GROUP BY sessionId")) == dict(
        rows(table, "SELECT sessionId, count(*) FROM events GROUP BY sessionId")
    )


def test_duckdb_finds_user_data_by_its_path(captured: Captured, table: duckdb.DuckDBPyConnection) -> None:
    joins: dict[str, dict[str, Any]] = {
        name: {item.key: item.value for item in event.user_data}
        for name, event in captured.said.items()
        if event.event_type == "newParty"
    }
    customers = {name: data["EmailAddress"] for name, data in joins.items() if "EmailAddress" in data}
    assert len(customers) == CHATS
    found = rows(table, "SELECT id, userData['EmailAddress'] FROM events WHERE userData['FirstName'] = 'Visitor'")
    assert dict(found) == customers
    carts = {
        name: {item.key: str(item.value) for item in data["cart"]} for name, data in joins.items() if "cart" in data
    }
    found = rows(table, "SELECT id, userData['cart.items'] FROM events WHERE userDataTypes['cart.items'] = 'int'")
    assert dict(found) == {name: cart["items"] for name, cart in carts.items()}


def test_duckdb_sees_who_said_what_and_when(captured: Captured, table: duckdb.DuckDBPyConnection) -> None:
    said = captured.said
    nicknames = {
        (name.partition(":")[0], event.user_id): event.user_info.user_nickname
        for name, event in said.items()
        if event.user_info is not None
    }
    found = rows(
        table, "SELECT id, party.userId, message.text, epoch_ms(occurredAt) FROM events WHERE kind = 'MESSAGE'"
    )
    assert len(found) > CHATS
    for name, user_id, text, occurred_at in found:
        event = said[name]
        start = datetime.fromisoformat(captured.ledger[name.partition(":")[0]].start_at)
        assert (user_id, text) == (event.user_id, event.message_text and event.message_text.text)
        assert EPOCH + occurred_at * UNITS["timestamp-millis"] == start + timedelta(seconds=event.time_shift)
    joined = "SELECT sessionId, party.userId, party.nickname FROM events WHERE kind = 'PARTY_JOINED'"
    found = rows(table, f"{joined} AND party.userType = 'AGENT'")
    assert {(session_id, user_id): nickname for session_id, user_id, nickname in found} == {
        (name.partition(":")[0], event.user_id): nicknames[name.partition(":")[0], event.user_id]
        for name, event in said.items()
        if event.user_info is not None and event.user_info.user_type == "AGENT"
    }


def test_duckdb_finds_where_a_device_token_was_taken_out(captured: Captured, table: duckdb.DuckDBPyConnection) -> None:
    found = rows(
        table,
        """SELECT id FROM (SELECT id, unnest(redactions) AS done FROM events)
        WHERE done.rule = 'secret' AND done.field = 'userData.push_notification_deviceid'""",
    )
    assert {name for (name,) in found} == set(device_tokens(captured))


# --- what nobody reads -----------------------------------------------------------------------------------------------


def device_tokens(captured: Captured) -> dict[str, str]:
    """Id of the record -> the device token that its event carried."""
    return {
        name: str(item.value)
        for name, event in captured.said.items()
        for item in event.user_data
        if item.key == "push_notification_deviceid"
    }


def test_no_device_token_is_in_any_byte_of_any_topic(captured: Captured) -> None:
    tokens = [token.encode() for token in device_tokens(captured).values()]
    assert tokens
    for topic in TYPES:
        for message in captured.messages(topic):
            headers: Any = message.headers()
            everything: list[Any] = [message.key(), message.value(), *(value for _, value in headers or ())]
            assert not any(token in part for token in tokens for part in everything)
