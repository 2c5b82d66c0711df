"""Amendments only where content changed, another event under a used id as such, fingerprints in blocks."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import Problem
from bridge.transcript import entries as kinds
from bridge.transcript import fold
from bridge.transcript.events import ChatEvent, Item, MessageText, NoticeText
from bridge.transcript.fingerprint_store import Fingerprints
from bridge.transcript.fingerprints import carried_groups, fingerprint
from bridge.transcript.fold import Transcript
from bridge.transcript.id_blocks import BLOCK_IDS, Prints
from bridge.transcript.ranges import IdRanges
from tests.support.core_forms import replaces_a_part
from tests.transcript.build import ALICE, fresh, history, joined, left, push, said

with_more = msgspec.structs.replace


def numbers(*updates: Any) -> list[str]:
    """What is published of the updates: event id, and the number of the record where it is not the first."""
    chat = fresh()
    return [
        f"{entry.event.event_id}:{entry.amendment}" if entry.amendment else str(entry.event.event_id)
        for update in updates
        for entry in chat.apply(update)
        if entry.event
    ]


def noticed(value: str, text: str = "n") -> ChatEvent:
    data = [Item("k", value=value)] if value else []
    return ChatEvent("notice", 1, ALICE, notice_text=NoticeText("USER_CUSTOM", text), user_data=data)


# --- no change -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": "1", "b": "2"}, {"b": "2", "a": "1"}),
        ({"a": '{"x":1,"y":[{"p":1,"q":2}]}'}, {"a": '{"y":[{"q":2,"p":1}],"x":1}'}),
    ],
)
def test_the_order_of_members_of_unknown_attributes_is_no_change(one: dict[str, str], other: dict[str, str]) -> None:
    first, second = (with_more(said(1), unknown_attributes=unknown) for unknown in (one, other))
    assert numbers(history(first), history(second)) == ["1"]


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("collection", ["user_data", "event_attributes"])
def test_the_order_of_members_of_a_structure_as_the_value_of_an_item_is_no_change(
    collection: str, nested: bool
) -> None:
    def event(value: str) -> ChatEvent:
        item = Item("k", value=value)
        return with_more(said(1), **{collection: [Item("n", "kvlist", [item]) if nested else item]})

    one, other, changed = map(event, ('{"a":1,"b":[{"c":1,"d":2}]}', '{"b":[{"d":2,"c":1}],"a":1}', '{"a":1,"b":2}'))
    assert numbers(history(one), history(other), history(changed)) == ["1", "1:1"]


@pytest.mark.parametrize("text", ["{not JSON", "[1, 2", "{" * 3000, "[" * 100_000, "[" + "9" * 5000])
def test_an_unknown_attribute_that_only_looks_like_json_is_compared_as_text(text: str) -> None:
    first, second = (with_more(said(1), unknown_attributes={"a": one}) for one in (text, text + "x"))
    assert numbers(history(first), history(first), history(second)) == ["1", "1:1"]


@pytest.mark.parametrize(
    ("text", "masked"), [("grün 1234", "**** ****"), ("Łódź 4111 ok", "Łódź **** ok"), ("🙂🙂 12", "** **")]
)
def test_masking_of_characters_of_any_size_is_no_change(text: str, masked: str) -> None:
    chat = fresh()
    chat.apply(history(said(1, text)))
    assert [entry.kind for entry in chat.apply(history(said(1, masked)))] == [kinds.RESUMED]
    assert chat.certificate().masked == 1


def test_a_mask_of_another_length_is_a_change() -> None:
    assert numbers(history(said(1, "grün")), history(said(1, "*****"))) == ["1", "1:1"]


def test_a_change_that_only_the_newer_version_shows_is_one() -> None:
    poorer, one, other = history(noticed(""), version=103), history(noticed("a")), history(noticed("b"))
    assert numbers(poorer, one, other) == ["1", "1:1"]
    assert numbers(poorer, one, poorer, one) == ["1"]


def test_what_an_older_version_does_not_carry_stays_as_it_was_known_when_something_else_changes() -> None:
    changed = history(noticed("", "m"), version=103)
    assert numbers(history(noticed("a")), changed, history(noticed("a", "m"))) == ["1", "1:1"]
    assert numbers(history(noticed("a")), changed, history(noticed("b", "m"))) == ["1", "1:1", "1:2"]


def test_a_change_beside_a_mask_that_only_the_newer_version_shows_is_one() -> None:
    poorer = history(noticed("", "pin 1234"), version=103)
    assert numbers(poorer, history(noticed("a", "pin ****")), history(noticed("b", "pin ****"))) == ["1", "1:1"]


# --- another event ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        said(2, "hello", user_id="00B2"),
        with_more(said(2, "hello"), time_shift=99),
        left(2),
        said(2, "something else", user_id="00B2"),
    ],
)
def test_another_event_under_a_used_id_is_published_as_such_and_no_amendment(other: ChatEvent) -> None:
    chat = fresh()
    chat.apply(history(joined(1), said(2, "hello")))
    [_, entry] = chat.apply(history(joined(1), other))
    assert (entry.event, entry.amendment, entry.reused) == (other, 1, True)
    certificate = chat.certificate()
    assert (certificate.ids_reused, certificate.amendments) == (1, 0)
    assert certificate.verdict == kinds.COMPLETE
    assert certificate.reasons == ["IDS_REUSED"]


def test_the_event_that_took_over_an_id_is_amended_like_any_other() -> None:
    chat = fresh()
    chat.apply(history(joined(1), said(2)))
    other = said(2, "new", user_id="00B2")
    assert [entry.reused for entry in chat.apply(push(other))] == [True]
    assert chat.apply(push(other)) == []
    [changed] = chat.apply(push(said(2, "newer", user_id="00B2")))
    assert (changed.amendment, changed.reused) == (2, False)


def test_the_count_of_reused_ids_survives_a_restart() -> None:
    chat = fresh()
    chat.apply(history(joined(1), said(2)))
    chat.apply(push(said(2, user_id="00B2")))
    assert Transcript(chat.state()).certificate() == chat.certificate()


# --- the store of fingerprints ---------------------------------------------------------------------------------------

CARRIED = carried_groups(106)


def print_of(number: int) -> bytes:
    words = " ".join("ab"[: number % 3] for _ in range(number % 5))
    return fingerprint(ChatEvent("message", 1, "U", message_text=MessageText(f"{number} {words}")), CARRIED)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "put", "put", "remove", "mark", "undo", "restart", "again"]), st.integers(-20, 60)
    ),
    max_size=120,
)


@given(STEPS)
def test_fingerprints_in_blocks_never_overwrite_one_another(steps: list[tuple[str, int]]) -> None:
    """Against a dict; what is returned as changed is enough to store, with the open block."""
    ids, model = IdRanges(), dict[int, bytes]()
    prints, stored = Fingerprints(ids, {}), dict[int, Prints]()
    marked = (ids.edges(), dict(model))
    for number, (what, event_id) in enumerate(steps):
        if what == "put":
            new = print_of(number)
            if event_id in ids:
                prints.replace(event_id, new)
            else:
                prints.add(event_id, new)
                ids.add(event_id)
            model[event_id] = new
        elif what == "remove" and event_id in ids:
            prints.remove(event_id)
            ids.remove(event_id)
            del model[event_id]
        elif what == "undo":
            ids.reset(marked[0])
            model = dict(marked[1])
            prints.undo()
        elif what in ("mark", "restart", "again"):
            stored = as_stored(prints, ids, {} if what == "again" else stored, again=what == "again")
            prints = Fingerprints(ids, stored) if what == "restart" else prints
            prints.mark()
            marked = (ids.edges(), dict(model))
        assert {one: prints.get(one) for one in ids} == model
        assert (prints.stored() or {}).keys() == {one // BLOCK_IDS for one in model}


def as_stored(prints: Fingerprints, ids: IdRanges, stored: dict[int, Prints], *, again: bool) -> dict[int, Prints]:
    """Return what a topic holds once what changed since `stored` is written; with `again` all there is."""
    there = (prints.stored() or {}).keys()
    open_block, closed = prints.take_changed(again=again)
    if ids.maximum is None:
        assert (open_block, closed) == (None, [])
        return {}
    still_open = ids.maximum // BLOCK_IDS
    assert open_block is not None
    changed = [*closed, open_block]
    assert open_block.number == still_open
    for block in changed:
        assert block.ranges == ids.within(block.number * BLOCK_IDS, block.number * BLOCK_IDS + BLOCK_IDS - 1)
    assert prints.take_changed() == (open_block, [])
    assert not again or {block.number for block in changed} == set(there)
    kept = {**stored, **{block.number: block.prints for block in changed}}
    return {number: kept[number] for number in sorted(kept) if number in there}


def test_an_id_without_a_fingerprint_is_known_and_never_amended() -> None:
    chat = fresh()
    chat.apply(push(said(1), said(9)))
    without = Transcript(dataclasses.replace(chat.state(), prints=None))
    sent = [said(number, "another") for number in (1, 2, 9, 30)]
    assert [entry.event and entry.event.event_id for entry in without.apply(push(*sent))] == [2, 30]
    assert without.apply(push(*(said(number, "a third") for number in (1, 2, 9, 30)))) == []
    without.mark()
    [entry] = without.apply(push(said(31)))
    without.withdraw(entry, Problem("TOO_LARGE", ""))
    without.undo()
    assert (without.state().prints, without.delivered.pairs()) == (None, [(1, 2), (9, 9), (30, 30)])


def test_a_chat_of_any_length_knows_what_it_delivered() -> None:
    chat = fresh()
    for start in range(1, 30_001, 5_000):
        chat.apply(push(*[said(number, f"text {number}") for number in range(start, start + 5_000)]))
    assert [entry.event for entry in chat.apply(push(said(1, "text 1"), said(15_000, "text 15000")))] == []
    amended = chat.apply(push(said(2, "another"), said(15_001, "another")))
    assert [(entry.event and entry.event.event_id, entry.amendment) for entry in amended] == [(2, 1), (15_001, 1)]
    assert not chat.outgrown


@replaces_a_part
def test_a_chat_with_more_blocks_than_are_remembered_has_outgrown_its_checkpoints(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fold, "MAX_BLOCKS", 3)
    chat = fresh()
    chat.apply(push(*(said(number) for number in range(1, 3 * BLOCK_IDS))))
    assert not chat.outgrown
    chat.apply(push(said(3 * BLOCK_IDS)))
    assert chat.outgrown
