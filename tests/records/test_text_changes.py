"""Where a text was changed: the parts give the text as it was, and as it is."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from bridge.records.pseudonyms import HashKey
from bridge.records.redactor import Redactor
from bridge.records.rules import Rule
from bridge.records.text_changes import TextChanges, TextPart

KEY = HashKey("k1", b"k" * 16)
WORDS = ("aa", "ab", "b", "**", "*a", "k1:", "[0-9]+", "1")
RULES = st.lists(
    st.builds(
        Rule,
        name=st.sampled_from(["r", "s", "t"]),
        detector=st.just("regex"),
        pattern=st.sampled_from([word.replace("*", "\\*") for word in WORDS]),
        action=st.sampled_from(["drop", "mask", "hash"]),
    ),
    max_size=3,
)


@given(st.lists(st.sampled_from(["a", "b", "*", "1", "\\n", "\\u0061"]), max_size=12).map("".join), RULES)
def test_the_parts_are_the_text_before_and_after_for_any_rules(text: str, rules: list[Rule]) -> None:
    redactor = Redactor(rules, KEY)
    parts = redactor.changes(text).parts
    assert "".join(part.before for part in parts) == text
    assert "".join(part.after for part in parts) == redactor.text("", text, [])
    assert all(part.before == part.after for part in parts if not part.rules)


def test_each_part_has_the_rules_that_changed_it_in_their_order() -> None:
    rules = [Rule("mail", detector="email", action="drop"), Rule("words", detector="regex", pattern="write  or")]
    assert Redactor(rules).changes("please write a@example.org or not").parts == [
        TextPart("please ", "please "),
        TextPart("write a@example.org or", "*********", ("mail", "words")),
        TextPart(" not", " not"),
    ]


def test_a_find_inside_of_what_was_put_there_changes_that_part() -> None:
    changes = TextChanges("abc")
    changes.add("one", [(1, 2, "xyz")])
    changes.add("two", [(2, 3, "")])
    assert changes.parts == [TextPart("a", "a"), TextPart("b", "xz", ("one", "two")), TextPart("c", "c")]


def test_a_secret_is_one_part_of_the_whole_text() -> None:
    text = json.dumps({"secureKey": "x1"})
    assert [part.rules for part in Redactor().changes(text).parts] == [("secret",)]
    assert TextChanges("").parts == []
