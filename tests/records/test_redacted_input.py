"""What goes into the quarantine is under the rules of its output, though it could not be read."""

from __future__ import annotations

import json

import pytest

from bridge.records.redacted_input import redacted_input
from bridge.records.redactor import Redaction, Redactor
from bridge.records.rules import Rule

CARD = "4111 1111 1111 1111"
CARDS = Redactor([Rule("cards", detector="payment_card")])
NAMES = Redactor([Rule("names", attribute="userData.FirstName", action="drop"), Rule("cards", detector="payment_card")])


def digits(raw: bytes) -> str:
    return "".join(char for char in raw.decode("utf-8", "replace") if char.isdigit())


@pytest.mark.parametrize(
    "raw",
    [
        f'{{"text": "my card is {CARD}", "broken'.encode(),
        json.dumps({"text": json.dumps({"inner": CARD.replace(" ", "\u00a0")})}).encode(),
        f"\xff\xfe damaged {CARD} \x80".encode("latin-1"),
        CARD.encode("utf-16-le"),
        CARD.replace(" ", "&#160;").encode(),
        ("\uff14" + "\uff11" * 15).encode(),
    ],
    ids=["cut off", "JSON in JSON", "not UTF-8", "UTF-16", "XML", "full width"],
)
def test_a_card_number_is_not_in_clear_and_the_record_says_so(raw: bytes) -> None:
    kept, done = redacted_input(raw, CARDS)
    assert "41111111" not in digits(kept)
    assert {each.rule for each in done} == {"cards"}
    assert {each.field for each in done} == {"bytes"}


def test_input_without_a_find_is_kept_byte_by_byte() -> None:
    raw = "\xff order 17, \u00fc".encode("latin-1")
    assert redacted_input(raw, CARDS) == (raw, [])
    assert redacted_input(CARD.encode(), Redactor()) == (CARD.encode(), [])


def test_the_words_of_a_path_mask_all_letters_and_digits() -> None:
    raw = b'{"userData": [{"key": "First\\u004eame", "value": "Nora"}]'
    kept, done = redacted_input(raw, NAMES)
    assert b"Nora" not in kept
    assert kept.startswith(b'{"********": [{"')
    assert done == [Redaction("bytes", "names", 1)]
    assert redacted_input(b'{"text": "hello"', NAMES) == (b'{"text": "hello"', [])


def test_a_rule_about_any_attribute_masks_everything() -> None:
    kept, _ = redacted_input(b"abc 17", Redactor([Rule("all", attribute="*")]))
    assert kept == b"*** **"


def test_a_secret_masks_everything_without_rules() -> None:
    kept, done = redacted_input(b'{"SessionPassword": "x1"', Redactor())
    assert b"x1" not in kept
    assert done == [Redaction("bytes", "secret", 1)]
