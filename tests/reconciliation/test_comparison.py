"""A live chat and its stored image reconcile to nothing unexplained; each real difference is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec import structs

from bridge.reconciliation import differences as codes
from bridge.reconciliation.captured_chat import CapturedChat
from bridge.reconciliation.comparison import (
    FILLED,
    MATCHED,
    MISSING,
    NEVER_SEEN,
    NO_TEXT,
    NOT_STORED,
    RUNNING,
    UNEXPLAINED,
    compare_chat,
)
from bridge.reconciliation.id_agreement import AGREE, DIFFER, NOT_KNOWN, IdAgreement
from bridge.transcript.entries import COMPLETE, INCOMPLETE
from bridge.transcript.events import ChatEvent, MessageText, NoticeText, Reason, UserInfo
from tests.reconciliation.both_sides import (
    CHAT,
    USERS,
    InventedChat,
    captured_from,
    carried,
    chats,
    compared,
    stored_from,
    stored_image,
)
from tests.sealing.known_keys import KnownDataKeys

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject

FORMS = {"masks": st.booleans(), "old_server": st.booleans(), "saves_typing": st.booleans()}


def said(event_id: int, text: str, user: str = USERS[1]) -> ChatEvent:
    return ChatEvent("message", event_id, user, event_id, message_text=MessageText(text))


def typed(event_id: int) -> ChatEvent:
    return ChatEvent("notice", event_id, USERS[1], event_id, notice_text=NoticeText("TYPING_STARTED"))


JOINS = [ChatEvent("newParty", 1, USERS[0], user_info=UserInfo("customer", "CLIENT"))]
JOINS.append(ChatEvent("newParty", 2, USERS[1], 1, user_info=UserInfo("agent", "AGENT", "7")))
LEAVES = [ChatEvent("partyLeft", 9, USERS[1], 9, asker_id=USERS[1], reason=Reason(2, "closed"))]
PLAIN = [*JOINS, said(3, "good morning"), typed(4), said(5, "card 1234"), said(6, "good bye"), *LEAVES]


# --- the two sides of one chat ----------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(chats(), st.fixed_dictionaries(FORMS))
def test_a_chat_and_its_stored_image_reconcile_to_nothing_unexplained(
    chat: InventedChat, form: dict[str, bool]
) -> None:
    found = compared(captured_from(chat.events, version=chat.version), stored_from(*stored_image(chat, **form)))
    assert (found.result, found.unexplained) == (MATCHED, [])
    direct = {event.event_id for event in chat.events if event.receiver_id is not None}
    assert {one.event_id for one in found.differences if one.code == codes.DIRECT_STORED_ONLY} == direct
    assert found.missing == len(direct) + found.by_code[codes.WITHHELD_LIVE]


@settings(max_examples=40)
@given(chats(), st.data())
def test_what_was_not_saved_before_a_fail_over_is_expected_to_be_live_only(
    chat: InventedChat, data: DataObject
) -> None:
    assume(len(chat.events) > 6)
    at = data.draw(st.integers(4, len(chat.events) - 1))
    assume(chat.events[at].receiver_id is None)
    chat.lost = {event.event_id for event in chat.events[data.draw(st.integers(3, at)) : at]}
    failed_at = chat.events[at].event_id
    captured = captured_from(chat.events, version=chat.version, failed_at=failed_at)
    found = compared(captured, stored_from(*stored_image(chat)))
    assert found.unexplained == []


def test_ids_that_a_restoration_used_again_leave_an_unsaved_tail() -> None:
    sent = [*PLAIN[:-1], said(7, "lost in the fail-over")]
    restored = [*PLAIN[:-1], said(7, "said again", USERS[0]), *LEAVES]
    captured = captured_from([*sent, *restored[-2:]])
    found = compared(captured, stored_from(*stored_image(InventedChat(restored))))
    assert (found.result, found.unexplained) == (MATCHED, [])
    assert found.by_code[codes.UNSAVED_TAIL] == 1


def test_what_a_person_typed_that_only_begins_like_a_sealed_text_is_compared() -> None:
    captured = captured_from([*JOINS, said(3, "sealed:1: hello"), *LEAVES])
    captured[2]["unknownAttributes"] = {"a": "sealed:1: hello"}
    found = compared(captured, stored_from([*JOINS, said(3, "good bye"), *LEAVES]))
    assert codes.SEALED not in found.by_code
    assert [one.code for one in found.unexplained] == [codes.TEXT_CHANGED]


def test_what_is_sealed_is_not_compared_and_everything_else_is() -> None:
    seal = KnownDataKeys().seal_of(CHAT)
    captured = captured_from(PLAIN)
    for record in captured:
        if record["message"]:
            record["message"]["text"] = seal.seal("message.text", record["sequence"], record["message"]["text"])
        record["party"]["nickname"] = seal.seal("party.nickname", 0, "customer")
        record["userData"] = {path: seal.seal(f"userData.{path}", 1, text) for path, text in record["userData"].items()}
    stored = stored_from(*stored_image(InventedChat(PLAIN)))
    found = compared(captured, stored)
    assert (found.result, found.unexplained) == (MATCHED, [])
    assert found.by_code[codes.SEALED] == 5
    captured[2]["message"]["messageType"] = "other"
    assert [one.code for one in compared(captured, stored).unexplained] == [codes.FIELD_CHANGED]


def test_a_damaged_stored_transcript_explains_what_it_has_lost() -> None:
    def cut(text: bytes) -> bytes:
        return text[: text.index(b"good bye")]

    found = compared(captured_from(PLAIN), stored_from(*stored_image(InventedChat(PLAIN))[:1], change=cut))
    assert found.unexplained == []
    assert found.by_code[codes.STORED_DAMAGED]
    replaced = stored_from(*stored_image(InventedChat(PLAIN))[:1], change=lambda text: text.replace(b"g", b"\x0b"))
    assert compared(captured_from(PLAIN), replaced).unexplained == []


# --- each real difference ---------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(chats(), st.data())
def test_an_event_that_was_not_captured_is_found(chat: InventedChat, data: DataObject) -> None:
    lost = data.draw(st.sampled_from([one.event_id for one in carried(chat)]))
    captured = captured_from(chat.events, version=chat.version, unseen=frozenset((lost,)))
    found = compared(captured, stored_from(*stored_image(chat)))
    assert found.result == UNEXPLAINED
    assert [(one.code, one.event_id) for one in found.unexplained] == [(codes.EVENT_LOST, lost)]
    assert found.can_be_filled


@settings(max_examples=40)
@given(chats(), st.data())
def test_an_event_that_is_not_stored_is_found(chat: InventedChat, data: DataObject) -> None:
    events, change = stored_image(chat)
    lost = data.draw(st.sampled_from([one.event_id for one in carried(chat)]))
    rest = [one for one in events if one.event_id != lost]
    found = compared(captured_from(chat.events, version=chat.version), stored_from(rest, change))
    assert [(one.code, one.event_id) for one in found.unexplained] == [(codes.EVENT_NOT_STORED, lost)]


@settings(max_examples=40)
@given(chats(), st.data())
def test_a_text_that_was_changed_is_found(chat: InventedChat, data: DataObject) -> None:
    events, change = stored_image(chat, masks=True)
    texts = [at for at, one in enumerate(events) if one.message_text is not None and one.receiver_id is None]
    assume(texts)
    at = data.draw(st.sampled_from(texts))
    text = events[at].message_text
    assert text is not None
    events[at] = structs.replace(events[at], message_text=structs.replace(text, text=f"{text.text} and more"))
    found = compared(captured_from(chat.events, version=chat.version), stored_from(events, change))
    assert [(one.code, one.event_id) for one in found.unexplained] == [(codes.TEXT_CHANGED, events[at].event_id)]


@settings(max_examples=40)
@given(chats(), st.data())
def test_two_events_in_another_order_are_found(chat: InventedChat, data: DataObject) -> None:
    events, change = stored_image(chat)
    at = data.draw(st.integers(0, len(events) - 2))
    swapped = [*events[:at], events[at + 1], events[at], *events[at + 2 :]]
    found = compared(captured_from(chat.events, version=chat.version), stored_from(swapped, change))
    assert [(one.code, one.detail) for one in found.unexplained] == [(codes.ORDER, "stored")]
    first, second = events[at].event_id, events[at + 1].event_id
    exchanged = [
        *events[:at],
        structs.replace(events[at + 1], event_id=first),
        structs.replace(events[at], event_id=second),
        *events[at + 2 :],
    ]
    found = compared(captured_from(chat.events, version=chat.version), stored_from(exchanged, change))
    # Of two events that a monitor is not sent, such as direct messages, the stored side alone tells which came first.
    captured = any(one in carried(chat) for one in events[at : at + 2])
    assert found.result == (UNEXPLAINED if captured else MATCHED)


@settings(max_examples=40)
@given(chats(), st.integers(1, 3))
def test_ids_that_are_shifted_are_found(chat: InventedChat, by: int) -> None:
    events, change = stored_image(chat)
    shifted = [structs.replace(one, event_id=one.event_id + by) for one in events]
    found = compared(captured_from(chat.events, version=chat.version), stored_from(shifted, change))
    agreement = IdAgreement()
    agreement.take(found)
    assert found.result == UNEXPLAINED
    assert agreement.verdict == DIFFER
    assert found.shifted


@settings(max_examples=40)
@given(chats(), st.integers(0, 2))
def test_a_party_that_is_missing_is_found(chat: InventedChat, party: int) -> None:
    events, change = stored_image(chat)
    joined = events[party].event_id
    captured = captured_from(chat.events, version=chat.version, unseen=frozenset((joined,)))
    assert [one.event_id for one in compared(captured, stored_from(events, change)).unexplained] == [joined]
    rest = events[:party] + events[party + 1 :]
    found = compared(captured_from(chat.events, version=chat.version), stored_from(rest))
    assert joined in [one.event_id for one in found.unexplained]


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("user_id", USERS[2], codes.OTHER_EVENT),
        ("time_shift", 77, codes.OTHER_EVENT),
        ("visibility", "INT", codes.FIELD_CHANGED),
        ("receiver_id", USERS[0], codes.FIELD_CHANGED),
        ("message_text", MessageText("good morning", message_type="text"), codes.FIELD_CHANGED),
        ("message_text", MessageText("good evening"), codes.TEXT_CHANGED),
        ("message_text", MessageText("g*od m*rning"), codes.MASKED),
        ("message_text", MessageText("g*od"), codes.TEXT_CHANGED),
    ],
)
def test_each_attribute_that_differs_is_named(field: str, value: object, code: str) -> None:
    events = stored_image(InventedChat(PLAIN))[0]
    events[2] = structs.replace(events[2], **{field: value})
    found = compared(captured_from(PLAIN), stored_from(events))
    assert code in [one.code for one in found.differences if one.event_id == events[2].event_id]


def test_who_a_party_is_and_why_it_left_are_compared() -> None:
    events = stored_image(InventedChat(PLAIN))[0]
    events[1] = structs.replace(events[1], user_info=UserInfo("another", "AGENT", "7"))
    events[-1] = structs.replace(events[-1], reason=Reason(1, "closed"))
    found = compared(captured_from(PLAIN), stored_from(events))
    assert [(one.code, one.detail) for one in found.unexplained] == [
        (codes.FIELD_CHANGED, "party.nickname"),
        (codes.FIELD_CHANGED, "departure.reasonCode"),
    ]


def test_another_start_is_found() -> None:
    later = stored_from(stored_image(InventedChat(PLAIN))[0], lambda text: text.replace(b"T10:00:00Z", b"T11:00:00Z"))
    assert [one.code for one in compared(captured_from(PLAIN), later).unexplained] == [codes.START_AT]


def test_a_mask_over_the_captured_text_only_is_a_change() -> None:
    masked = [
        structs.replace(one, message_text=MessageText("card ****")) if one.event_id == 5 else one for one in PLAIN
    ]
    found = compared(captured_from(masked), stored_from(stored_image(InventedChat(PLAIN))[0]))
    assert [one.code for one in found.unexplained] == [codes.TEXT_CHANGED]


def test_a_file_that_nothing_says_was_deleted_is_no_amended_notice() -> None:
    chat = InventedChat([*JOINS, *LEAVES])
    upload = ChatEvent("notice", 5, USERS[0], 5, notice_text=NoticeText("SYS_COMMAND", "file-uploaded"))
    chat.events.insert(2, upload)
    events = stored_image(chat)[0]
    stored = stored_from(
        events,
        lambda text: text.replace(
            b"</notice>", b'<userData><item key="file-deleted" type="string">true</item></userData></notice>'
        ),
    )
    assert [one.code for one in compared(captured_from(chat.events), stored).unexplained] == [codes.FIELD_CHANGED]


# --- classes ----------------------------------------------------------------------------------------------------------


def test_what_a_gap_or_the_certificate_says_is_missing_can_be_filled() -> None:
    captured = captured_from([*PLAIN[:3], PLAIN[-1]])
    gap = {**captured[-1], "kind": "GAP", "eventId": None, "gap": {"fromEventId": 4, "toEventId": 8}}
    stored = stored_from(*stored_image(InventedChat(PLAIN)))
    chat = CapturedChat(CHAT, [*captured, gap], {"verdict": INCOMPLETE, "reasons": ["NOT_IN_REPLAY"]})
    found = compare_chat(chat, stored)
    assert (found.result, found.missing, found.unexplained) == (MISSING, 2, [])
    told = CapturedChat(CHAT, captured, {"verdict": INCOMPLETE, "reasons": ["EVENTS_LOST"]})
    assert compare_chat(told, stored).result == MISSING
    complete = CapturedChat(CHAT, captured, {"verdict": COMPLETE, "reasons": []})
    assert compare_chat(complete, stored).result == UNEXPLAINED


def test_a_chat_is_never_seen_not_stored_running_or_filled() -> None:
    stored = stored_from(*stored_image(InventedChat(PLAIN)))
    never = compare_chat(CapturedChat(CHAT, is_known=False), stored)
    assert (never.result, never.missing, never.unexplained) == (NEVER_SEEN, len(PLAIN) - 1, [])
    captured = captured_from(PLAIN)
    closed = {"verdict": COMPLETE, "reasons": []}
    assert compare_chat(CapturedChat(CHAT, captured, closed), None).result == NOT_STORED
    assert compare_chat(CapturedChat(CHAT, captured), None).result == RUNNING
    from_store = [{**one, "origin": "ARCHIVE"} if one["eventId"] == 3 else one for one in captured]
    assert compare_chat(CapturedChat(CHAT, from_store, closed), stored).result == FILLED


def test_a_site_whose_ids_agree_is_told_apart_from_one_of_which_nothing_is_known() -> None:
    agreement = IdAgreement()
    assert agreement.verdict == NOT_KNOWN
    agreement.take(compared(captured_from(PLAIN), stored_from(*stored_image(InventedChat(PLAIN)))))
    assert (agreement.verdict, agreement.agreeing, agreement.chats) == (AGREE, len(PLAIN) - 1, 1)


def test_a_row_without_a_text_is_never_seen_until_its_certificate_says_that_there_is_none() -> None:
    lacking = {"verdict": "INCOMPLETE", "reasons": [codes.NO_STORED_TEXT], "head": bytes(32)}
    unknown, told = CapturedChat(CHAT, is_known=False), CapturedChat(CHAT, (), lacking)
    for captured, over, expected in ((unknown, True, NEVER_SEEN), (told, True, NO_TEXT), (told, None, NO_TEXT)):
        found = compare_chat(captured, None, row_over=over)
        assert (found.result, dict(found.by_code)) == (expected, {codes.NO_STORED_TEXT: 1})
        assert not found.can_be_filled
    assert compare_chat(unknown, None, row_over=False).result == RUNNING


def test_a_chat_that_was_captured_does_not_lack_the_text_that_ucs_lacks() -> None:
    captured = captured_from(PLAIN)
    assert compare_chat(CapturedChat(CHAT, captured), None, row_over=True).result == RUNNING
    closed = {"verdict": COMPLETE, "reasons": [], "head": bytes(32)}
    assert compare_chat(CapturedChat(CHAT, captured, closed), None, row_over=True).result == NOT_STORED
