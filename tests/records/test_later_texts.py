"""A number over several messages of which the later ones are known already: every part is masked, and none is named."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bridge.records.later_texts import LaterText
from bridge.records.rules import Rule
from tests.detection.invented_cards import card, iban, with_check_digit
from tests.integration.planted_values import found_in
from tests.records.test_split_numbers import ALICE, BORIS, CARDS, IBANS, Told, completed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

SHORTEST_CARD: Final = 12


def told_ahead(texts: list[str], known: int | None = None, *rules: Rule) -> list[dict[str, Any]]:
    """Record messages of one party, each when so many of the next ones are known, by default all of them."""
    told = Told(*rules)
    records = []
    for number, text in enumerate(texts, 1):
        until = len(texts) if known is None else number + known
        later = [LaterText(at, one) for at, one in enumerate(texts[:until], 1)]
        told.recorder.later = {ALICE: later, BORIS: [LaterText(99, "1111 1111")]}
        records.append(told.say(text))
    return records


def said(records: list[dict[str, Any]]) -> list[str]:
    return [one["message"]["text"] for one in records]


@pytest.mark.parametrize(
    ("texts", "recorded"),
    [
        (["my card: 4111 1111", "1111 1111 thanks"], ["my card: *********", "********* thanks"]),
        (["4111", "1111", "1111", "1111 12/28 123"], ["****", "****", "****", "**** 12/28 123"]),
        (["4111111", "111111111"], ["*******", "*********"]),
        (["it is 4111-11!", "11-1111-1111"], ["it is *******!", "************"]),
        (["4111\u00a01111 is the first half", "well \uff11\uff11\uff11\uff11 1111"], None),
        (["DE89 3704 0044 ...", "0532 0130 00, ok?"], ["************** ...", "************, ok?"]),
        (["it's DE89", "3704 0044 05", "32013000"], ["it's ****", "************", "********"]),
        (["4111 1111", "1111 1111", "4111 1111", "1111 1111"], ["*********"] * 4),
    ],
)
def test_all_parts_are_masked_with_the_name_of_the_rule_and_none_is_named(
    texts: list[str], recorded: list[str] | None
) -> None:
    records = told_ahead(texts)
    assert said(records) == (recorded or ["********* is the first half", "well *********"])
    rule = "accounts" if "DE" in texts[0] else "cards"
    assert [one["redactions"] for one in records] == [completed(rule)] * len(texts)


@pytest.mark.parametrize(
    "texts",
    [
        ["4111 1111", "1111 1112"],
        ["4111 1111", "hm", "1111 1111"],
        ["NL54", "A", "AAA0000000000"],
        ["my order number is 4111 1111", "1111 1111"],
        ["it was 4111 1111", "1111 1111.5 EUR"],
        ["DE89 3704 0044", "0532 0130 01"],
        ["at 4", "or 5"],
    ],
)
def test_a_beginning_that_nothing_completes_stays_as_it_is(texts: list[str]) -> None:
    assert said(told_ahead(texts)) == texts


def test_of_a_number_in_three_parts_only_those_are_masked_that_are_recorded_when_the_last_one_is_known() -> None:
    records = told_ahead(["DE89 3704", "0044 0532", "0130 00"], 1)
    assert said(records) == ["DE89 3704", "*********", "*******"]
    assert [one["redactions"] for one in records] == [[], completed("accounts"), completed("accounts", "1")]


def test_messages_of_others_complete_nothing() -> None:
    told = Told()
    told.recorder.later = {BORIS: [LaterText(2, "1111 1111")]}
    assert told.say("4111 1111")["message"]["text"] == "4111 1111"


def test_messages_that_came_before_complete_nothing() -> None:
    told = Told()
    told.recorder.later = {ALICE: [LaterText(1, "1111 1111"), LaterText(2, "4111 1111")]}
    assert told.say("4111 1111", event_id=2)["message"]["text"] == "4111 1111"


@pytest.mark.parametrize(
    ("texts", "number", "again", "recorded"),
    [
        (["4111 1111", "1111 1111", "was it right?"], 1, "4111 1111!", "*********!"),
        (["DE89 3704", "0044 0532", "0130 00"], 2, "0044 0532...", "*********..."),
        (["4111 1111", "1111 1111 4111 1111", "1111 1111"], 2, "1111 1111 4111 1111.", "********* *********."),
        (["4111 1111", "1111 1111", "ok"], 1, "it was wrong", "it was wrong"),
    ],
)
def test_a_part_that_is_told_again_later_is_masked_again(
    texts: list[str], number: int, again: str, recorded: str
) -> None:
    told = Told()
    for at, text in enumerate(texts, 1):
        told.recorder.later = {ALICE: [LaterText(one, other) for one, other in enumerate(texts, 1)]}
        told.say(text, event_id=at)
    told.recorder.later = {}
    assert told.say(again, event_id=number, amendment=1)["message"]["text"] == recorded


def test_what_others_say_later_is_read_as_it_is_redacted() -> None:
    order = Rule("orders", detector="regex", pattern="[0-9]{4} [0-9]{4}x", action="drop")
    texts = ["4111 1111", "1111 1111x"]
    assert said(told_ahead(texts, None, order, CARDS, IBANS)) == ["4111 1111", ""]


def some_of(parts: list[str]) -> Iterator[str]:
    """Give what each run of parts says, but for that of all parts."""
    for start, end in combinations(range(len(parts) + 1), 2):
        if end - start < len(parts):
            yield "".join(parts[start:end])


def any_digit(text: str) -> bool:
    return any(char.isdigit() for char in text)


def is_a_card(number: str) -> bool:
    return number.isdigit() and len(number) >= SHORTEST_CARD and with_check_digit(number[:-1]) == number


@given(draw=st.randoms(use_true_random=False), cuts=st.sets(st.integers(1, 14), min_size=1, max_size=3))
def test_no_number_is_in_the_records_one_after_another(draw: Random, cuts: set[int]) -> None:
    for number, first in ((card(draw), 4), (iban(draw, "de"), 4)):
        ends = sorted({max(cut, first) for cut in cuts if max(cut, first) < len(number) - 1}) or [first]
        parts = [number[start:end] for start, end in zip([0, *ends], [*ends, len(number)], strict=True)]
        assume(not any(map(is_a_card, some_of(parts))))  # what stands behind it would be no part of a number any more
        assume(all(map(any_digit, parts[1:-1])))  # a message without one ends the number: split_numbers
        recorded = said(told_ahead(parts))
        assert not any_digit("".join(recorded)), (parts, recorded)


def test_a_planted_card_is_in_no_record() -> None:
    whole = "4539148803436467"
    recorded = said(told_ahead([f"my number: {whole[:9]}", f"{whole[9:]}, please"]))
    assert found_in("".join(recorded).encode()) == []
    assert found_in(f"{whole[:9]}{whole[9:]}".encode()) == [whole]
