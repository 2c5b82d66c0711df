"""What inputs become: the batch of one transaction, and what is done when something in it cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bridge.announcement import Announcement, encode, parse
from bridge.capture.chat import GIVEN_UP, OVER
from bridge.capture.chat_facts import ChatFailed
from bridge.capture.inbox import Announced
from bridge.capture.session_store import SessionStore
from bridge.capture.session_store_settings import SessionStoreSettings
from bridge.records.avro import (
    QUARANTINED_INPUT,
    SESSION_RECORD,
    TRANSCRIPT_EVENT,
    Schemas,
    schema_folder,
)
from bridge.records.checkpoint_keys import MARKER_KEY
from bridge.records.normalise import Recording
from bridge.records.redactor import Redactor
from bridge.records.verifier import Verifier
from bridge.records.writer_schemas import KEPT, WriterSchemas, schema_record
from bridge.transcript.gap_codes import INTERNAL, NEVER_JOINED, OUT_OF_REACH, OVER_WHILE_AWAY, TOO_LARGE
from bridge.transcript.updates import Damaged, JoinRefused, LinkDown, QuarantinedInput, Verdict
from tests.capture.compacted_topic import CompactedTopic
from tests.capture.written_topics import (
    CHECKPOINTS,
    EVENTS,
    QUARANTINE,
    SESSIONS,
    forwards,
    output,
    same_limits,
    written_to,
)
from tests.support.core_forms import replaces_a_part
from tests.support.reasons import A_REFUSAL, A_RESET, NO_JSON
from tests.transcript.build import CHAT, history, joined, push, said

if TYPE_CHECKING:
    from bridge.capture.ports import Outgoing

SCHEMAS = Schemas(schema_folder())
WRITERS = WriterSchemas(SCHEMAS)
SCHEMA_KEYS = [schema_record(SCHEMAS, name)[0].encode() for name in KEPT]
PREFIX = b"\x00\x00\x00\x00\x01"
NOW = 3_000_000
DAY = 86_400_000_000
SECOND = 1_000_000


def settings(**changes: Any) -> SessionStoreSettings:
    fields: dict[str, Any] = {
        **written_to(output(Recording(SCHEMAS, Redactor()), PREFIX)),
        "writers": WRITERS,
        "partition_of": lambda key: 3 if key == CHAT.encode() else 7,
    }
    return SessionStoreSettings(**{**fields, **changes})


def announcement(session_id: str = CHAT, offset: int = 0, **more: Any) -> Announced:
    raw = encode(Announcement(session_id=session_id, host="chat-1", port=4800, **more))
    return Announced(offset, raw, session_id.encode(), parse(raw), observed_at=NOW)


def decoded(name: str, records: list[Outgoing]) -> list[dict[str, Any]]:
    return [SCHEMAS.decode(name, (record.value or b"")[len(PREFIX) :]) for record in records]


def followed(**changes: Any) -> SessionStore:
    store = SessionStore(3, settings(**changes))
    store.fold([announcement()], NOW)
    return store


def test_an_announcement_opens_a_chat_and_moves_the_offset() -> None:
    plan = SessionStore(3, settings()).fold([announcement(offset=41)], NOW)
    [opened] = decoded(SESSION_RECORD, plan.batch.on(SESSIONS))
    assert (opened["state"], opened["sessionId"]) == ("OPENED", CHAT)
    assert [chat.transcript.session_id for chat in plan.follow] == [CHAT]
    assert plan.batch.announcement_offset == 42
    assert [record.key for record in plan.batch.on(CHECKPOINTS)] == [
        *SCHEMA_KEYS,
        *(key.encode() for key in (f"{CHAT}#a", f"{CHAT}#s", CHAT, MARKER_KEY)),
    ]


def test_an_announcement_on_a_wrong_partition_is_sent_on_and_never_followed_here() -> None:
    plan = SessionStore(3, settings()).fold([announcement("0000ELSEWHERE001")], NOW)
    [(partition, record)] = forwards(plan.batch)
    assert (partition, record.key) == (7, b"0000ELSEWHERE001")
    assert (plan.follow, plan.batch.on(SESSIONS), plan.batch.announcement_offset) == ([], [], 1)


def test_an_unreadable_announcement_goes_to_the_quarantine_without_its_password() -> None:
    raw = b'{"sessionId": 7, "password": "open-sesame"}'
    plan = SessionStore(3, settings()).fold(
        [Announced(5, raw, None, None, "an announcement that does not fit", NOW)], NOW
    )
    [record] = decoded(QUARANTINED_INPUT, plan.batch.on(QUARANTINE))
    assert record["source"] == "announcements-3@5"
    assert b"open-sesame" not in record["bytes"]
    assert plan.batch.announcement_offset == 6


def test_events_are_chained_records_in_order_with_cloudevents_headers() -> None:
    store = followed()
    plan = store.fold([history(joined(1), said(2)), push(said(3))], NOW)
    verifier = Verifier(SCHEMAS)
    for offset, record in enumerate(plan.batch.on(EVENTS)):
        verifier.feed_event((record.value or b"")[len(PREFIX) :], 3, offset)
    assert verifier.findings() == []
    assert [event["id"] for event in decoded(TRANSCRIPT_EVENT, plan.batch.on(EVENTS))] == [
        f"{CHAT}:{n}" for n in (1, 2, 3)
    ]
    assert dict(plan.batch.on(EVENTS)[0].headers)["ce_id"] == f"{CHAT}:1".encode()
    assert [record.key.decode() for record in plan.batch.on(CHECKPOINTS)] == [f"{CHAT}#s", CHAT]


def test_a_chat_that_is_over_gets_its_certificate_and_leaves_the_store_after_a_minute() -> None:
    store = followed()
    plan = store.fold([history(joined(1), said(2), over=True)], NOW)
    [closed] = decoded(SESSION_RECORD, plan.batch.on(SESSIONS))
    assert (closed["state"], closed["certificate"]["verdict"]) == ("CLOSED", "COMPLETE")
    assert closed["certificate"]["lastSequence"] == 2
    assert plan.forget == [CHAT]
    assert store.chats[CHAT].state == OVER
    assert store.fold([announcement(offset=9)], NOW).follow == []
    assert store.fold([], NOW + 57 * SECOND).batch.on(CHECKPOINTS) == []
    *deleted, shrunk = store.fold([], NOW + 62 * SECOND).batch.on(CHECKPOINTS)
    assert [(record.key.decode(), record.value) for record in deleted] == [(f"{CHAT}#a", None), (f"{CHAT}#s", None)]
    assert list(CompactedTopic([shrunk]).shard(WRITERS).over) == [CHAT]
    assert len(shrunk.value or b"") <= 200
    assert CHAT not in store.chats
    assert store.fold([announcement(offset=10)], NOW + 63 * SECOND).follow == []


def test_a_restored_store_goes_on_where_the_committed_one_was() -> None:
    store = SessionStore(3, settings())
    first = store.fold([announcement(), history(joined(1), said(2))], NOW)
    other = restored(first.batch.on(CHECKPOINTS))
    here = store.fold([history(joined(1), said(2), said(3))], NOW)
    there = other.fold([history(joined(1), said(2), said(3))], NOW)
    assert [record.value for record in here.batch.on(EVENTS)] == [record.value for record in there.batch.on(EVENTS)]
    *chat, marker = there.batch.on(CHECKPOINTS)
    assert [(one.key, one.value) for one in here.batch.on(CHECKPOINTS)] == [(one.key, one.value) for one in chat]
    assert [one.key.decode() for one in chat] == [f"{CHAT}#s", CHAT]
    assert marker.key == MARKER_KEY.encode()


def test_a_fold_that_was_not_committed_can_be_done_again_from_the_checkpoints() -> None:
    store = SessionStore(3, settings())
    stored = store.fold([announcement(), history(joined(1))], NOW).batch.on(CHECKPOINTS)
    inputs = [push(said(2)), push(said(3))]
    lost = store.fold(inputs, NOW)
    again = restored(stored)
    assert [r.value for r in again.fold(inputs, NOW).batch.on(EVENTS)] == [r.value for r in lost.batch.on(EVENTS)]


@pytest.mark.parametrize(
    ("seen_before", "verdict", "reason"),
    [
        (False, Verdict.GONE, NEVER_JOINED),
        (True, Verdict.GONE, OVER_WHILE_AWAY),
        (True, Verdict.NEVER, OUT_OF_REACH),
    ],
)
def test_a_chat_that_is_given_up_says_why_in_a_gap_and_in_its_certificate(
    seen_before: bool, verdict: Verdict, reason: str
) -> None:
    store = followed()
    if seen_before:
        store.fold([history(joined(1), *map(said, (2, 3, 4))), LinkDown(CHAT, A_RESET, NOW)], NOW)
    plan = store.fold([JoinRefused(CHAT, 0, A_REFUSAL, verdict, NOW)], NOW)
    [gap] = decoded(TRANSCRIPT_EVENT, plan.batch.on(EVENTS))
    assert (gap["kind"], gap["gap"]["code"]) == ("GAP", reason)
    assert gap["gap"]["fromEventId"] == (5 if seen_before else None)
    [closed] = decoded(SESSION_RECORD, plan.batch.on(SESSIONS))
    assert closed["certificate"]["verdict"] == "INCOMPLETE"
    assert closed["certificate"]["reasons"] == [reason]
    assert store.chats[CHAT].state == GIVEN_UP


def test_a_chat_that_was_given_up_and_is_announced_again_goes_on_in_its_sequence() -> None:
    store = followed()
    store.fold([history(joined(1)), JoinRefused(CHAT, 0, A_REFUSAL, Verdict.NEVER, NOW)], NOW)
    assert len(store.fold([announcement(offset=1)], NOW).follow) == 1
    events = decoded(TRANSCRIPT_EVENT, store.fold([history(joined(1), said(2))], NOW).batch.on(EVENTS))
    assert [(event["kind"], event["sequence"]) for event in events] == [("RESUMED", 3), ("MESSAGE", 4)]


def restored(checkpoints: list[Outgoing], **changes: Any) -> SessionStore:
    return CompactedTopic(checkpoints).restored(3, settings(**changes))


def test_a_later_announcement_keeps_the_password_and_the_tenant_that_it_does_not_tell_also_after_a_restart() -> None:
    store = SessionStore(3, settings())
    first = store.fold([announcement(password="invented", tenant="North", user_data={"a": 1, "b": 2})], NOW)
    later = Announcement(session_id=CHAT, host="chat-2", port=4800, user_data={"b": 3})
    plan = store.fold([Announced(1, encode(later), CHAT.encode(), later, observed_at=NOW)], NOW)
    for one in (store, restored([*first.batch.on(CHECKPOINTS), *plan.batch.on(CHECKPOINTS)])):
        kept = one.chats[CHAT].announcement
        assert (kept.places(), kept.password, kept.tenant) == (["chat-2:4800"], "invented", "North")
        assert kept.user_data == {"a": 1, "b": 3}
        [event] = decoded(TRANSCRIPT_EVENT, one.fold([history(joined(1))], NOW).batch.on(EVENTS))
        assert event["session"]["tenant"] == "North"


def test_a_tenant_that_a_later_announcement_tells_is_on_all_records_from_then_on() -> None:
    store = SessionStore(3, settings())
    first = store.fold([announcement(), history(joined(1))], NOW)
    plan = store.fold([announcement(offset=1, tenant="North")], NOW)
    for one in (store, restored([*first.batch.on(CHECKPOINTS), *plan.batch.on(CHECKPOINTS)])):
        plan = one.fold([push(said(2), over=True)], NOW)
        assert decoded(TRANSCRIPT_EVENT, plan.batch.on(EVENTS))[0]["session"]["tenant"] == "North"
        assert decoded(SESSION_RECORD, plan.batch.on(SESSIONS))[0]["tenant"] == "North"


def test_a_chat_that_was_given_up_is_followed_again_with_the_password_it_had() -> None:
    store = SessionStore(3, settings())
    first = store.fold([announcement(password="invented")], NOW)
    plan = store.fold([history(joined(1)), JoinRefused(CHAT, 0, A_REFUSAL, Verdict.NEVER, NOW)], NOW)
    for one in (store, restored([*first.batch.on(CHECKPOINTS), *plan.batch.on(CHECKPOINTS)])):
        [chat] = one.fold([announcement(offset=1, tenant="North")], NOW).follow
        assert (chat.announcement.password, chat.transcript.facts.tenant) == ("invented", "North")
        assert parse(chat.announced) == chat.announcement


def test_a_record_that_is_too_large_is_quarantined_in_parts_and_leaves_a_gap() -> None:
    store = followed(limits=same_limits(100_000))
    plan = store.fold([history(joined(1), said(2, "x" * 1_200_000), said(3))], NOW)
    assert plan.cut
    events = decoded(TRANSCRIPT_EVENT, plan.batch.on(EVENTS))
    assert [event["kind"] for event in events] == ["PARTY_JOINED", "GAP", "MESSAGE"]
    assert (events[1]["gap"]["fromEventId"], events[1]["gap"]["code"]) == (2, TOO_LARGE)
    parts = decoded(QUARANTINED_INPUT, plan.batch.on(QUARANTINE))
    assert [part["part"] for part in parts] == list(range(1, parts[0]["parts"] + 1))
    assert sum(len(part["bytes"]) for part in parts) == parts[0]["totalBytes"] > 1_200_000
    assert all(len(record.value or b"") < 1_000_000 for record in plan.batch.on(QUARANTINE))
    verifier = Verifier(SCHEMAS)
    for offset, record in enumerate(plan.batch.on(EVENTS)):
        verifier.feed_event((record.value or b"")[len(PREFIX) :], 3, offset)
    assert verifier.findings() == []


def test_a_damaged_event_is_quarantined_with_its_bytes_and_leaves_a_gap() -> None:
    seen = history(joined(1), said(3))
    seen.damaged = [Damaged(b'{"eventId":2,"timeShift":"x"}', "timeShift: expected int", 2)]
    plan = followed().fold([seen], NOW)
    assert [e["kind"] for e in decoded(TRANSCRIPT_EVENT, plan.batch.on(EVENTS))] == ["PARTY_JOINED", "MESSAGE", "GAP"]
    [aside] = decoded(QUARANTINED_INPUT, plan.batch.on(QUARANTINE))
    assert (aside["sessionId"], aside["bytes"]) == (CHAT, b'{"eventId":2,"timeShift":"x"}')


def test_an_unreadable_line_marks_every_chat_that_it_may_have_concerned() -> None:
    store = followed()
    store.fold([history(joined(1))], NOW)
    plan = store.fold([QuarantinedInput("chat-1:4800", b"garbage", NO_JSON, 7, followed=(CHAT,), observed_at=NOW)], NOW)
    assert (len(plan.batch.on(QUARANTINE)), plan.batch.on(EVENTS)) == (1, [])
    [closed] = decoded(SESSION_RECORD, store.fold([push(said(2), over=True)], NOW).batch.on(SESSIONS))
    assert (closed["certificate"]["verdict"], closed["certificate"]["unattributed"]) == ("INCOMPLETE", 1)


def test_an_unreadable_line_that_names_a_chat_is_a_gap_of_that_chat() -> None:
    store = followed()
    aside = QuarantinedInput("chat-1:4800", b"garbage", NO_JSON, 7, session_id=CHAT, attributed=True, observed_at=NOW)
    plan = store.fold([history(joined(1)), aside], NOW)
    assert [e["kind"] for e in decoded(TRANSCRIPT_EVENT, plan.batch.on(EVENTS))] == ["PARTY_JOINED", "GAP"]


@replaces_a_part
def test_a_defect_in_one_input_costs_this_input_only(monkeypatch: pytest.MonkeyPatch) -> None:
    other = "0000TEST00000002"
    store = SessionStore(3, settings(partition_of=lambda _: 3))
    store.fold([announcement(), announcement(other, 1)], NOW)

    def broken(_seen: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(type(store.chats[CHAT].transcript), "learn", broken)
    plan = store.fold([history(joined(1))], NOW)
    monkeypatch.undo()
    assert [fact for fact in plan.facts if isinstance(fact, ChatFailed)]
    [gap] = decoded(TRANSCRIPT_EVENT, plan.batch.on(EVENTS))
    assert (gap["gap"]["fromEventId"], gap["gap"]["toEventId"], gap["gap"]["code"]) == (1, 1, INTERNAL)
    assert plan.batch.on(SESSIONS) == []
    assert len(plan.batch.on(QUARANTINE)) == 1
    assert [chat.transcript.session_id for chat in store.followed()] == [CHAT, other]


def test_checkpoints_of_closed_chats_are_tombstoned_after_their_time() -> None:
    store = followed(closed_retention_us=DAY)
    store.fold([history(joined(1), over=True)], NOW)
    *deleted, head = store.fold([], NOW + DAY // 2).batch.on(CHECKPOINTS)  # all that was in it is forgotten
    assert [(record.key.decode(), record.value) for record in deleted] == [(f"{CHAT}#a", None), (f"{CHAT}#s", None)]
    assert head.value is not None
    assert store.fold([], NOW + DAY // 2 + SECOND).batch.on(CHECKPOINTS) == []
    [tombstone, marker] = store.fold([], NOW + 2 * DAY).batch.on(CHECKPOINTS)
    assert (tombstone.key, tombstone.value) == (CHAT.encode(), None)
    assert marker.key == MARKER_KEY.encode()


def test_a_chat_that_was_given_up_is_not_published_twice_while_its_records_are_on_the_topic() -> None:
    store = followed(closed_retention_us=14 * DAY)
    first = store.fold([history(said(1), said(2)), JoinRefused(CHAT, 0, A_REFUSAL, Verdict.NEVER, NOW)], NOW)
    later = NOW + 14 * DAY
    assert store.fold([], later).batch.on(CHECKPOINTS) == []
    store.fold([announcement(offset=1)], later)
    second = store.fold([history(said(1), said(2), said(3))], later)
    records = [*first.batch.on(EVENTS), *second.batch.on(EVENTS)]
    verifier = Verifier(SCHEMAS)
    for offset, record in enumerate(records):
        verifier.feed_event((record.value or b"")[len(PREFIX) :], 3, offset)
    assert verifier.findings() == []
    assert [event["eventId"] for event in decoded(TRANSCRIPT_EVENT, records)] == [1, 2, None, None, 3]


def test_a_chat_that_is_over_is_not_opened_again_while_its_records_are_on_the_topic() -> None:
    store = followed(closed_retention_us=14 * DAY)
    store.fold([history(joined(1), over=True)], NOW)
    plan = store.fold([announcement(offset=1)], NOW + 14 * DAY)
    assert (plan.follow, plan.batch.on(SESSIONS)) == ([], [])


def test_without_a_limit_closed_chats_are_remembered_for_ever() -> None:
    store = followed(closed_retention_us=None)
    store.fold([history(joined(1)), JoinRefused(CHAT, 0, A_REFUSAL, Verdict.NEVER, NOW)], NOW)
    assert store.fold([], NOW + 100_000 * DAY).batch.on(CHECKPOINTS) == []
    assert CHAT in store.chats
