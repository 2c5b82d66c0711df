from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import AttributesTooDeep
from bridge.transcript.attributes import MAX_DEPTH, MAX_PATH, flatten, typed_value, unflatten
from bridge.transcript.events import Item, Items
from tests.strategies import any_texts, item_lists


def nested(depth: int) -> Items:
    """Lists in one another, `depth` levels with the innermost item."""
    items = [Item("k", "string", "v")]
    for _ in range(depth - 1):
        items = [Item("k", "kvlist", items)]
    return items


def leaves(items: Items) -> int:
    """Count what has a path of its own."""
    return sum(leaves(item.value) if isinstance(item.value, list) and item.value else 1 for item in items)


@given(item_lists(any_texts(), max_leaves=20))
def test_unflatten_gives_back_what_flatten_got(items: Items) -> None:
    assert unflatten(*flatten(items)) == items


@given(item_lists(any_texts(), max_leaves=20))
def test_every_leaf_has_a_path_of_its_own(items: Items) -> None:
    assert len(flatten(items)[0]) == leaves(items)


@pytest.mark.parametrize(
    ("items", "values", "types"),
    [
        ([], {}, {}),
        ([Item("FirstName", "string", "A")], {"FirstName": "A"}, {}),
        ([Item("a.b")], {r"a\.b": ""}, {}),
        ([Item("a#2")], {r"a\#2": ""}, {}),
        ([Item("a\\")], {"a\\\\": ""}, {}),
        ([Item("")], {"": ""}, {}),
        ([Item("", "kvlist", [Item("")])], {".": ""}, {}),
        ([Item("t"), Item("t"), Item("t")], {"t": "", "t#2": "", "t#3": ""}, {}),
        ([Item("t"), Item("t#2")], {"t": "", r"t\#2": ""}, {}),
        ([Item("n", "int", -3)], {"n": "-3"}, {"n": "int"}),
        ([Item("n", "float", 1e22)], {"n": "1e+22"}, {"n": "float"}),
        ([Item("b", "binary", "AAE=")], {"b": "AAE="}, {"b": "binary"}),
        ([Item("e", "kvlist", [])], {"e": ""}, {"e": "kvlist"}),
        (
            [Item("l", "kvlist", [Item("t", "string", "a"), Item("t", "int", 2)])],
            {"l.t": "a", "l.t#2": "2"},
            {"l.t#2": "int"},
        ),
        ([Item("l", "list", [Item("t")])], {"l.t": ""}, {"l": "list"}),
        (
            [Item("l", "kvlist", [Item("a")]), Item("l", "list", [Item("a")])],
            {"l.a": "", "l#2.a": ""},
            {"l#2": "list"},
        ),
    ],
)
def test_the_flat_form_is_the_documented_one(items: Items, values: dict[str, str], types: dict[str, str]) -> None:
    assert flatten(items) == (values, types)
    assert unflatten(values, types) == items


def test_the_deepest_allowed_nesting_survives_and_one_level_more_is_refused() -> None:
    assert unflatten(*flatten(nested(MAX_DEPTH))) == nested(MAX_DEPTH)
    with pytest.raises(AttributesTooDeep, match="more than 64 levels"):
        flatten(nested(MAX_DEPTH + 1))


def test_keys_that_every_item_below_them_would_repeat_are_limited() -> None:
    def below(key: str) -> Items:
        return [Item(key, "kvlist", [Item("a"), Item("b")])]

    assert len(flatten(below("k" * MAX_PATH))[0]) == 2
    with pytest.raises(AttributesTooDeep, match="longer than 1024 characters"):
        flatten(below("k" * (MAX_PATH + 1)))
    assert flatten([Item("k" * 10_000)])[0] == {"k" * 10_000: ""}


@pytest.mark.parametrize(
    ("text", "word", "value"),
    [
        ("5", "string", "5"),
        ("5", "int", 5),
        ("-5", "long", -5),
        ("5", "float", "5"),
        ("5.0", "float", 5.0),
        ("05", "int", "05"),
        ("+5", "int", "+5"),
        (" 5", "int", " 5"),
        ("1_0", "int", "1_0"),
        ("\u0665", "int", "\u0665"),
        ("-0", "int", "-0"),
        ("", "int", ""),
        ("5", "Int", "5"),
        ("9223372036854775807", "int", 2**63 - 1),
        ("9223372036854775808", "int", "9223372036854775808"),
        ("9" * 5000, "int", "9" * 5000),
        ("inf", "float", "inf"),
        ("nan", "float", "nan"),
    ],
)
def test_a_value_is_a_number_only_where_its_text_is_exactly_one(text: str, word: str, value: object) -> None:
    got = typed_value(text, word)
    assert (type(got), got) == (type(value), value)


@given(any_texts(), st.sampled_from(["int", "long", "float", "string", "other"]))
def test_a_typed_value_is_written_as_it_was_read(text: str, word: str) -> None:
    value = typed_value(text, word)
    assert flatten([Item("k", word, value)])[0] == {"k": text}
