"""What rules do beyond their finds: lists of what is allowed, forms of masks, keys that change, versions of the set."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bridge.errors import ConfigError
from bridge.records.avro import SESSION_RECORD, TRANSCRIPT_EVENT, Schemas, schema_folder
from bridge.records.normalise import ChatRecorder, Recording
from bridge.records.pseudonyms import HashKey, pseudonym
from bridge.records.redacted_input import redacted_input
from bridge.records.redactor import Redaction, Redactor
from bridge.records.rules import NOT_ALLOWED, TYPING_PREVIEW, Rule
from bridge.records.secret_names import SECRET
from bridge.records.session_records import OPENED
from bridge.transcript import entries as kinds
from bridge.transcript.entries import Entry, Party, SessionFacts
from bridge.transcript.events import ChatEvent, Item, MessageText, NoticeText, Reason
from tests.records.record_strategies import SESSION

SCHEMAS = Schemas(schema_folder())
FACTS = SessionFacts(SESSION)
MAIL = "nora@example.org"
OLD, NEW = HashKey("2030", b"o" * 16), HashKey("2031", b"n" * 16)
HASHED = Rule("mail", detector="email", action="hash")


def allow(attribute: str, **more: Any) -> Rule:
    return Rule(f"allow-{attribute}", attribute=attribute, action="allow", **more)


def kept(redactor: Redactor, group: str, items: list[Item]) -> tuple[dict[str, str], dict[str, str], list[Redaction]]:
    done: list[Redaction] = []
    return *redactor.items(group, items, done), done


# --- allow-lists ------------------------------------------------------------------------------------------------------

ITEMS = [
    Item("Product", "string", "shoes"),
    Item("FirstName", "string", "Nora"),
    Item("Customer", "odd", [Item("City", "int", 7), Item("Street", "string", "Long Lane")]),
    Item("Nora's list", "odd", [Item("x", "string", "1")]),
]


def test_of_attributes_those_stay_that_an_allow_rule_names_and_of_others_not_even_the_keys() -> None:
    redactor = Redactor([allow("Product"), allow("Customer.City")])
    values, types, done = kept(redactor, "userData", ITEMS)
    assert values == {"Product": "shoes", "Customer.City": "7"}
    assert types == {"Customer.City": "int", "Customer": "odd"}
    assert [(each.field, each.rule) for each in done] == [
        ("userData.FirstName", NOT_ALLOWED),
        ("userData.Customer.Street", NOT_ALLOWED),
        ("userData.Nora's list.x", NOT_ALLOWED),
    ]
    assert redactor.action_of(NOT_ALLOWED) == "drop"


def test_an_allow_rule_makes_a_list_of_its_group_only_and_without_one_of_all_groups() -> None:
    only = Redactor([allow("Product", group="userData")])
    assert list(kept(only, "userData", ITEMS[:2])[0]) == ["Product"]
    assert list(kept(only, "eventAttributes", ITEMS[:2])[0]) == ["Product", "FirstName"]
    assert only.unknown({"FirstName": "x"}, []) == {"FirstName": "x"}
    everywhere = Redactor([allow("Product")])
    assert list(kept(everywhere, "eventAttributes", ITEMS[:2])[0]) == ["Product"]
    assert everywhere.unknown({"FirstName": "x", "Product": "y"}, []) == {"Product": "y"}


def test_what_is_allowed_is_still_under_the_other_rules_and_no_secret_can_be_allowed() -> None:
    rules = [allow("*"), Rule("names", attribute="*Name", action="drop"), Rule("mail", detector="email")]
    items = [*ITEMS[:2], Item("Note", "string", MAIL), Item("SecureKey", "string", "x")]
    values, _, done = kept(Redactor(rules), "userData", items)
    assert values == {"Product": "shoes", "Note": "*" * len(MAIL)}
    assert {each.rule for each in done} == {SECRET, "names", "mail"}


def test_a_rule_of_one_group_leaves_the_others() -> None:
    redactor = Redactor([Rule("names", attribute="FirstName", action="drop", group="eventAttributes")])
    assert kept(redactor, "userData", ITEMS[1:2])[0] == {"FirstName": "Nora"}
    assert kept(redactor, "eventAttributes", ITEMS[1:2])[0] == {}


def test_no_letter_of_unreadable_input_is_left_under_an_allow_list() -> None:
    raw = b'{"userData": [{"key": "FirstName", "value": "Nora"}'
    masked, done = redacted_input(raw, Redactor([allow("Product")]))
    assert not any(chr(byte).isalnum() for byte in masked)
    assert done == [Redaction("bytes", NOT_ALLOWED, 1)]


# --- masks ------------------------------------------------------------------------------------------------------------


def test_a_fixed_mask_does_not_show_the_length() -> None:
    rules = [Rule("mail", detector="email", mask="fixed"), Rule("name", attribute="FirstName", mask="fixed")]
    done: list[Redaction] = []
    redactor = Redactor(rules)
    assert redactor.text("message.text", f"from {MAIL} to n{MAIL}", done) == "from *** to ***"
    assert done == [Redaction("message.text", "mail", 2)]
    assert kept(redactor, "userData", ITEMS[1:2])[0] == {"FirstName": "***"}


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (Rule("r", detector="email", action="drop", mask="fixed"), "mask goes with"),
        (Rule("r", detector="email", action="allow"), "needs an attribute"),
        (Rule("r", detector="email", group="userData"), "group goes with"),
        (Rule("secret", detector="email"), "of its own"),
        (Rule("not_allowed", detector="email"), "of its own"),
        (Rule("typing_preview", detector="email"), "of its own"),
    ],
)
def test_what_contradicts_itself_is_no_rule(rule: Rule, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Redactor([rule])


# --- keys -------------------------------------------------------------------------------------------------------------


def entry(event: ChatEvent, party: Party | None = None) -> Entry:
    return Entry(kinds.NOTICE, 1, kinds.LIVE, 1, event, party)


def recorded(recorder: ChatRecorder, one: Entry) -> dict[str, Any]:
    return SCHEMAS.decode(TRANSCRIPT_EVENT, recorder.event_record(one, FACTS))


def test_a_pseudonym_names_its_key_and_equal_values_have_equal_ones() -> None:
    assert pseudonym(OLD, MAIL) == pseudonym(OLD, MAIL)
    assert pseudonym(OLD, MAIL).startswith("2030:")
    assert pseudonym(OLD, MAIL).partition(":")[2] != pseudonym(NEW, MAIL).partition(":")[2]
    assert pseudonym(HashKey(None, OLD.key), MAIL) == pseudonym(OLD, MAIL).partition(":")[2]


def test_from_the_next_record_on_a_new_key_makes_all_pseudonyms_and_the_record_says_so() -> None:
    redactor = Redactor([HASHED], OLD)
    recorder = ChatRecorder(SESSION, Recording(SCHEMAS, redactor))
    one = entry(
        ChatEvent("notice", 1, notice_text=NoticeText("USER_CUSTOM", MAIL), user_data=[Item(MAIL, "string", MAIL)]),
        Party("00A1", MAIL),
    )
    before = recorded(recorder, one)
    redactor.take_key(NEW)
    after = recorded(recorder, one)
    for record, key in ((before, OLD), (after, NEW)):
        shown = pseudonym(key, MAIL)
        assert record["notice"]["text"] == record["party"]["nickname"] == shown
        assert record["userData"] == {shown: shown}
    assert before["ruleSet"] != after["ruleSet"]


# --- versions ---------------------------------------------------------------------------------------------------------


def test_every_part_of_a_rule_changes_the_version_of_the_set_and_so_do_order_and_key() -> None:
    one, two = Rule("a", attribute="x"), Rule("b", detector="regex", pattern="y")
    sets: list[Redactor] = [
        Redactor([one]),
        Redactor([one, two]),
        Redactor([two, one]),
        Redactor([replace(one, name="c")]),
        Redactor([replace(one, attribute="z")]),
        Redactor([replace(one, action="drop")]),
        Redactor([replace(one, mask="fixed")]),
        Redactor([replace(one, group="userData")]),
        Redactor([replace(two, pattern="z")]),
        Redactor([one], typing_previews=False),
        Redactor([HASHED], OLD),
        Redactor([HASHED], NEW),
        Redactor([HASHED], HashKey(OLD.id, NEW.key)),
        Redactor(typing_previews=False),
    ]
    versions = [each.rule_set for each in sets]
    assert len(set(versions)) == len(sets)
    assert all(version is not None and len(version) == 12 for version in versions)


def test_the_version_is_that_of_the_rules_alone() -> None:
    assert Redactor().rule_set is None
    assert Redactor([Rule("a", attribute="x")], OLD).rule_set == Redactor([Rule("a", attribute="x")]).rule_set


def test_every_record_names_the_version_gaps_and_sessions_too() -> None:
    redactor = Redactor([HASHED], OLD)
    recorder = ChatRecorder(SESSION, Recording(SCHEMAS, redactor))
    session = SCHEMAS.decode(SESSION_RECORD, recorder.session_record(OPENED, FACTS, 7))
    resumed = recorded(recorder, Entry(kinds.RESUMED, 1, kinds.LIVE, 1))
    assert session["ruleSet"] == resumed["ruleSet"] == redactor.rule_set
    plain = ChatRecorder(SESSION, Recording(SCHEMAS, Redactor()))
    assert recorded(plain, Entry(kinds.RESUMED, 1, kinds.LIVE, 1))["ruleSet"] is None


# --- typing previews --------------------------------------------------------------------------------------------------

HALF = "4111 1111"


def typed(notice_type: str = "TYPING_STARTED", event_type: str = "notice") -> ChatEvent:
    return ChatEvent(
        event_type,
        3,
        message_text=MessageText(HALF),
        notice_text=NoticeText(notice_type, HALF),
        reason=Reason(None, HALF),
        user_data=[Item("preview", "string", HALF)],
        event_attributes=[Item("preview", "string", HALF)],
        unknown_attributes={"preview": HALF},
    )


@pytest.mark.parametrize(
    "event", [typed(), typed("TYPING_STOPPED"), typed("userTypingPreview"), typed("", "typingStarted")]
)
def test_where_previews_are_dropped_a_typing_notice_says_who_types_and_nothing_else(event: ChatEvent) -> None:
    recorder = ChatRecorder(SESSION, Recording(SCHEMAS, Redactor(typing_previews=False)))
    record = recorded(recorder, entry(event, Party("00A1", "Nora")))
    assert HALF not in json.dumps(record, default=str)
    assert record["party"]["nickname"] == "Nora"
    assert {(each["field"], each["rule"], each["count"]) for each in record["redactions"]} == {
        (field, TYPING_PREVIEW, 1)
        for field in (
            "message.text",
            "notice.text",
            "departure.reasonText",
            "userData",
            "eventAttributes",
            "unknownAttributes",
        )
    }


def test_typing_without_a_preview_is_recorded_as_it_is_and_so_are_other_notices() -> None:
    recorder = ChatRecorder(SESSION, Recording(SCHEMAS, Redactor(typing_previews=False)))
    assert (
        recorded(recorder, entry(ChatEvent("notice", 1, notice_text=NoticeText("TYPING_STARTED"))))["redactions"] == []
    )
    assert recorded(recorder, entry(typed("USER_CUSTOM")))["notice"]["text"] == HALF


def test_previews_are_kept_where_they_are_not_dropped() -> None:
    recorder = ChatRecorder(SESSION, Recording(SCHEMAS, Redactor()))
    assert recorded(recorder, entry(typed()))["notice"]["text"] == HALF


def test_unreadable_input_about_typing_is_masked_where_previews_are_dropped() -> None:
    raw = json.dumps({"noticeType": "TYPING_STARTED", "text": HALF})[:-1].encode()
    assert redacted_input(raw, Redactor()) == (raw, [])
    masked, done = redacted_input(raw, Redactor(typing_previews=False))
    assert b"4" not in masked
    assert done == [Redaction("bytes", TYPING_PREVIEW, 1)]
