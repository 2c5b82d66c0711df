"""The judge: what the simulator's ledger says was said, against what a read_committed consumer finds on Kafka.

Not one line of this is the bridge's own reading: records are decoded with confluent-kafka's consumer and plain
fastavro, the ledger is the simulator's.
"""

from __future__ import annotations

import io
import json
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fastavro
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from bridge.records.avro import Schemas, schema_folder
from bridge.records.verify import Verifier
from bridge.simulator.ledger import read_ledger, visible_to_monitor

if TYPE_CHECKING:
    from bridge.chat.events import ChatEvent

SINGLE_OBJECT_PREFIX = 10
CONFLUENT_PREFIX = 5
READ_SECONDS = 60
_SCHEMAS = Schemas(schema_folder())
_EVENT = fastavro.parse_schema(json.loads(_SCHEMAS.text("org.chatbridge.v1.TranscriptEvent")))
_SESSION = fastavro.parse_schema(json.loads(_SCHEMAS.text("org.chatbridge.v1.SessionRecord")))
KINDS = {"newParty": "PARTY_JOINED", "message": "MESSAGE", "notice": "NOTICE", "partyLeft": "PARTY_LEFT"}


@dataclass(slots=True)
class Judgement:
    """Counts of a run. `silent` are chat:id pairs that are missing although no record says so: always a defect.

    `told` are those missing that a GAP record covers.
    """

    chats: int = 0
    expected: int = 0
    records: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    silent: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    unordered: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    unclosed: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Nothing lost silently, nothing twice, nothing altered, nothing out of order, every chain intact."""
        return not (self.silent or self.duplicates or self.wrong or self.unordered or self.findings or self.unclosed)

    def __str__(self) -> str:
        shown = {
            name: getattr(self, name)[:5]
            for name in ("silent", "told", "duplicates", "wrong", "unordered", "findings", "unclosed")
            if getattr(self, name)
        }
        return f"{self.chats} chats, {self.expected} events expected, {self.records} records {dict(self.kinds)} {shown}"


def unframed(value: bytes) -> bytes:
    """Take the framing off: Confluent's, or Avro's single-object encoding."""
    return value[SINGLE_OBJECT_PREFIX:] if value[:2] == b"\xc3\x01" else value[CONFLUENT_PREFIX:]


def read_all(bootstrap_servers: str, topic: str) -> list[tuple[int, int, bytes]]:
    """Read (partition, offset, value) of all committed records, each partition in its order."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "oracle",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    try:
        partitions = sorted(consumer.list_topics(topic, timeout=20).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
        found: list[tuple[int, int, bytes]] = []
        at_end: set[int] = set()
        deadline = time.monotonic() + READ_SECONDS
        # What lies behind the last stable offset is an open transaction: not committed, not ours to see.
        while len(at_end) < len(partitions):
            assert time.monotonic() < deadline, f"{topic} could not be read within {READ_SECONDS} s"
            for message in consumer.consume(5000, 0.2):
                error = message.error()
                if error is None and message.value() is not None:
                    found.append((message.partition(), message.offset(), message.value()))
                elif error is not None and error.code() == KafkaError._PARTITION_EOF:
                    at_end.add(message.partition())
        return found
    finally:
        consumer.close()


def closed_sessions(bootstrap_servers: str, prefix: str) -> dict[str, dict[str, Any]]:
    """Return the last CLOSED record of each chat."""
    closed: dict[str, dict[str, Any]] = {}
    for _, _, value in read_all(bootstrap_servers, f"{prefix}chat.transcript.sessions.v1"):
        record: Any = fastavro.schemaless_reader(io.BytesIO(unframed(value)), _SESSION, None)
        if record["state"] == "CLOSED":
            closed[record["sessionId"]] = record
        else:
            closed.pop(record["sessionId"], None)
    return closed


def judge(bootstrap_servers: str, prefix: str, *ledgers: Path) -> Judgement:
    """Compare everything."""
    result = Judgement()
    chats: dict[str, list[dict[str, Any]]] = defaultdict(list)
    verifier = Verifier(_SCHEMAS)
    ids: Counter[str] = Counter()
    for partition, offset, value in read_all(bootstrap_servers, f"{prefix}chat.transcript.events.v1"):
        payload = unframed(value)
        verifier.feed_event(payload, partition, offset)
        record: Any = fastavro.schemaless_reader(io.BytesIO(payload), _EVENT, None)
        chats[record["sessionId"]].append(record)
        ids[record["id"]] += 1
        result.records += 1
        result.kinds[record["kind"]] += 1
    for partition, offset, value in read_all(bootstrap_servers, f"{prefix}chat.transcript.sessions.v1"):
        verifier.feed_session(unframed(value), partition, offset)
    result.findings = [str(finding) for finding in verifier.findings()]
    result.duplicates = [name for name, count in ids.items() if count > 1]
    closed = closed_sessions(bootstrap_servers, prefix)
    for path in ledgers:
        for session_id, chat in read_ledger(path).items():
            _compare(session_id, chat.events, chats.get(session_id, []), result)
            if chat.closed and session_id not in closed:
                result.unclosed.append(session_id)
    return result


def _compare(session_id: str, said: list[ChatEvent], records: list[dict[str, Any]], result: Judgement) -> None:
    result.chats += 1
    got = {record["eventId"]: record for record in records if record["eventId"] is not None and not record["amends"]}
    amended = {record["eventId"] for record in records if record["amends"]}
    gaps = [record["gap"] for record in records if record["gap"]]
    for event in said:
        if not visible_to_monitor(event):
            continue
        result.expected += 1
        record = got.get(event.event_id)
        name = f"{session_id}:{event.event_id}"
        if record is None:
            covered = any(
                (gap["fromEventId"] or 0) <= event.event_id <= (gap["toEventId"] or event.event_id) for gap in gaps
            )
            (result.told if covered else result.silent).append(name)
        elif event.event_id not in amended and not _same(event, record):
            result.wrong.append(name)
    live = [record["eventId"] for record in records if record["origin"] == "LIVE" and record["eventId"] is not None]
    if live != sorted(live):
        result.unordered.append(session_id)
    sequences = [record["sequence"] for record in records]
    if sequences != list(range(1, len(sequences) + 1)):
        result.unordered.append(f"{session_id} sequence")


def _same(event: ChatEvent, record: dict[str, Any]) -> bool:
    message, notice = record["message"], record["notice"]
    return (
        record["kind"] == KINDS.get(event.event_type, "UNKNOWN")
        and record["timeShift"] == event.time_shift
        and record["visibility"] == event.visibility
        and (record["party"] or {}).get("userId") == event.user_id
        and (message["text"] if message else None) == (event.message_text.text if event.message_text else None)
        and (notice["text"] if notice else None) == (event.notice_text.text if event.notice_text else None)
    )
