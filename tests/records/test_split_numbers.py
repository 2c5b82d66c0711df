"""A card or an IBAN over several messages of one party: what completes it is masked, and names the records before."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.records.avro import TRANSCRIPT_EVENT
from bridge.records.normalise import ChatRecorder, Recording
from bridge.records.redactor import Redactor
from bridge.records.rules import Rule
from bridge.records.split_numbers import MOST_NUMBERS
from bridge.transcript import entries as kinds
from bridge.transcript.entries import Entry
from bridge.transcript.events import ChatEvent, MessageText
from tests.detection.invented_cards import card, iban
from tests.records.record_strategies import SESSION
from tests.records.test_normalise import FACTS, SCHEMAS

if TYPE_CHECKING:
    from random import Random

CARDS: Final = Rule("cards", detector="payment_card")
IBANS: Final = Rule("accounts", detector="iban")
ALICE: Final = "00A1"
BORIS: Final = "00A2"


class Told:
    """The records of one chat in one output with rules about cards and IBANs."""

    def __init__(self, *rules: Rule) -> None:
        self.recorder = ChatRecorder(SESSION, Recording(SCHEMAS, Redactor(rules or (CARDS, IBANS))))
        self.last = 0

    def say(self, text: str, user_id: str = ALICE, event_id: int | None = None, **more: Any) -> dict[str, Any]:
        """Record a message, the next one if no id is given."""
        self.last = max(self.last + 1, event_id or 0)
        event = ChatEvent("message", event_id or self.last, user_id, message_text=MessageText(text))
        entry = Entry(kinds.MESSAGE, self.last, kinds.LIVE, 1, event, **more)
        return SCHEMAS.decode(TRANSCRIPT_EVENT, self.recorder.event_record(entry, FACTS))

    def texts(self, *texts: str) -> list[str]:
        """Record messages of one party; return what is published of them."""
        return [self.say(text)["message"]["text"] for text in texts]


def completed(rule: str, *records: str) -> list[dict[str, Any]]:
    return [{"field": "message.text", "rule": rule, "count": 1, "earlier": [f"{SESSION}:{one}" for one in records]}]


@pytest.mark.parametrize(
    ("texts", "last"),
    [
        (["my card: 4111 1111", "1111 1111 thanks"], "********* thanks"),
        (["4111", "1111", "1111", "1111 12/28 123"], "**** 12/28 123"),
        (["4111111", "111111111"], "*********"),
        (["4111-11", "11-1111-1111"], "************"),
        (["4111 11", "11 1111 1111 12/28"], "************ 12/28"),
        (["first 4111\u00a01111 ...", "and then \uff11\uff11\uff11\uff11 1111"], "and then *********"),
        (["4111 1111 is the first half", "1111 1111"], "*********"),
        (["3782 822463", "10005"], "*****"),
        (["41 11 11", "11.11-11-11 11"], "**************"),
        (["DE89 3704 0044", "0532 0130 00, ok?"], "************, ok?"),
        (["DE89", "370400440532013000"], "*" * 18),
        (["my iban is gb82 west 1234", "5698 7654 32"], "************"),
    ],
)
def test_what_completes_a_number_is_masked(texts: list[str], last: str) -> None:
    assert Told().texts(*texts) == [*texts[:-1], last]


@pytest.mark.parametrize(
    "texts",
    [
        ["4111 1111", "1111 1112"],  # no card
        ["4111 1111", "hm", "1111 1111"],  # not consecutive
        ["my order number is 4111 1111", "1111 1111"],
        ["4111 1111", "order 1111 1111"],
        ["9111 1111", "1111 1111"],  # no issuer
        ["4111 1111 is what I was given by the clerk at your desk", "1111 1111"],
        ["it was 4111 1111", "1111 1111.5 EUR"],
        ["DE89 3704 0044", "0532 0130 01"],
        ["AB4111 1111 x", "1"],
    ],
)
def test_other_messages_stay_as_they_are(texts: list[str]) -> None:
    assert Told().texts(*texts) == texts


def test_the_redaction_names_every_earlier_record() -> None:
    told = Told()
    assert [told.say(text)["redactions"] for text in ("DE89 3704", "0044 0532", "0130 00")] == [
        [],
        [],
        completed("accounts", "1", "2"),
    ]


def test_messages_of_others_may_stand_between_and_complete_nothing() -> None:
    told = Told()
    told.say("4111 1111")
    assert told.say("1111 1111", BORIS)["message"]["text"] == "1111 1111"
    assert told.say("1111 1111")["redactions"] == completed("cards", "1")


@pytest.mark.parametrize(("action", "said"), [("drop", " thanks"), ("mask", "********* thanks")])
def test_the_action_is_that_of_the_rule(action: Any, said: str) -> None:
    assert Told(replace(CARDS, action=action)).texts("4111 1111", "1111 1111 thanks")[1] == said


def test_an_output_without_a_rule_about_such_numbers_remembers_nothing() -> None:
    told = Told(Rule("mail", detector="email"))
    assert told.texts("4111 1111", "1111 1111") == ["4111 1111", "1111 1111"]
    assert told.recorder.numbers == ()


def test_a_rule_about_one_kind_of_number_is_not_one_about_another() -> None:
    assert Told(CARDS).texts("DE89 3704 0044", "0532 0130 00") == ["DE89 3704 0044", "0532 0130 00"]


def test_a_message_that_completed_a_number_is_masked_when_it_is_told_again() -> None:
    told = Told()
    told.texts("4111 1111", "1111 1111", "was it right?")
    again = told.say("1111 1111!", event_id=2, amendment=1)
    assert (again["message"]["text"], again["redactions"]) == ("*********!", completed("cards", "1"))


def test_an_earlier_message_that_is_told_again_or_later_ends_no_number() -> None:
    told = Told()
    told.texts("hi", "4111 1111")
    told.say("hello", event_id=1, amendment=1)
    told.say("missed", event_id=1, fills=1)
    assert told.say("1111 1111")["redactions"] == completed("cards", "2")


def test_a_hole_that_is_filled_with_both_parts_has_the_second_one_masked() -> None:
    told = Told()
    told.say("4111 1111", event_id=9)
    told.say("5500 0000", event_id=3, fills=1)
    assert told.say("0000 0004", event_id=4, fills=1)["redactions"] == completed("cards", "3")
    assert told.say("1111 1111", event_id=10)["redactions"] == completed("cards", "9")


def test_an_id_that_is_used_again_is_named_as_its_record_is() -> None:
    told = Told()
    told.say("hello", event_id=1)
    first = told.say("4111 1111", event_id=1, amendment=1, reused=True)
    assert told.say("1111 1111", event_id=2)["redactions"][0]["earlier"] == [first["id"]]


def test_a_recorder_that_goes_on_with_what_is_remembered_does_what_the_first_one_would_have_done() -> None:
    told, restarted = Told(), Told()
    told.texts("4111 1111")
    restarted.recorder.head, restarted.recorder.numbers, restarted.last = told.recorder.head, told.recorder.numbers, 1
    assert restarted.say("1111 1111") == told.say("1111 1111")


def test_what_cannot_be_recorded_changes_nothing() -> None:
    told = Told()
    told.say("4111 1111")
    before = told.recorder.numbers
    with pytest.raises(Exception, match="no Unicode"):
        told.say("1111 \ud800")
    assert told.recorder.numbers == before


def test_what_is_remembered_has_a_limit() -> None:
    told = Told()
    for number in range(3 * MOST_NUMBERS):
        told.say("4111 1111", f"00B{number}")
    told.say("4111 1111", "x" * 10_000)
    assert len(told.recorder.numbers) == MOST_NUMBERS
    assert told.say("1111 1111", f"00B{3 * MOST_NUMBERS - 1}")["redactions"] != []


def test_what_is_remembered_is_not_what_was_said() -> None:
    told = Told()
    told.texts("4539 1488 0343 64", "ok")
    told.texts("DE89 3704 0044 05", "")
    told.say("4539 1488 0343")
    told.say("GB82 WEST 12 NORTH", BORIS)
    kept = [number.stand_in.replace(" ", "") for number in told.recorder.numbers]
    assert [one[:4] for one in kept] == ["4539", "GB82"]
    assert [len(one) for one in kept] == [12, 15]
    assert not any("14880343" in one or "WEST" in one or "12NORTH" in one for one in kept)


@given(st.randoms(use_true_random=False), st.data())
def test_a_card_is_found_wherever_it_is_divided(draw: Random, data: st.DataObject) -> None:
    number = card(draw)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(number) - 1), min_size=1, max_size=4)))
    parts = [number[start:end] for start, end in zip([0, *cuts], [*cuts, len(number)], strict=True)]
    published = Told().texts(*parts)
    assert "".join(published) != number
    assert "".join(published[:-1]) + parts[-1] == number or "*" in "".join(published[:-1])


@given(st.randoms(use_true_random=False), st.sampled_from(["en", "de", "fr", "es"]), st.data())
def test_an_iban_is_found_wherever_it_is_divided_behind_its_check_digits(
    draw: Random, language: str, data: st.DataObject
) -> None:
    number = iban(draw, language)
    cut = data.draw(st.integers(4, len(number) - 1))
    rest = number[cut:]
    published = Told(IBANS).texts(number[:cut], rest)
    assert published == [number[:cut], "*" * len(rest)]


@given(st.lists(st.text(alphabet="40123456789DEGB .,-/*x\u00a0\u200b&#;\n", max_size=200), max_size=6))
def test_any_texts_are_recorded(texts: list[str]) -> None:
    assert len(Told().texts(*texts)) == len(texts)
