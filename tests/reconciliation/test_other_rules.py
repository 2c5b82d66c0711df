"""A chat that was captured under other rules or another key than those of today: only what no rule changed counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.reconciliation import differences as codes
from bridge.reconciliation.comparison import MATCHED
from bridge.records.avro import Schemas, schema_folder
from bridge.records.later_texts import texts_of
from bridge.records.normalise import Recording
from bridge.records.pseudonyms import HashKey
from bridge.records.redactor import Redactor
from bridge.records.rules import Rule
from bridge.transcript.events import ChatEvent, Item, MessageText, Reason, UserInfo
from tests.reconciliation import both_sides
from tests.reconciliation.both_sides import USERS, captured_from, compared, stored_from

if TYPE_CHECKING:
    import pytest

MAIL = "nora@example.org"
RULES = [Rule("mail", detector="email", action="hash"), Rule("order", attribute="order", action="hash")]
OLD, NEW = HashKey("2030", b"o" * 16), HashKey("2031", b"n" * 16)
DATA = [Item("order", "int", 7), Item(MAIL, "string", MAIL)]
CHAT = [
    ChatEvent("newParty", 1, USERS[0], user_info=UserInfo(MAIL, "CLIENT"), user_data=DATA),
    ChatEvent("message", 2, USERS[0], 1, message_text=MessageText(f"write to {MAIL}")),
    ChatEvent("message", 3, USERS[0], 1, message_text=MessageText("good bye")),
    ChatEvent("partyLeft", 4, USERS[0], 2, reason=Reason(None, f"to {MAIL}")),
]


def under(patch: pytest.MonkeyPatch, redactor: Redactor) -> None:
    patch.setattr(both_sides, "RECORDING", Recording(Schemas(schema_folder()), redactor))


def test_what_rules_have_changed_is_not_compared_under_other_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    under(monkeypatch, Redactor(RULES, OLD))
    captured = captured_from(CHAT)
    for redactor in (Redactor(RULES, NEW), Redactor(RULES[:1], OLD), Redactor()):
        under(monkeypatch, redactor)
        found = compared(captured, stored_from(CHAT))
        assert (found.result, found.unexplained) == (MATCHED, [])
        assert found.by_code[codes.OTHER_RULES] >= 1


def test_what_no_rule_has_changed_is_compared_under_other_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    under(monkeypatch, Redactor(RULES, OLD))
    captured = captured_from(CHAT)
    captured[2]["message"]["text"] = "good morning"
    under(monkeypatch, Redactor(RULES, NEW))
    assert [one.code for one in compared(captured, stored_from(CHAT)).unexplained] == [codes.TEXT_CHANGED]


def test_under_the_same_rules_everything_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    under(monkeypatch, Redactor(RULES, OLD))
    captured = captured_from(CHAT)
    assert compared(captured, stored_from(CHAT)).differences == []
    captured[1]["message"]["text"] = "write to 2030:0000000000000000"
    assert [one.code for one in compared(captured, stored_from(CHAT)).unexplained] == [codes.TEXT_CHANGED]


def test_a_number_over_several_messages_is_compared_as_it_was_redacted(monkeypatch: pytest.MonkeyPatch) -> None:
    actions: list[Any] = ["mask", "drop"]
    for action in actions:
        under(monkeypatch, Redactor([Rule("cards", detector="payment_card", action=action)]))
        halves = ("it is 4111 1111", "1111 1111, please")
        chat = [
            *CHAT[:1],
            *(
                ChatEvent("message", at, USERS[0], 1, message_text=MessageText(half))
                for at, half in enumerate(halves, 2)
            ),
        ]
        first = {"mask": "it is *********", "drop": "it is "}[action]
        for later, text in ((texts_of(chat), first), ({}, halves[0])):
            captured = captured_from(chat, later=later)
            assert captured[1]["message"]["text"] == text
            assert compared(captured, stored_from(chat, captured=captured)).differences == []
        changed = captured_from(chat)
        changed[1]["message"]["text"] = "it is 4111 1112"
        found = compared(changed, stored_from(chat, captured=changed))
        assert [one.code for one in found.unexplained] == [codes.TEXT_CHANGED]
