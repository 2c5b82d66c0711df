"""Most texts are seen at once to hold nothing that a detector finds: none of them does find anything in such a text."""

from __future__ import annotations

import re
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.records import detectors
from bridge.records.detectors.beginnings import SPLIT_DETECTORS
from bridge.records.detectors.plain_text import PlainDetector, PlainText
from bridge.records.escapes import unescaped

PIECES = st.sampled_from(
    ["at", "dot", "punkt", " ", ".", ",", "-", "_", "/", "DE", "GB", "card", "iban", "visa", "tel", "+", "a", "%", ":)",
     "]", ")", "}", ">", "|", "\n", "\t", "%40", "amp;", "#x34;", "u0034"]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=30).map("".join) | st.text(
    alphabet=st.characters(min_codepoint=0, max_codepoint=127), max_size=60
)


@given(TEXTS.map(lambda text: re.sub(r"[0-9@&\\\[({<]", "", text)))
def test_no_detector_finds_anything_and_no_number_begins(text: str) -> None:
    assert detectors.nothing_in(text)
    assert unescaped(text) is text
    for detect in (detectors.payment_cards, detectors.ibans, detectors.emails, detectors.phones):
        assert list(detect(text)) == []
    for split in SPLIT_DETECTORS.values():
        assert split.beginning(None, PlainText(text).shown) is None


@pytest.mark.parametrize(
    "text",
    [
        "4",
        "a@b",
        "&#52;",
        "&commat;",
        r"\u0034",
        "me [at] home",
        "me (at) home",
        "me {at} home",
        "me <at> home",
        "\uff14",
        "a",
    ],
)
def test_what_may_hide_something_is_looked_at(text: str) -> None:
    assert detectors.nothing_in(text) is (text == "a")


FINDS: Final = [
    "visa 4222222222222", "visa 4    222 2222 2222  2", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "NO93 8601 1117 947",
    "NO93    8601 1117 947", "+49 30 12345", "tel 123456", "tel 1 - (2 - (3 - (4 - (5 - (6", "a@b.example",
    "a [at] b.example", "a(at)b.example", "a {at} b.example", "a <at> b.example",
]  # fmt: skip
WRITTEN: Final = st.lists(st.sampled_from(FINDS) | PIECES | st.sampled_from("0123456789"), max_size=12).map("".join)
DETECTORS: Final = (detectors.payment_cards, detectors.ibans, detectors.emails, detectors.phones)


def assert_hints_are_seen(text: str) -> None:
    for detect in DETECTORS:
        assert list(detect(text)) == list(PlainDetector(detect.find, "")(text))


@pytest.mark.parametrize("text", FINDS)
def test_the_shortest_find_has_a_hint(text: str) -> None:
    assert any(list(detect(text)) for detect in DETECTORS)
    assert_hints_are_seen(text)


@given(WRITTEN | st.text(alphabet="0123456789 ()./-+@[]<,:;|*_'~\n\u00a0\uff14\u2013AaGB", max_size=60))
def test_a_text_without_a_hint_holds_nothing_that_a_detector_finds(text: str) -> None:
    assert_hints_are_seen(text)
