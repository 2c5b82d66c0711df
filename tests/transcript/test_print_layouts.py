"""Fingerprints that another version made: what cannot be compared is no amendment, and is compared again once seen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.transcript.events import ChatEvent, Item
from bridge.transcript.fields import EVENT_FIELDS, PARTS, EventField, FingerprintGroup
from bridge.transcript.fingerprint_store import Fingerprints
from bridge.transcript.fingerprints import (
    BLANK,
    VERSION,
    PrintLayout,
    carried_groups,
    fingerprint,
    print_layout,
    without_table,
)
from bridge.transcript.fold import Transcript
from bridge.transcript.id_blocks import Prints
from bridge.transcript.print_comparison import Comparison, compare
from bridge.transcript.ranges import IdRanges
from tests.transcript.build import fresh, history, joined, noticed, push, said

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.transcript.updates import TranscriptUpdate

NAMES: Final = ("sentiment", "language", "threadId")
CARRIED: Final = carried_groups(None)


class LaterEvent(ChatEvent, frozen=True):
    """An event of a version that has fields for what is unknown today."""

    sentiment: str = ""
    language: str = ""
    thread_id: str = ""


def row(name: str, attribute: str | None) -> EventField:
    avro = attribute or "unknownAttributes"
    return EventField(attribute, 107, name, f"{name}", avro, FingerprintGroup.NEWER, "invented")


def as_rows(names: Iterable[str]) -> tuple[EventField, ...]:
    return (*EVENT_FIELDS, *(row(name, None) for name in sorted(names)))


def as_fields(names: Iterable[str]) -> tuple[EventField, ...]:
    attributes = {"threadId": "thread_id"}
    return (*EVENT_FIELDS, *(row(name, attributes.get(name, name)) for name in sorted(names)))


def with_fields(event: ChatEvent, names: Iterable[str]) -> ChatEvent:
    """The event as a version reads it that has fields for some of its unknown attributes."""
    unknown = dict(event.unknown_attributes)
    known: dict[str, Any] = {("thread_id" if name == "threadId" else name): unknown.pop(name, "") for name in names}
    values = {name: getattr(event, name) for name in ChatEvent.__struct_fields__}
    return LaterEvent(**{**values, "unknown_attributes": unknown}, **known)


def amendments(fold: Transcript, *updates: TranscriptUpdate) -> list[int]:
    """The ids of the events that are published again."""
    entries = [entry for update in updates for entry in fold.apply(update)]
    return [entry.event.event_id for entry in entries if entry.event is not None and entry.amendment]


def upgraded(fold: Transcript, fields: tuple[EventField, ...] = EVENT_FIELDS, version: int = VERSION) -> Transcript:
    """The chat as another version restores it: one with another field table, or with another layout of its prints."""
    state = fold.state()
    if version == VERSION:
        return Transcript(state, fields)
    made = {
        block: prints._replace(layout=prints.layout._replace(version=version))
        for block, prints in (state.prints or {}).items()
    }
    return Transcript(replace(state, prints=made), fields)


unknown = st.dictionaries(st.sampled_from([*NAMES, "other"]), st.sampled_from(["", "good", '{"a":1,"b":[2]}']))
events = st.builds(
    lambda event, attributes: msgspec.structs.replace(event, unknown_attributes=attributes),
    st.sampled_from([joined(1), said(1), said(1, "one two"), noticed(1, "PUSH_URL", "x")]),
    unknown,
)


@given(st.lists(events, min_size=1, max_size=4), st.sets(st.sampled_from(NAMES)), st.booleans())
def test_an_event_whose_unknown_attribute_becomes_known_in_the_next_version_is_not_amended(
    sent: list[ChatEvent], learnt: set[str], has_fields: bool
) -> None:
    sent = [msgspec.structs.replace(event, event_id=number) for number, event in enumerate(sent, 1)]
    later = [with_fields(event, learnt) for event in sent] if has_fields else sent
    fields = as_fields(learnt) if has_fields else as_rows(learnt)
    this = fresh()
    assert len(this.apply(history(*sent, version=107))) == len(sent)
    following = upgraded(this, fields)
    assert amendments(following, history(*later, version=107), push(*later, version=107)) == []
    back = upgraded(following)
    assert amendments(back, history(*sent, version=107), push(*sent, version=107)) == []
    assert amendments(upgraded(following, fields), history(*later, version=107)) == []


@pytest.mark.parametrize("has_fields", [False, True])
def test_what_was_learnt_is_compared_from_its_next_sight_on(has_fields: bool) -> None:
    def shown(value: str) -> ChatEvent:
        event = msgspec.structs.replace(said(1), unknown_attributes={"sentiment": value})
        return with_fields(event, ["sentiment"]) if has_fields else event

    this = fresh()
    this.apply(history(msgspec.structs.replace(said(1), unknown_attributes={"sentiment": "good"}), version=107))
    following = upgraded(this, as_fields(["sentiment"]) if has_fields else as_rows(["sentiment"]))
    assert amendments(following, history(shown("good"), version=107)) == []
    assert amendments(following, history(shown("bad"), version=106)) == []
    assert amendments(following, history(shown("bad"), version=107)) == [1]


def test_another_field_table_hides_no_change_of_what_both_tables_name() -> None:
    this = fresh()
    this.apply(history(said(1, "one"), said(2, "two"), said(3)))
    following = upgraded(this, as_rows(NAMES))
    changed = msgspec.structs.replace(said(3), user_data=[Item("k", value="v")])
    assert amendments(following, history(said(1, "one"), said(2, "TWO"), changed)) == [2, 3]


def test_a_changed_unknown_attribute_is_an_amendment_to_the_version_that_saw_both() -> None:
    this = fresh()
    told = [msgspec.structs.replace(said(1), unknown_attributes={"other": value}) for value in ("one", "two")]
    this.apply(history(told[0]))
    assert amendments(this, history(told[1]), history(said(1)), history(told[1])) == [1, 1, 1]


@pytest.mark.parametrize("version", [0, VERSION + 1])
def test_prints_of_another_layout_amend_nothing_and_are_replaced(version: int) -> None:
    this = fresh()
    this.apply(history(said(1, "one"), said(2, "two")))
    other = upgraded(this, version=version)
    assert other.state().prints == {0: Prints(BLANK * 2, print_layout())}
    assert amendments(other, history(said(1, "changed"), joined(2))) == []
    assert amendments(upgraded(other), history(said(1, "changed"), joined(2))) == []
    assert amendments(upgraded(other), history(said(1, "changed again"), said(2))) == [1, 2]
    assert [entry.event.event_id for entry in other.apply(push(said(3))) if entry.event] == [3]


@given(st.lists(events, max_size=6), st.sets(st.integers(0, 5)))
def test_blank_prints_and_others_lie_side_by_side(sent: list[ChatEvent], seen: set[int]) -> None:
    ids = IdRanges([(1, len(sent))]) if sent else IdRanges()
    made = {0: Prints(b"\0" * len(sent), PrintLayout(VERSION + 1, 0))} if sent else {}
    prints = Fingerprints(ids, made)
    for rank in seen & set(range(len(sent))):
        prints.replace(rank + 1, fingerprint(sent[rank], CARRIED))
    restored = Fingerprints(ids, prints.stored())
    expected = {at + 1: fingerprint(event, CARRIED) if at in seen else BLANK for at, event in enumerate(sent)}
    assert {event_id: restored.get(event_id) for event_id in ids} == expected


@given(events, events)
def test_a_print_without_its_table_differs_in_nothing_else(one: ChatEvent, other: ChatEvent) -> None:
    plain = [msgspec.structs.replace(event, unknown_attributes={}) for event in (one, other)]
    delivered = fingerprint(one, CARRIED)
    expected = compare(fingerprint(plain[0], CARRIED), plain[1], CARRIED).result
    assert compare(without_table(delivered), other, CARRIED).result is expected
    assert len(without_table(delivered)) <= len(delivered)
    assert compare(BLANK, other, CARRIED).result is Comparison.SAME
    assert compare(BLANK, other, CARRIED).kept == fingerprint(other, CARRIED)


# --- when a new version of the layout is due -------------------------------------------------------------------------


def content_of_the_frame() -> int:
    """A checksum of what is hashed beside newer and unknown attributes: rows, and fields of the parts."""
    table = [
        (field.json, field.attribute, field.since, field.on_notices_since, field.group.name)
        for field in EVENT_FIELDS
        if field.group not in {FingerprintGroup.NEWER, FingerprintGroup.UNKNOWN}
    ]
    parts = [(name, part.__struct_fields__) for name, part in PARTS.items()]
    return crc32(repr((sorted(table, key=str), sorted(parts))).encode())


WITH_COLLECTIONS: Final = msgspec.structs.replace(
    said(4), user_data=[Item("k", value="v")], event_attributes=[Item("a", value="b")]
)
WITH_UNKNOWN: Final = msgspec.structs.replace(said(5), unknown_attributes={"b": "2", "a": '{"y":1,"x":2}'})
EXAMPLES: Final[tuple[tuple[Any, str], ...]] = (
    (joined(1), "3e7e2387c0914f0828"),
    (said(2, "one two"), "3f01dbb327d1e15b39a59f5ed1000702f166"),
    (noticed(3, "PUSH_URL", "x"), "3f7adceafc4b7c4c11b1ba07e500010183"),
    (WITH_COLLECTIONS, "47e8b81612d1e15b39fcc43d1e8e6f0aabea6706f700050186"),
    (WITH_UNKNOWN, "759fbf2684d1e15b39a553aae3ea6706f700050186"),
)


def test_what_the_frame_holds_changes_only_with_the_version_of_the_layout() -> None:
    """Something else in it makes another fingerprint of the same event: then raise VERSION, and record both here."""
    assert (VERSION, content_of_the_frame()) == (1, 3704532778)


@pytest.mark.parametrize(("event", "expected"), EXAMPLES)
def test_the_same_event_has_the_same_print_in_every_version_with_this_layout(event: ChatEvent, expected: str) -> None:
    assert fingerprint(event, CARRIED).hex() == expected
