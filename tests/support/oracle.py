"""The judge: what the simulator's ledger says was said, against what a read_committed consumer finds on Kafka.

Not one line of this is the bridge's own reading: records are decoded with confluent-kafka's consumer and plain
fastavro, the ledger is the simulator's.
"""

from __future__ import annotations

import io
import json
import math
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import fastavro
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from bridge.records.avro import Schemas, schema_folder
from bridge.records.verifier import Verifier
from bridge.transcript import gap_reasons
from tests.support.ledger_timeline import Calm, Life, Occurrence, read_lives

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bridge.transcript.events import ChatEvent

SINGLE_OBJECT_PREFIX = 10
CONFLUENT_PREFIX = 5
READ_SECONDS = 60
_SCHEMAS = Schemas(schema_folder())
_EVENT = fastavro.parse_schema(json.loads(_SCHEMAS.text("org.chatbridge.v1.TranscriptEvent")))
_SESSION = fastavro.parse_schema(json.loads(_SCHEMAS.text("org.chatbridge.v1.SessionRecord")))
_JUDGED = (
    "eventId",
    "sequence",
    "kind",
    "timeShift",
    "observedAt",
    "visibility",
    "party",
    "message",
    "notice",
    "gap",
    "amendment",
    "origin",
)
KINDS = {"newParty": "PARTY_JOINED", "message": "MESSAGE", "notice": "NOTICE", "partyLeft": "PARTY_LEFT"}


OPEN_REASONS = {
    gap_reasons.UNREADABLE,
    gap_reasons.OVER_WHILE_AWAY,
    gap_reasons.OUT_OF_REACH,
    gap_reasons.NEVER_JOINED,
    "unreadable input that may have concerned this chat",
}
"""Of a certificate that says INCOMPLETE without being able to say which ids."""
_LISTS = (
    "silent",
    "withheld",
    "told",
    "duplicates",
    "wrong",
    "unordered",
    "untrue",
    "findings",
    "unclosed",
)


@dataclass(slots=True)
class Judgement:
    """Counts of a run, and lists of chat:id pairs.

    Always a defect: `silent`, missing although no record says so; `withheld`, missing, said aloud or not, although it
    was there to be had while nothing was wrong; `wrong`, another content than was said; `untrue`, called over while
    it went on. No defect in themselves: `told`, missing and covered by a GAP or by a certificate that says INCOMPLETE
    for such a reason; `forgotten`, the number of those that the server itself forgot without a trace before they could
    be had. `owed` counts those that no fault excuses, there or not.
    """

    chats: int = 0
    expected: int = 0
    owed: int = 0
    records: int = 0
    forgotten: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    gaps: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    amendments: int = 0
    silent: list[str] = field(default_factory=list)
    withheld: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    unordered: list[str] = field(default_factory=list)
    untrue: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    unclosed: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Nothing lost silently, nothing twice, nothing altered, nothing out of order, every chain intact."""
        return not any(getattr(self, name) for name in _LISTS if name != "told")

    def __str__(self) -> str:
        shown = {name: getattr(self, name)[:5] for name in _LISTS if getattr(self, name)}
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
                error, value = message.error(), message.value()
                partition, offset = message.partition(), message.offset()
                if error is None and value is not None:
                    assert partition is not None
                    assert offset is not None
                    found.append((partition, offset, value))
                elif error is not None and error.code() == KafkaError._PARTITION_EOF:
                    assert partition is not None
                    at_end.add(partition)
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


def records_of(bootstrap_servers: str, prefix: str, session_ids: set[str]) -> list[str]:
    """Return the event records of some chats as JSON lines, to be looked at."""
    found: list[str] = []
    for partition, offset, value in read_all(bootstrap_servers, f"{prefix}chat.transcript.events.v1"):
        record: Any = fastavro.schemaless_reader(io.BytesIO(unframed(value)), _EVENT, None)
        if record["sessionId"] in session_ids:
            found.append(json.dumps({"partition": partition, "offset": offset, **record}, default=str))
    return found


def judge(bootstrap_servers: str, prefix: str, *ledgers: Path, calm: Sequence[Calm] = ()) -> Judgement:
    """Compare everything. `calm`: when nothing was wrong, see `tests.support.ledger_timeline`."""
    result = Judgement()
    chats: dict[str, list[dict[str, Any]]] = defaultdict(list)
    verifier = Verifier(_SCHEMAS)
    ids: Counter[str] = Counter()
    for partition, offset, value in read_all(bootstrap_servers, f"{prefix}chat.transcript.sessions.v1"):
        verifier.feed_session(unframed(value), partition, offset)
    for partition, offset, value in read_all(bootstrap_servers, f"{prefix}chat.transcript.events.v1"):
        payload = unframed(value)
        verifier.feed_event(payload, partition, offset)
        record: Any = fastavro.schemaless_reader(io.BytesIO(payload), _EVENT, None)
        chats[record["sessionId"]].append({name: record[name] for name in _JUDGED})
        ids[record["id"]] += 1
        result.records += 1
        result.kinds[record["kind"]] += 1
        result.amendments += record["amendment"] is not None
        if record["gap"]:
            result.gaps[record["gap"]["reason"]] += 1
    result.findings = [str(finding) for finding in verifier.findings() if finding.broken]
    result.duplicates = [name for name, count in ids.items() if count > 1]
    closed = closed_sessions(bootstrap_servers, prefix)
    for path in ledgers:
        for session_id, life in read_lives(path).items():
            life.owe(calm)
            certificate = (closed.get(session_id) or {}).get("certificate") or {}
            _compare(life, chats.pop(session_id, []), set(certificate.get("reasons", ())), result)
            result.verdicts[certificate.get("verdict", "none")] += 1
            if life.closed_at is not None and session_id not in closed:
                result.unclosed.append(session_id)
    result.wrong += [f"{session_id}: nobody had this chat" for session_id in chats if ledgers]
    return result


def _compare(life: Life, records: list[dict[str, Any]], because: set[str], result: Judgement) -> None:
    """Every occurrence must have its record, and every record its occurrence."""
    result.chats += 1
    got = _by_id(records)
    gaps = [record["gap"] for record in records if record["gap"]]
    said: dict[int, list[Occurrence]] = defaultdict(list)
    for one in life.visible():
        result.expected += 1
        result.owed += one.owed
        said[one.event.event_id].append(one)
        if not any(_same(one.event, record) for record in got[one.event.event_id]):
            _missing(life.session_id, one, got, (gaps, because), result)
    for event_id, found in got.items():
        for record in found:
            invented = not any(_same(one.event, record) for one in said[event_id])
            if invented or (record["amendment"] and len(said[event_id]) < 2):
                result.wrong.append(f"{life.session_id}:{event_id} was never said so")
    _check_order(life.session_id, records, result)
    _check_claims(life, records, result)


def _by_id(records: list[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        if record["eventId"] is not None:
            found[record["eventId"]].append(record)
    return found


def _check_order(session_id: str, records: list[dict[str, Any]], result: Judgement) -> None:
    live = [
        record["eventId"]
        for record in records
        if record["origin"] == "LIVE" and record["eventId"] is not None and not record["amendment"]
    ]
    if live != sorted(live):
        result.unordered.append(session_id)
    sequences = [record["sequence"] for record in records]
    if sequences != list(range(1, len(sequences) + 1)):
        result.unordered.append(f"{session_id} sequence")


def _check_claims(life: Life, records: list[dict[str, Any]], result: Judgement) -> None:
    """Nothing may be called over that goes on, and no chat may end by a fault of the bridge's own."""
    over = math.inf if life.closed_at is None else life.closed_at
    for record in records:
        reason = record["gap"]["reason"] if record["gap"] else None
        if reason == gap_reasons.OVER_WHILE_AWAY and record["observedAt"].timestamp() < over:
            result.untrue.append(life.session_id)
        if reason in {gap_reasons.INTERNAL, gap_reasons.OUTGROWN}:
            result.findings.append(f"chat {life.session_id}: {reason}")


def _missing(
    session_id: str,
    one: Occurrence,
    got: dict[int, list[dict[str, Any]]],
    told: tuple[list[dict[str, Any]], set[str]],
    result: Judgement,
) -> None:
    """Say what it is that no record holds this occurrence. `told`: the chat's gaps, its certificate's reasons."""
    event_id, (gaps, because) = one.event.event_id, told
    name = f"{session_id}:{event_id}"
    covered = any((gap["fromEventId"] or 0) <= event_id <= (gap["toEventId"] or event_id) for gap in gaps)
    if one.owed:
        result.withheld.append(name)
    elif covered or because & OPEN_REASONS:
        result.told.append(name)
    elif one.lost_at is not None and (one.traceless or not any(later > event_id for later in got)):
        result.forgotten += 1
    elif got[event_id] and one.lost_at is None:
        result.wrong.append(name)
    else:
        result.silent.append(name)


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
