from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import AttributesTooDeep, UnreadableMessage
from bridge.records.avro import TRANSCRIPT_EVENT, Schemas, schema_folder
from bridge.records.chain import genesis, split
from bridge.records.normalise import ChatRecorder, Recording
from bridge.records.redactor import Redactor
from bridge.records.rules import Rule
from bridge.transcript import entries as kinds
from bridge.transcript.entries import Entry, Gap, Party, SessionFacts
from bridge.transcript.events import ChatEvent, Item, MessageText, NoticeText, Reason, UserInfo
from tests.records import reference
from tests.records.record_strategies import SESSION, entries, epochs, facts

SCHEMAS = Schemas(schema_folder())
RECORDING = Recording(SCHEMAS, Redactor())
FACTS = SessionFacts(SESSION, 1_930_000_000_000, "North", None, None, "chat-1:4800", 106)
VISITOR = Party("00A1000000000001", "Visitor", "CLIENT", "FLEX", "", 60, 106)


def entry(event: ChatEvent, kind: str = kinds.MESSAGE, **more: Any) -> Entry:
    return Entry(kind, 7, kinds.LIVE, 1_930_000_100_123_456, event, VISITOR, **more)


def recorded(one: Entry, about: SessionFacts = FACTS, rules: tuple[Rule, ...] = ()) -> dict[str, Any]:
    payload = ChatRecorder(SESSION, Recording(SCHEMAS, Redactor(rules))).event_record(one, about)
    return SCHEMAS.decode(TRANSCRIPT_EVENT, payload)


@given(st.lists(st.tuples(entries, facts), min_size=1, max_size=4), st.sampled_from([SESSION, "a:1~2%#"]), epochs)
def test_every_record_is_byte_for_byte_what_fastavro_writes_for_the_same_content(
    chat: list[tuple[Entry, SessionFacts]], session_id: str, epoch: int
) -> None:
    recorder = ChatRecorder(session_id, RECORDING, epoch=epoch)
    for one, drawn in [*chat, *chat]:  # the second round comes from the caches
        about = replace(drawn, session_id=session_id)
        previous = recorder.head
        expected = reference.event_bytes(reference.event(one, about, epoch), previous)
        assert recorder.event_record(one, about) == expected
        assert recorder.head == split(expected)[2]


@given(st.lists(st.tuples(entries, facts), min_size=1, max_size=4), epochs)
def test_what_a_record_has_like_those_of_other_outputs_may_come_from_any_of_them(
    chat: list[tuple[Entry, SessionFacts]], epoch: int
) -> None:
    masked = Recording(SCHEMAS, Redactor((Rule("mail", detector="email"),), typing_previews=False))
    other = ChatRecorder(SESSION, RECORDING, epoch=epoch)
    alone, beside = (ChatRecorder(SESSION, masked, epoch=epoch) for _ in range(2))
    for one, about in chat:
        blocks = other.blocks(one, about)
        assert beside.event_record(one, about, blocks) == alone.event_record(one, about)
        assert beside.blocks(one, about) == blocks


def test_a_restored_recorder_goes_on_where_the_chain_was() -> None:
    one = entry(ChatEvent("message", 3, message_text=MessageText("hello")))
    whole = ChatRecorder(SESSION, RECORDING)
    first = whole.event_record(one, FACTS)
    again = ChatRecorder(SESSION, RECORDING, split(first)[2])
    assert split(first)[1] == genesis(SESSION)
    assert again.event_record(one, FACTS) == whole.event_record(one, FACTS)


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (entry(ChatEvent("message", 12)), f"{SESSION}:12"),
        (entry(ChatEvent("message", 12), amendment=2), f"{SESSION}:12:2"),
        (Entry(kinds.RESUMED, 9, kinds.LIVE, 1), f"{SESSION}:~0.9"),
        (Entry(kinds.GAP, 10, kinds.LIVE, 1, gap=Gap(4, 6, None, "UNREADABLE")), f"{SESSION}:~0.10"),
    ],
)
def test_the_id_follows_the_rule_of_its_kind(one: Entry, expected: str) -> None:
    assert recorded(one)["id"] == expected


def test_an_amendment_names_the_record_it_amends_and_an_original_names_none() -> None:
    event = ChatEvent("message", 12)
    assert recorded(entry(event, amendment=2))["amends"] == f"{SESSION}:12"
    assert recorded(entry(event))["amends"] is None


@pytest.mark.parametrize(
    ("shift", "occurred"),
    [(0, 1_930_000_000_000), (90, 1_930_000_090_000), (-5, 1_929_999_995_000), (2**62, None), (-(2**62), None)],
)
def test_a_time_shift_beyond_the_calendar_is_kept_and_gives_no_time(shift: int, occurred: int | None) -> None:
    record = recorded(entry(ChatEvent("message", 1, time_shift=shift)))
    assert (record["timeShift"], record["occurredAt"]) == (shift, occurred)


def test_a_file_notice_says_which_file() -> None:
    data = [
        Item("file-name", "string", "order.pdf"),
        Item("file-size", "int", 20_481),
        Item("file-source", "string", "ucs"),
        Item("file-document-id", "string", "0000DOC000000001"),
        Item("file-id", "string", "00F1000000000001"),
    ]
    notice = ChatEvent("notice", 5, notice_text=NoticeText("SYS_COMMAND", "file-uploaded"), user_data=data)
    assert recorded(entry(notice, kinds.NOTICE))["file"] == {
        "fileId": "00F1000000000001",
        "name": "order.pdf",
        "size": 20_481,
        "source": "ucs",
        "documentId": "0000DOC000000001",
        "action": "file-uploaded",
    }


@pytest.mark.parametrize(("size", "number"), [("12", 12), ("big", None), ("9" * 30, None), ("²", None), ("", None)])
def test_a_file_size_that_is_no_number_is_null(size: str, number: int | None) -> None:
    notice = ChatEvent(
        "notice",
        5,
        notice_text=NoticeText("SYS_COMMAND", "file-uploaded"),
        user_data=[Item("file-size", "string", size)],
    )
    assert recorded(entry(notice, kinds.NOTICE))["file"]["size"] == number


def test_a_system_command_about_no_file_has_no_file() -> None:
    notice = ChatEvent("notice", 5, notice_text=NoticeText("SYS_COMMAND", "ucs-save"))
    assert recorded(entry(notice, kinds.NOTICE))["file"] is None


def test_a_departure_tells_both_codes() -> None:
    attributes = [Item("GCTI_SYSTEM", "kvlist", [Item("quit-reason-code", "string", "7")])]
    event = ChatEvent(
        "partyLeft",
        8,
        asker_id="00A1000000000002",
        reason=Reason(4, "removed by other party"),
        event_attributes=attributes,
    )
    assert recorded(entry(event, kinds.PARTY_LEFT))["departure"] == {
        "askerId": "00A1000000000002",
        "reasonCode": 4,
        "reasonText": "removed by other party",
        "quitReasonCode": 7,
    }


def test_a_greeting_that_comes_with_a_join_is_a_message_of_that_record() -> None:
    event = ChatEvent("newParty", 1, user_info=UserInfo("Visitor"), message_text=MessageText("good morning"))
    assert recorded(entry(event, kinds.PARTY_JOINED))["message"]["text"] == "good morning"


def test_an_event_type_nobody_knows_keeps_its_word() -> None:
    record = recorded(entry(ChatEvent("whisper", 4, unknown_attributes={"volume": "low"}), kinds.UNKNOWN))
    assert record["kind"] == "UNKNOWN"
    assert record["unknownAttributes"] == {"volume": "low", "eventType": "whisper"}


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (ChatEvent("message", 1, time_shift=2**63), "64 bits"),
        (ChatEvent("partyLeft", 1, reason=Reason(-(2**63) - 1, "")), "64 bits"),
        (ChatEvent("message", 1, message_text=MessageText("broken \ud83d")), "Unicode"),
    ],
)
def test_what_avro_cannot_hold_is_refused_and_the_chain_stays_where_it_was(event: ChatEvent, says: str) -> None:
    recorder = ChatRecorder(SESSION, RECORDING)
    with pytest.raises(UnreadableMessage, match=says):
        recorder.event_record(entry(event), FACTS)
    assert recorder.head == genesis(SESSION)


def test_attributes_nested_too_deep_are_refused_and_the_chain_stays_where_it_was() -> None:
    nested: list[Item] = []
    for _ in range(70):
        nested = [Item("k", "kvlist", nested)]
    recorder = ChatRecorder(SESSION, RECORDING)
    with pytest.raises(AttributesTooDeep):
        recorder.event_record(entry(ChatEvent("newParty", 1, user_data=nested)), FACTS)
    assert recorder.head == genesis(SESSION)


def test_a_flood_of_parties_is_not_remembered_without_limit() -> None:
    recorder = ChatRecorder(SESSION, RECORDING)
    for number in range(1000):
        recorder.event_record(
            Entry(kinds.MESSAGE, number + 1, kinds.LIVE, 1, ChatEvent("message", number + 1), Party(f"{number:016x}")),
            FACTS,
        )
    assert recorder._parties is not None
    assert len(recorder._parties._parties) <= 16


def test_a_party_that_changed_its_nickname_is_shown_with_the_new_one() -> None:
    recorder = ChatRecorder(SESSION, RECORDING)
    names = []
    for name in ("Visitor", "Nora", "Nora"):
        one = Entry(kinds.MESSAGE, 1, kinds.LIVE, 1, ChatEvent("message", 1), Party("00A1", name))
        names.append(SCHEMAS.decode(TRANSCRIPT_EVENT, recorder.event_record(one, FACTS))["party"]["nickname"])
    assert names == ["Visitor", "Nora", "Nora"]


def test_a_nickname_that_is_shown_as_another_was_redacted_is_none_that_was_redacted() -> None:
    recorder = ChatRecorder(SESSION, Recording(SCHEMAS, Redactor((Rule("mail", detector="email"),))))
    told = []
    for name in ("ada@example.org", "*" * len("ada@example.org"), "ada@example.org"):
        one = Entry(kinds.MESSAGE, 1, kinds.LIVE, 1, ChatEvent("message", 1), Party("00A1", name))
        record = SCHEMAS.decode(TRANSCRIPT_EVENT, recorder.event_record(one, FACTS))
        told.append((record["party"]["nickname"], len(record["redactions"])))
    assert told == [("***************", 1), ("***************", 0), ("***************", 1)]


@pytest.mark.parametrize("redacted_first", [False, True])
def test_a_party_that_cannot_be_recorded_changes_nothing_of_what_was_redacted_before(redacted_first: bool) -> None:
    recorder = ChatRecorder(SESSION, Recording(SCHEMAS, Redactor((Rule("mail", detector="email"),))))
    first, second = ("ada@example.org", "Ada") if redacted_first else ("Ada", "ada@example.org")
    for party in (Party("00A1", first), Party("00A1", second, time_zone_offset=1 << 70), Party("00A1", first)):
        one = Entry(kinds.MESSAGE, 1, kinds.LIVE, 1, ChatEvent("message", 1), party)
        with pytest.raises(UnreadableMessage) if party.time_zone_offset else contextlib.nullcontext():
            record = SCHEMAS.decode(TRANSCRIPT_EVENT, recorder.event_record(one, FACTS))
            assert len(record["redactions"]) == len(recorder.redacted) == redacted_first


def test_a_party_that_changes_its_nickname_again_and_again_is_remembered_once() -> None:
    recorder = ChatRecorder(SESSION, Recording(SCHEMAS, Redactor((Rule("mail", detector="email"),))))
    for number in range(1000):
        name = f"{number} ada@example.org"
        one = Entry(kinds.MESSAGE, number + 1, kinds.LIVE, 1, ChatEvent("message", number + 1), Party("00A1", name))
        recorder.event_record(one, FACTS)
    known = recorder._parties
    assert known is not None
    assert (len(known._parties), len(known._blocks), len(known._done)) == (1, 1, 1)


def test_headers_are_those_of_a_cloud_event_in_binary_mode() -> None:
    recorder = ChatRecorder(SESSION, Recording(SCHEMAS, Redactor(), "north", "bridge-2"))
    one = entry(ChatEvent("message", 12, time_shift=61))
    assert dict(recorder.blocks(one, FACTS).headers) == {
        "ce_specversion": b"1.0",
        "ce_id": b"0000TEST00000001:12",
        "ce_source": b"/chatbridge/north/bridge-2",
        "ce_type": b"org.chatbridge.v1.TranscriptEvent.MESSAGE",
        "ce_subject": b"0000TEST00000001",
        "ce_time": b"2031-02-27T23:07:41Z",
        "content-type": b"application/avro",
    }


def test_a_record_without_a_time_of_its_own_is_headed_by_when_it_was_observed() -> None:
    recorder = ChatRecorder(SESSION, RECORDING)
    headers = dict(recorder.blocks(Entry(kinds.RESUMED, 2, kinds.LIVE, 1_930_000_100_123_456), FACTS).headers)
    assert headers["ce_time"] == b"2031-02-27T23:08:20.123456Z"
    assert headers["ce_id"] == b"0000TEST00000001:~0.2"


def test_what_a_rule_took_out_of_a_party_is_told_on_every_record_that_shows_the_party() -> None:
    recorder = ChatRecorder(SESSION, Recording(SCHEMAS, Redactor((Rule("mail", detector="email"),))))
    party = Party("00A1", "nora@example.org")
    for number in (1, 2):
        one = Entry(kinds.MESSAGE, number, kinds.LIVE, 1, ChatEvent("message", number), party)
        record = SCHEMAS.decode(TRANSCRIPT_EVENT, recorder.event_record(one, FACTS))
        assert record["party"]["nickname"] == "*" * 16
        assert record["redactions"] == [{"field": "party.nickname", "rule": "mail", "count": 1, "earlier": []}]


def test_a_file_name_that_a_rule_took_out_of_user_data_does_not_come_back_in_the_file() -> None:
    notice = ChatEvent(
        "notice",
        5,
        notice_text=NoticeText("SYS_COMMAND", "file-uploaded"),
        user_data=[Item("file-name", "string", "passport-of-nora.png")],
    )
    record = recorded(entry(notice, kinds.NOTICE), rules=(Rule("names", attribute="file-name", action="drop"),))
    assert record["file"]["name"] is None
    assert b"passport" not in repr(record).encode()


def test_texts_of_all_kinds_go_through_the_detectors() -> None:
    event = ChatEvent(
        "partyLeft",
        3,
        message_text=MessageText("a@example.org"),
        notice_text=NoticeText("USER_CUSTOM", "b@example.org"),
        reason=Reason(None, "c@example.org"),
        user_data=[Item("x", "string", "d@example.org")],
        event_attributes=[Item("y", "string", "e@example.org")],
        unknown_attributes={"z": "f@example.org"},
    )
    record = recorded(entry(event, kinds.PARTY_LEFT), rules=(Rule("mail", detector="email"),))
    assert "example" not in repr(record)
    assert {redaction["field"] for redaction in record["redactions"]} == {
        "message.text",
        "notice.text",
        "departure.reasonText",
        "userData.x",
        "eventAttributes.y",
        "unknownAttributes.z",
    }
