"""Keyed hashes of what identifies a person: which values have one, and that a person is found by it."""

from __future__ import annotations

import pytest

from bridge.records.subjects import MOST_SUBJECTS, Subjects, normalised, together
from bridge.transcript.events import Item

OLD, NEW = (None, b"a key of sixteen bytes"), ("2031", b"another key of more bytes")
PATHS = ("email", "customer.*")


def test_values_of_the_paths_have_a_hash_and_others_have_none() -> None:
    subjects = Subjects(PATHS, [OLD])
    items = [
        Item("EMail", value="Jane@Example.com"),
        Item("other", value="x"),
        Item("customer", "kvlist", [Item("number", value="17"), Item("empty", value=" ")]),
    ]
    found = subjects.of_items(items)
    assert found == [*subjects.searched("jane@example.com"), *subjects.searched("17")]
    assert all(len(one) == 32 and "jane" not in one for one in found)
    assert subjects.of_items([Item("email", value="a"), Item("email", value="b")]) == [
        *subjects.searched("a"),
        *subjects.searched("b"),
    ]


@pytest.mark.parametrize(
    ("written", "searched"),
    [
        ("Jane@Example.com ", "jane@example.COM"),
        ("\uff2a\uff41\uff4e\uff45", "jane"),
        ("Jane \u00a0 Doe", "jane doe"),
        ("STRASSE", "straße"),
    ],
)
def test_spellings_that_mean_the_same_have_the_same_hash(written: str, searched: str) -> None:
    assert normalised(written) == normalised(searched)
    subjects = Subjects(PATHS, [OLD])
    assert subjects.of_values([("email", written)]) == list(subjects.searched(searched))


def test_the_first_key_makes_hashes_and_a_person_is_found_by_those_of_all() -> None:
    before, after = Subjects(PATHS, [OLD]), Subjects(PATHS, [NEW, OLD])
    made = after.of_values([("email", "jane")])
    assert made[0].startswith("2031:")
    assert after.searched("jane") == {*made, *before.of_values([("email", "jane")])}
    assert before.searched("jane").isdisjoint(made)


def test_without_a_key_or_paths_there_is_nothing() -> None:
    assert not Subjects(PATHS)
    assert not Subjects((), [OLD])
    assert Subjects(PATHS).of_values([("email", "jane")]) == []
    assert Subjects(PATHS, [OLD]).searched(" ") == frozenset()


def test_what_is_nested_too_deeply_has_none() -> None:
    item = Item("email", value="jane")
    for _ in range(100):
        item = Item("customer", "kvlist", [item])
    assert Subjects(PATHS, [OLD]).of_items([item]) == []


def test_a_chat_has_each_once_and_no_more_than_the_limit() -> None:
    known = together((), ["a", "b", "a"])
    assert known == ("a", "b")
    assert together(known, ["b"]) is known
    full = together(known, map(str, range(MOST_SUBJECTS)))
    assert (len(full), full[:3]) == (MOST_SUBJECTS, ("a", "b", "0"))
    assert together(full, ["more"]) is full
