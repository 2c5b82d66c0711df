from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from bridge.records.escapes import EscapedText, unescaped
from tests.fuzz.engine import work

PIECES = st.sampled_from(
    ["a", "é", "\\", "\\\\", "\\n", '\\"', "\\u0041", "\\\\u0041", "&#65;", "&#x41;", "u005c", "\n"]
)


@given(st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=30))
def test_each_shown_character_stands_where_it_is_said_to_stand(text: str) -> None:
    escaped = EscapedText(text)
    assert escaped.shown == unescaped(text)
    places = [escaped.place(at) for at in range(len(escaped.shown) + 1)]
    assert (places[0], places[-1]) == (0, len(text))
    for at, shown in enumerate(escaped.shown):
        hidden = text[places[at] : places[at + 1]]
        assert hidden == shown or unescaped(hidden) == shown or hidden.startswith(("\\", "&"))
        assert hidden


@given(st.text(st.characters(exclude_characters="\\&", exclude_categories=["Cs"]), max_size=20), st.integers(1, 4))
def test_json_in_json_is_shown_as_its_innermost_text(text: str, depth: int) -> None:
    outer = text
    for _ in range(depth):
        outer = json.dumps(outer)
    shown = unescaped(outer).strip('"')
    assert shown.encode("utf-16", "surrogatepass").decode("utf-16") == unescaped(text).strip('"')


@given(st.text(st.characters(exclude_characters="\\&")))
def test_a_text_without_escapes_is_shown_as_it_is(text: str) -> None:
    assert unescaped(text) is text
    assert EscapedText(text).shown == text


def test_a_backslash_before_a_backslash_before_a_letter_is_undone_as_often_as_it_was_done() -> None:
    assert unescaped("\\u005cu005cu0053") == "S"


def test_the_work_grows_with_the_text_and_not_faster() -> None:
    for piece in ("\\", "&#0", "\\u005c", "\\u005cu005c", "u005c"):
        short, long = (work(lambda text=piece * times: EscapedText(text)) for times in (500, 5_000))  # type: ignore[misc]
        assert long <= 11 * short + 1_000
