from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.records.avro import TRANSCRIPT_EVENT, Schemas, schema_folder
from bridge.records.chain import link, split, trailer
from bridge.records.epoch_claims import AnchoredHead
from bridge.records.findings import ANCHOR, SIGNATURE
from bridge.records.normalise import ChatRecorder, Recording
from bridge.records.redactor import Redactor
from bridge.records.session_records import CLOSED, OPENED
from bridge.records.verifier import Verifier
from bridge.transcript import entries as kinds
from bridge.transcript.entries import Certificate, Entry
from bridge.transcript.events import ChatEvent
from tests.support.reasons import A_LARGE_RECORD
from tests.transcript.build import CHAT, fresh, history, joined, left, push, said

if TYPE_CHECKING:
    from bridge.records.findings import Finding

SCHEMAS = Schemas(schema_folder())
RECORDING = Recording(SCHEMAS, Redactor())


@dataclass
class RecordedTopics:
    """Partition 3 of both topics: (offset, payload)."""

    events: list[tuple[int, bytes]] = field(default_factory=list)
    sessions: list[tuple[int, bytes]] = field(default_factory=list)

    def verify(self) -> list[str]:
        return [str(finding) for finding in self.findings()]

    def findings(self) -> list[Finding]:
        verifier = Verifier(SCHEMAS)
        for offset, payload in self.sessions:
            verifier.feed_session(payload, 3, offset)
        for offset, payload in self.events:
            verifier.feed_event(payload, 3, offset)
        return verifier.findings()


def a_chat(length: int = 6) -> RecordedTopics:
    """A chat with `length` records as the bridge would publish it, from offset 1200 on, closed with its certificate."""
    fold = fresh()
    entries = fold.apply(history(joined(1), said(2)))
    for number in range(3, length):
        entries += fold.apply(push(said(number)))
    entries += fold.apply(push(left(length)))
    return published(entries, fold.certificate(), fold.facts)


def published(entries: list[Entry], certificate: Certificate | None, facts: Any) -> RecordedTopics:
    recorder = ChatRecorder(CHAT, RECORDING)
    topics = RecordedTopics()
    topics.sessions.append((40, recorder.session_record(OPENED, facts, 1)))
    for offset, entry in enumerate(entries, 1200):
        topics.events.append((offset, recorder.event_record(entry, facts)))
    topics.sessions.append((41, recorder.session_record(CLOSED, facts, 2, certificate)))
    return topics


def altered(payload: bytes, **changes: Any) -> bytes:
    """The record with other content under its old integrity."""
    return SCHEMAS.encode(TRANSCRIPT_EVENT, SCHEMAS.decode(TRANSCRIPT_EVENT, payload) | changes)


def forged(payload: bytes, **changes: Any) -> bytes:
    """The record with other content and a hash that fits it."""
    body, previous, _ = split(altered(payload, **changes))
    return body + trailer(previous, link(previous, body))


def test_a_chat_as_it_was_published_gives_no_finding() -> None:
    assert a_chat().verify() == []


def test_rejoins_gaps_late_events_and_amendments_are_no_findings() -> None:
    fold = fresh()
    entries = fold.apply(history(joined(1), said(2), said(4)))
    fold.away(5)
    entries += fold.apply(history(joined(1), said(2, "changed"), said(4), said(6)))
    entries += fold.apply(push(said(5), said(7)))
    entries += fold.apply(history(joined(1), said(2, "once more"), said(4), said(5), said(6), said(7)))
    certificate = fold.certificate()
    assert {entry.kind for entry in entries} >= {kinds.GAP, kinds.RESUMED}
    assert [entry.amendment for entry in entries if entry.amendment] == [1, 2]
    assert published(entries, certificate, fold.facts).verify() == []


def test_an_amendment_that_could_not_be_published_and_the_next_one_are_no_findings() -> None:
    fold = fresh()
    entries = fold.apply(history(joined(1), said(2)))
    entries += fold.apply(history(joined(1), said(2, "longer")))
    fold.withdraw(entries[-1], A_LARGE_RECORD)
    entries += fold.apply(history(joined(1), said(2, "short")))
    assert entries[-1].amendment == 2
    assert fold.certificate().amendments == 1
    assert published(entries, fold.certificate(), fold.facts).verify() == []


def test_an_event_that_could_not_be_published_is_not_listed_and_not_published_when_it_is_seen_again() -> None:
    fold = fresh()
    entries = fold.apply(history(joined(1), said(2)))
    fold.withdraw(entries[1], A_LARGE_RECORD)
    entries += fold.apply(history(joined(1), said(2, "shorter"), said(3)))
    assert [entry.kind for entry in entries] == ["PARTY_JOINED", "GAP", "RESUMED", "MESSAGE"]
    assert fold.certificate().id_ranges == [(1, 1), (3, 3)]
    assert published(entries, fold.certificate(), fold.facts).verify() == []


def test_session_records_may_also_come_after_the_events_they_end_with() -> None:
    chat = a_chat()
    verifier = Verifier(SCHEMAS)
    for offset, payload in chat.events:
        verifier.feed_event(payload, 3, offset)
    for offset, payload in chat.sessions:
        verifier.feed_session(payload, 3, offset)
    assert verifier.findings() == []
    assert (verifier.chats, verifier.records) == (1, 6)


def test_a_lost_record_is_named_with_the_place_where_it_is_missing() -> None:
    chat = a_chat()
    del chat.events[3]
    assert chat.verify() == [
        f"chat {CHAT}: record at events-3@1204 has sequence 5 where 4 was expected: a record is missing"
    ]


def test_several_lost_records_are_counted() -> None:
    chat = a_chat()
    del chat.events[1:4]
    assert chat.verify() == [
        f"chat {CHAT}: record at events-3@1204 has sequence 5 where 2 was expected: 3 records are missing"
    ]


def test_records_lost_at_the_end_are_told_by_the_certificate() -> None:
    chat = a_chat()
    del chat.events[4:]
    assert chat.verify() == [
        f"chat {CHAT}: certificate at sessions-3@41 has lastSequence 6, the topic ends at 4: records are missing"
    ]


def test_an_altered_record_is_named() -> None:
    chat = a_chat()
    offset, payload = chat.events[3]
    chat.events[3] = (offset, altered(payload, visibility="VIP"))
    assert chat.verify() == [
        f"chat {CHAT}: record at events-3@1203 was altered: its content does not have the hash that it carries"
    ]


def test_a_record_altered_with_its_hash_is_given_away_by_the_next_one() -> None:
    chat = a_chat()
    offset, payload = chat.events[3]
    chat.events[3] = (offset, forged(payload, visibility="VIP"))
    (finding,) = chat.findings()
    assert finding.promise == "chain"
    assert "record at events-3@1204 does not continue the chain" in finding.message


def test_a_last_record_altered_with_its_hash_is_given_away_by_the_certificate() -> None:
    chat = a_chat()
    offset, payload = chat.events[-1]
    chat.events[-1] = (offset, forged(payload, visibility="VIP"))
    assert chat.verify() == [
        f"chat {CHAT}: certificate at sessions-3@41 names another head than the record with its lastSequence"
    ]


def test_reordered_records_are_named_and_none_is_called_missing() -> None:
    chat = a_chat()
    chat.events[2], chat.events[3] = chat.events[3], chat.events[2]
    assert chat.verify() == [f"chat {CHAT}: record at events-3@1202 has sequence 3 but comes after 4: out of order"]


def test_a_record_that_lies_there_twice_is_named() -> None:
    chat = a_chat()
    chat.events.insert(4, (1299, chat.events[3][1]))
    assert chat.verify() == [f"chat {CHAT}: record at events-3@1299 has sequence 4 ({CHAT}:4), which was there before"]


@pytest.mark.parametrize("first", [1, 3, 5])
def test_a_chat_whose_beginning_has_expired_is_checked_from_where_it_begins(first: int) -> None:
    chat = a_chat()
    del chat.events[:first]
    (finding,) = chat.findings()
    assert str(finding) == f"chat {CHAT}: starts at sequence {first + 1}; earlier records not on the topic"
    assert not finding.broken


def test_a_record_lost_after_an_expired_beginning_is_still_missed() -> None:
    chat = a_chat()
    del chat.events[4]
    del chat.events[:2]
    assert [finding.broken for finding in chat.findings()] == [False, True]


def test_a_chat_that_has_expired_as_a_whole_is_remarked_and_not_called_broken() -> None:
    chat = a_chat()
    chat.events.clear()
    (finding,) = chat.findings()
    assert str(finding) == f"chat {CHAT}: closed after 6 records, none of which is on the topic"
    assert not finding.broken


@pytest.mark.parametrize(
    ("at", "changes", "message"),
    [
        (2, {"id": f"{CHAT}:33"}, f"record at events-3@1202 has id {CHAT}:33 where {CHAT}:3 was expected"),
        (2, {"id": f"{CHAT}:1", "eventId": 1}, f"record at events-3@1202 has id {CHAT}:1, which was there before"),
        (3, {"id": f"{CHAT}:2", "eventId": 2}, "which was there before"),
        (
            3,
            {"id": f"{CHAT}:99:1", "eventId": 99, "amends": f"{CHAT}:99", "amendment": "CHANGED"},
            f"amends {CHAT}:99, which is not there",
        ),
        (
            3,
            {"id": f"{CHAT}:2:0", "eventId": 2, "amends": f"{CHAT}:2", "amendment": "CHANGED"},
            f"has id {CHAT}:2:0 where {CHAT}:2:1 was",
        ),
        (3, {"id": f"{CHAT}:4", "eventId": None}, f"has id {CHAT}:4 where {CHAT}:~0.4 was expected"),
    ],
)
def test_an_id_that_breaks_its_rule_is_named(at: int, changes: dict[str, Any], message: str) -> None:
    chat = a_chat()
    offset, payload = chat.events[at]
    chat.events[at] = (offset, forged(payload, **changes))
    found = [finding for finding in chat.findings() if finding.promise == "id"]
    assert len(found) == 1
    assert message in found[0].message


def test_a_live_event_below_an_earlier_one_is_out_of_order_and_a_replayed_one_is_not() -> None:
    fold = fresh()
    entries = fold.apply(history(joined(1), said(5)))
    late = Entry(kinds.MESSAGE, 3, kinds.LIVE, 1, ChatEvent("message", 3))
    wrong = published([*entries, late], None, fold.facts).verify()
    assert f"chat {CHAT}: record at events-3@1202 is event 3, live, but comes after event 5" in wrong
    right = published([*entries, replace(late, origin=kinds.REPLAY)], None, fold.facts).verify()
    assert not any("live" in finding for finding in right)


def test_a_record_on_another_partition_is_named() -> None:
    chat = a_chat()
    verifier = Verifier(SCHEMAS, events="acme.events.v1")
    for offset, payload in chat.events:
        verifier.feed_event(payload, 4 if offset == 1203 else 3, offset)
    assert [str(finding) for finding in verifier.findings()] == [
        f"chat {CHAT}: record at acme.events.v1-4@1203, but the chat began on partition 3"
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"counts": {"MESSAGE": 5}}, "says counts {'MESSAGE': 5}, the topic holds"),
        ({"id_ranges": [(1, 6), (8, 9)]}, "lists ids 8-9 in idRanges, unlike the topic"),
        ({"id_ranges": [(1, 4)]}, "lacks ids 5-6 in idRanges, unlike the topic"),
    ],
)
def test_a_certificate_that_does_not_agree_is_named(changes: dict[str, Any], message: str) -> None:
    fold = fresh()
    entries = fold.apply(history(joined(1), *(said(number) for number in range(2, 7))))
    finding = published(entries, replace(fold.certificate(), **changes), fold.facts).findings()[0]
    assert finding.promise == "certificate"
    assert message in finding.message


def test_a_chat_closed_without_a_certificate_is_named() -> None:
    fold = fresh()
    chat = published(fold.apply(history(joined(1))), None, fold.facts)
    assert chat.verify() == [f"chat {CHAT}: closed without a certificate at sessions-3@41"]


def test_a_certificate_that_was_read_too_late_to_be_checked_is_remarked() -> None:
    fold = fresh()
    early = published(fold.apply(history(joined(1))), fold.certificate(), fold.facts)
    chat = a_chat()
    verifier = Verifier(SCHEMAS)
    for offset, payload in chat.events:
        verifier.feed_event(payload, 3, offset)
    verifier.feed_session(early.sessions[1][1], 3, 41)
    (finding,) = verifier.findings()
    assert not finding.broken
    assert "not checked" in finding.message


@pytest.mark.parametrize("payload", [b"", b"\x00" * 40, b"garbage that is no record at all"])
def test_unreadable_records_are_named_with_their_place(payload: bytes) -> None:
    verifier = Verifier(SCHEMAS)
    verifier.feed_event(payload, 3, 7)
    verifier.feed_session(payload, 2, 8)
    places = [str(finding).split(" cannot be read")[0] for finding in verifier.findings()]
    assert places == ["record at events-3@7", "record at sessions-2@8"]


@pytest.mark.parametrize("changed", [False, True])
def test_a_statement_about_a_chat_does_not_hide_what_was_found_of_it_before(changed: bool) -> None:
    topics = a_chat()
    verifier = Verifier(SCHEMAS, check_session=lambda *_: "scripted")
    for offset, payload in topics.sessions:
        verifier.feed_session(payload, 3, offset)
    for at, head in ((3, bytes(32)), (4, bytes(32) if changed else split(topics.events[3][1])[2])):
        verifier.expect(CHAT, AnchoredHead(0, at, head, at, "the anchor"))
    for offset, payload in topics.events:
        verifier.feed_event(payload, 3, offset)
    found = [each.promise for each in verifier.findings()]
    assert found == [SIGNATURE, SIGNATURE, *([ANCHOR] if changed else [])]
    assert verifier.extent().cut_off == 0


@given(
    st.lists(st.integers(0, 11), unique=True, min_size=1) | st.integers(0, 11).map(lambda first: [*range(first, 12)])
)
def test_no_loss_and_no_reordering_goes_unnoticed(kept: list[int]) -> None:
    """Any arrangement of a chat's records but the right one has a finding that is more than a remark, or is a tail."""
    chat = a_chat(12)
    chat.events = [chat.events[at] for at in kept]
    broken = any(finding.broken for finding in chat.findings())
    is_a_tail = kept == list(range(kept[0], 12))
    assert broken != is_a_tail


@given(st.integers(0, 5), st.data())
def test_no_single_changed_byte_goes_unnoticed(at: int, data: st.DataObject) -> None:
    chat = a_chat()
    offset, payload = chat.events[at]
    byte = data.draw(st.integers(0, len(payload) - 1))
    damaged = bytearray(payload)
    damaged[byte] ^= data.draw(st.integers(1, 255))
    chat.events[at] = (offset, bytes(damaged))
    assert any(finding.broken for finding in chat.findings())
