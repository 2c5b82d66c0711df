"""How well numbers over two messages are found, and how often messages without any are taken for a part of one."""

from __future__ import annotations

from itertools import islice
from random import Random
from typing import Final

from bridge.records.detectors import ibans, payment_cards
from bridge.records.split_numbers import Said, SplitNumbers, SplitRule, without_parts
from tests.detection.corpus import ChatTexts
from tests.detection.invented_cards import card, iban
from tests.detection.spellings import of_card, of_iban

RULES: Final = {kind: SplitRule(kind, lambda found: "*" * len(found)) for kind in ("iban", "payment_card")}
VALUES: Final = 600
NEGATIVES: Final = 3_000
SEED: Final = 5


def masked(text: str) -> str:
    """Return a text as the detectors alone leave it."""
    for detect in (payment_cards, ibans):
        for start, end in reversed(list(detect(text))):
            text = f"{text[:start]}{'*' * (end - start)}{text[end:]}"
    return text


def found(texts: list[str]) -> list[bool]:
    """Tell of each message of one party whether something in it completes a number."""
    numbers: SplitNumbers = ()
    finds = []
    for number, text in enumerate(texts, 1):
        _, done, numbers = without_parts(numbers, RULES, Said("00A1", number, str(number), again=False), masked(text))
        finds.append(bool(done))
    return finds


def test_second_parts_are_found_wherever_a_number_is_cut_but_inside_of_an_entity() -> None:
    draw = Random(SEED)
    missed = []
    for number in range(VALUES):
        value = of_card(card(draw), draw) if number % 2 else of_iban(iban(draw, "de"), draw)
        first = 1 if number % 2 else value.text.index(next(filter(str.isdigit, value.text))) + 3
        cut = draw.randrange(first, len(value.text))
        parts = [value.text[:cut], value.text[cut:]]
        if "&" in value.text or not all(any(map(str.isalnum, part)) for part in parts):
            continue
        if not found([f"it is {parts[0]}", f"{parts[1]} thanks"])[1]:
            missed.append(parts)
    assert len(missed) <= VALUES * 0.01, missed


def test_messages_without_a_number_are_seldom_taken_for_a_part_of_one() -> None:
    texts = [text.text for text in islice(ChatTexts(SEED), 3 * NEGATIVES) if text.kind is None][:NEGATIVES]
    assert len(texts) == NEGATIVES
    assert sum(found(texts)) <= NEGATIVES * 0.001
