"""The test oracle: compares the simulator's ledger with what a read_committed consumer reads from Kafka.

It does not use the bridge's own decoding: records are read with confluent-kafka's consumer and plain fastavro.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from bridge.records.avro import Schemas, schema_folder
from bridge.records.verifier import Verifier
from bridge.transcript import gap_codes
from tests.support.ledger_timeline import ChatTimeline, FaultFreePeriod, LedgerEvent, read_timelines
from tests.support.written_values import WrittenValues, unframed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bridge.transcript.events import ChatEvent

READ_SECONDS = 60
_SCHEMAS = Schemas(schema_folder())
_VALUES = WrittenValues()
_COMPARED_FIELDS = (
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


REASONS_WITHOUT_IDS = {
    gap_codes.UNREADABLE,
    gap_codes.OVER_WHILE_AWAY,
    gap_codes.OUT_OF_REACH,
    gap_codes.NEVER_JOINED,
    gap_codes.UNATTRIBUTED,
    gap_codes.EVENTS_LOST,
    gap_codes.STATE_LOST,
}
"""Reasons of an INCOMPLETE certificate that cannot name the missing ids."""
_LISTS = (
    "unexplained",
    "missing_required",
    "explained",
    "duplicates",
    "altered",
    "unordered",
    "over_too_early",
    "findings",
    "unclosed",
)


@dataclass(slots=True)
class LedgerComparison:
    """Counts of a run, and lists of chat:id pairs.

    Always a defect: `unexplained`, missing without a GAP or certificate that reports it; `missing_required`, missing
    although a monitor was sent them in a fault-free period; `altered`, records that differ from the ledger;
    `over_too_early`, chats recorded as over while they went on. No defect: `explained`, missing and covered by a GAP or
    by an INCOMPLETE certificate; `lost_untraceable`, the number of events that the server lost before they could be
    captured. `required` counts the events that may not be missing, missing or not.
    """

    chats: int = 0
    expected: int = 0
    required: int = 0
    records: int = 0
    lost_untraceable: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    gaps: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    amendments: int = 0
    unexplained: list[str] = field(default_factory=list)
    missing_required: list[str] = field(default_factory=list)
    explained: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)
    unordered: list[str] = field(default_factory=list)
    over_too_early: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    unclosed: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether there is no defect: all lists but `explained` are empty."""
        return not any(getattr(self, name) for name in _LISTS if name != "explained")

    def __str__(self) -> str:
        shown = {name: getattr(self, name)[:5] for name in _LISTS if getattr(self, name)}
        return f"{self.chats} chats, {self.expected} events expected, {self.records} records {dict(self.kinds)} {shown}"


def read_all(bootstrap_servers: str, topic: str) -> list[tuple[int, int, bytes]]:
    """Return (partition, offset, value) of all committed records, in order within a partition."""
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
        # Records after the last stable offset belong to an open transaction and are not read.
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


def closed_sessions(bootstrap_servers: str, prefix: str, values: WrittenValues = _VALUES) -> dict[str, dict[str, Any]]:
    """Return the last CLOSED record of each chat."""
    closed: dict[str, dict[str, Any]] = {}
    for _, _, value in read_all(bootstrap_servers, f"{prefix}chat.transcript.sessions.v1"):
        record = values.read("SessionRecord", value)
        if record["state"] == "CLOSED":
            closed[record["sessionId"]] = record
        else:
            closed.pop(record["sessionId"], None)
    return closed


def records_of(bootstrap_servers: str, prefix: str, session_ids: set[str]) -> list[str]:
    """Return the event records of some chats as JSON lines, for analysis."""
    found: list[str] = []
    for partition, offset, value in read_all(bootstrap_servers, f"{prefix}chat.transcript.events.v1"):
        record = _VALUES.read("TranscriptEvent", value)
        if record["sessionId"] in session_ids:
            found.append(json.dumps({"partition": partition, "offset": offset, **record}, default=str))
    return found


def compare_with_ledger(
    bootstrap_servers: str,
    prefix: str,
    *ledgers: Path,
    fault_free: Sequence[FaultFreePeriod] = (),
    values: WrittenValues = _VALUES,
) -> LedgerComparison:
    """Compare all topics with the ledgers. `fault_free` periods decide which events are required.

    `values` knows the schemas of the run, if it had a registry or other versions than this one.
    """
    result = LedgerComparison()
    chats: dict[str, list[dict[str, Any]]] = defaultdict(list)
    verifier = Verifier(_SCHEMAS)
    ids: Counter[str] = Counter()
    for partition, offset, value in read_all(bootstrap_servers, f"{prefix}chat.transcript.sessions.v1"):
        verifier.feed_session(unframed(value), partition, offset, values.writer_of(value))
    for partition, offset, value in read_all(bootstrap_servers, f"{prefix}chat.transcript.events.v1"):
        verifier.feed_event(unframed(value), partition, offset, values.writer_of(value))
        record = values.read("TranscriptEvent", value)
        chats[record["sessionId"]].append({name: record[name] for name in _COMPARED_FIELDS})
        ids[record["id"]] += 1
        result.records += 1
        result.kinds[record["kind"]] += 1
        result.amendments += record["amendment"] is not None
        if record["gap"]:
            result.gaps[record["gap"]["code"]] += 1
    result.findings = [str(finding) for finding in verifier.findings() if finding.broken]
    result.duplicates = [name for name, count in ids.items() if count > 1]
    closed = closed_sessions(bootstrap_servers, prefix, values)
    for path in ledgers:
        for session_id, timeline in read_timelines(path).items():
            timeline.mark_required(fault_free)
            certificate = (closed.get(session_id) or {}).get("certificate") or {}
            _compare(timeline, chats.pop(session_id, []), set(certificate.get("reasons", ())), result)
            result.verdicts[certificate.get("verdict", "none")] += 1
            if timeline.closed_at is not None and session_id not in closed:
                result.unclosed.append(session_id)
    result.altered += [f"{session_id}: not a chat of any ledger" for session_id in chats if ledgers]
    return result


def _compare(
    timeline: ChatTimeline, records: list[dict[str, Any]], certificate_reasons: set[str], result: LedgerComparison
) -> None:
    """Check that every event of the ledger has its record, and every record its event."""
    result.chats += 1
    captured = _by_id(records)
    gaps = [record["gap"] for record in records if record["gap"]]
    in_ledger: dict[int, list[LedgerEvent]] = defaultdict(list)
    for one in timeline.visible():
        result.expected += 1
        result.required += one.required
        in_ledger[one.event.event_id].append(one)
        if not any(same_event(one.event, record) for record in captured[one.event.event_id]):
            _classify_missing(timeline.session_id, one, captured, (gaps, certificate_reasons), result)
    for event_id, found in captured.items():
        for record in found:
            invented = not any(same_event(one.event, record) for one in in_ledger[event_id])
            if invented or (record["amendment"] and len(in_ledger[event_id]) < 2):
                result.altered.append(f"{timeline.session_id}:{event_id} is not in the ledger like this")
    _check_order(timeline.session_id, records, result)
    _check_gap_codes(timeline, records, result)


def _by_id(records: list[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        if record["eventId"] is not None:
            found[record["eventId"]].append(record)
    return found


def _check_order(session_id: str, records: list[dict[str, Any]], result: LedgerComparison) -> None:
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


def _check_gap_codes(timeline: ChatTimeline, records: list[dict[str, Any]], result: LedgerComparison) -> None:
    """Check that no GAP reports the end of an open chat, or a defect of the bridge itself."""
    over = math.inf if timeline.closed_at is None else timeline.closed_at
    for record in records:
        code = record["gap"]["code"] if record["gap"] else None
        if code == gap_codes.OVER_WHILE_AWAY and record["observedAt"].timestamp() < over:
            result.over_too_early.append(timeline.session_id)
        if code in {gap_codes.INTERNAL, gap_codes.OUTGROWN}:
            result.findings.append(f"chat {timeline.session_id}: {code}")


def _classify_missing(
    session_id: str,
    one: LedgerEvent,
    captured: dict[int, list[dict[str, Any]]],
    explanations: tuple[list[dict[str, Any]], set[str]],
    result: LedgerComparison,
) -> None:
    """Classify an event without a record. `explanations`: the chat's gaps and its certificate's reasons."""
    event_id, (gaps, certificate_reasons) = one.event.event_id, explanations
    name = f"{session_id}:{event_id}"
    covered = any((gap["fromEventId"] or 0) <= event_id <= (gap["toEventId"] or event_id) for gap in gaps)
    if one.required:
        result.missing_required.append(name)
    elif covered or certificate_reasons & REASONS_WITHOUT_IDS:
        result.explained.append(name)
    elif one.lost_at is not None and (one.untraceable or not any(later > event_id for later in captured)):
        result.lost_untraceable += 1
    elif captured[event_id] and one.lost_at is None:
        result.altered.append(name)
    else:
        result.unexplained.append(name)


def same_event(event: ChatEvent, record: dict[str, Any]) -> bool:
    """Whether a record says what an event says."""
    message, notice = record["message"], record["notice"]
    return (
        record["kind"] == KINDS.get(event.event_type, "UNKNOWN")
        and record["timeShift"] == event.time_shift
        and record["visibility"] == event.visibility
        and (record["party"] or {}).get("userId") == event.user_id
        and (message["text"] if message else None) == (event.message_text.text if event.message_text else None)
        and (notice["text"] if notice else None) == (event.notice_text.text if event.notice_text else None)
    )
