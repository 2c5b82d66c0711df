"""What is on the topics of a scripted Kafka, compared with what the servers said."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from bridge.records.avro import TRANSCRIPT_EVENT
from bridge.records.verifier import Verifier
from bridge.transcript.entries import RESUMED
from tests.capture.test_session_store import PREFIX, SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.capture.ports import Outgoing
    from tests.capture.scripted_kafka import ScriptedKafka
    from tests.capture.telling_server import ChatHistories


def stored_events(kafka: ScriptedKafka) -> list[dict[str, Any]]:
    return [SCHEMAS.decode(TRANSCRIPT_EVENT, _payload(one)) for one in kafka.stored["events"]]


def nothing_is_lost(kafka: ScriptedKafka, chats: ChatHistories, snapshots: Mapping[str, int]) -> None:
    """Check that each event that was said is stored exactly once, in order, or that a GAP tells of it.

    `snapshots`: chat -> how often its history was delivered.
    """
    records = stored_events(kafka)
    for chat, last in chats.said.items():
        own = [record for record in records if record["sessionId"] == chat]
        assert [record["sequence"] for record in own] == list(range(1, len(own) + 1)), chat
        stored = Counter(record["eventId"] for record in own if record["eventId"])
        assert set(stored.values()) <= {1}, chat
        assert sum(record["kind"] == RESUMED for record in own) <= max(snapshots.get(chat, 0) - 1, 0), chat
        missing = set(range(1, last + 1)) - set(stored)
        gaps = [record["gap"] for record in own if record["gap"]]
        if chat in chats.over:
            missing = {one for one in missing if not any(_covers(gap, one) for gap in gaps)}
        assert not missing, (chat, missing)
    verifier = Verifier(SCHEMAS)
    for offset, one in enumerate(kafka.stored["sessions"]):
        verifier.feed_session(_payload(one), 0, offset)
    for offset, one in enumerate(kafka.stored["events"]):
        verifier.feed_event(_payload(one), 0, offset)
    assert [str(finding) for finding in verifier.findings()] == []


def _payload(record: Outgoing) -> bytes:
    return (record.value or b"")[len(PREFIX) :]


def _covers(gap: dict[str, Any], event_id: int) -> bool:
    first, last = gap["fromEventId"], gap["toEventId"]
    return (first is None or first <= event_id) and (last is None or event_id <= last)
