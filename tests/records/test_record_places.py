from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from bridge.records.avro import TRANSCRIPT_EVENT, Schemas, schema_folder
from bridge.records.normalise import ChatRecorder, Recording
from bridge.records.record_places import PartitionStart, Surroundings
from bridge.records.redactor import Redactor
from bridge.records.session_records import CLOSED, OPENED
from bridge.records.verifier import Verifier
from tests.transcript.build import CHAT, fresh, history, joined, left, push, said

if TYPE_CHECKING:
    from bridge.records.findings import Finding

SCHEMAS = Schemas(schema_folder())
OPENED_AT = 1_750_000_000_000_000
HOUR = 3_600_000_000
Placed = tuple[int, bytes, Surroundings]


@dataclass
class PlacedTopics:
    """Partition 3 of both topics: offset, payload, and what surrounds it."""

    events: list[Placed] = field(default_factory=list)
    sessions: list[Placed] = field(default_factory=list)

    def findings(self, start: PartitionStart | None = None) -> list[Finding]:
        verifier = Verifier(SCHEMAS)
        for offset, payload, around in self.sessions:
            verifier.feed_session(payload, 3, offset, None, around)
        for offset, payload, around in self.events:
            verifier.feed_event(payload, 3, offset, None, around)
        if start is not None:
            verifier.start_partition(3, start)
        return verifier.findings()

    def broken(self, start: PartitionStart | None = None) -> list[str]:
        return [finding.message for finding in self.findings(start) if finding.broken]


def a_chat() -> PlacedTopics:
    """Six records from offset 1200 on and both session records, as the bridge writes them."""
    fold = fresh()
    entries = fold.apply(history(joined(1), said(2)))
    for number in range(3, 6):
        entries += fold.apply(push(said(number)))
    entries += fold.apply(push(left(6)))
    recorder = ChatRecorder(CHAT, Recording(SCHEMAS, Redactor()))
    topics = PlacedTopics()

    def session(offset: int, state: str, at: int, certificate: Any = None) -> None:
        payload = recorder.session_record(state, fold.facts, at, certificate)
        headers = recorder.session_headers(state, at, certificate)
        topics.sessions.append((offset, payload, Surroundings(recorder.key, headers, at // 1000)))

    session(40, OPENED, OPENED_AT)
    for offset, entry in enumerate(entries, 1200):
        headers = recorder.blocks(entry, fold.facts).headers
        around = Surroundings(recorder.key, headers, entry.observed_at // 1000)
        topics.events.append((offset, recorder.event_record(entry, fold.facts), around))
    session(41, CLOSED, OPENED_AT + HOUR, fold.certificate())
    return topics


def test_what_the_bridge_writes_has_no_finding_on_a_partition_of_which_nothing_was_deleted() -> None:
    assert a_chat().findings(PartitionStart(offset=0, settled=1206, at=1, sessions_whole=True)) == []


@pytest.mark.parametrize("name", ["ce_id", "ce_type", "ce_time", "ce_subject"])
@pytest.mark.parametrize("changed", [b"changed", None])
@pytest.mark.parametrize("topic", ["events", "sessions"])
def test_a_header_that_is_changed_or_removed_is_named(name: str, changed: bytes | None, topic: str) -> None:
    chat = a_chat()
    offset, payload, around = getattr(chat, topic)[1]
    others = [(each, value) for each, value in around.headers if each != name]
    headers = others if changed is None else [*others, (name, changed)]
    getattr(chat, topic)[1] = (offset, payload, replace(around, headers=headers))
    (message,) = chat.broken()
    assert f"{topic}-3@{offset} has the header {name} {'none' if changed is None else 'changed'} where" in message


@pytest.mark.parametrize("topic", ["events", "sessions"])
def test_a_key_of_another_chat_is_named(topic: str) -> None:
    chat = a_chat()
    offset, payload, around = getattr(chat, topic)[1]
    getattr(chat, topic)[1] = (offset, payload, replace(around, key=b"0000OTHER0000001"))
    assert chat.broken() == [f"record at {topic}-3@{offset} has the key 0000OTHER0000001, unlike its sessionId"]


def test_swapped_headers_of_two_records_are_named_at_both() -> None:
    chat = a_chat()
    (first, one, around), (second, other, about) = chat.events[2:4]
    chat.events[2:4] = [(first, one, about), (second, other, around)]
    named = {message.split(" has ")[0] for message in chat.broken()}
    assert named == {"record at events-3@1202", "record at events-3@1203"}


def test_a_kafka_time_long_before_the_event_was_observed_is_remarked() -> None:
    chat = a_chat()
    offset, payload, around = chat.events[0]
    observed = int(SCHEMAS.decode(TRANSCRIPT_EVENT, payload)["observedAt"])
    chat.events[0] = (offset, payload, replace(around, timestamp=observed // 1000 - 3_600_000))
    (finding,) = chat.findings()
    assert not finding.broken
    assert "has a Kafka time long before it was observed" in finding.message


# --- beginnings ------------------------------------------------------------------------------------------------------


WHOLE = PartitionStart(offset=0, settled=2000, at=1, sessions_whole=True)
OLDER_IS_THERE = PartitionStart(offset=1000, settled=2000, at=OPENED_AT - HOUR)
YOUNGER = PartitionStart(offset=1202, settled=2000, at=OPENED_AT + 1)
EMPTIED = PartitionStart(offset=1206, settled=2000)


@pytest.mark.parametrize(("start", "word"), [(WHOLE, "nothing was deleted"), (OLDER_IS_THERE, "older records")])
def test_a_beginning_that_cannot_have_been_deleted_is_missing(start: PartitionStart, word: str) -> None:
    chat = a_chat()
    del chat.events[:2]
    (message,) = chat.broken(start)
    assert message.startswith("starts at sequence 3; earlier records not on the topic, although")
    assert word in message


@pytest.mark.parametrize("start", [YOUNGER, EMPTIED, None])
def test_a_beginning_that_retention_may_have_deleted_is_a_remark(start: PartitionStart | None) -> None:
    chat = a_chat()
    del chat.events[:2]
    (finding,) = chat.findings(start)
    assert not finding.broken
    assert finding.promise == "retention"


@pytest.mark.parametrize("start", [WHOLE, OLDER_IS_THERE])
def test_a_certified_chat_of_which_nothing_is_left_is_missing(start: PartitionStart) -> None:
    chat = a_chat()
    chat.events.clear()
    (message,) = chat.broken(start)
    assert message.startswith("closed after 6 records, none of which is on the topic, although")


def test_a_certified_chat_whose_records_were_deleted_is_a_remark() -> None:
    chat = a_chat()
    chat.events.clear()
    assert chat.broken(EMPTIED) == []


def test_a_chat_that_may_have_been_opened_earlier_is_not_called_cut_off() -> None:
    """Restored after a close whose records are gone: what was opened now may have begun long ago."""
    chat = a_chat()
    del chat.events[:2]
    del chat.sessions[1]
    assert chat.broken(OLDER_IS_THERE) == []
    assert len(chat.broken(WHOLE)) == 1


def test_events_without_any_session_record_are_named_where_none_was_deleted() -> None:
    chat = a_chat()
    chat.sessions.clear()
    assert chat.broken(WHOLE) == ["has events but no session record, although nothing was deleted from that partition"]
    assert chat.broken(replace(WHOLE, sessions_whole=False)) == []
    assert chat.broken(replace(WHOLE, settled=1200)) == []  # it was opened while the topics were read
