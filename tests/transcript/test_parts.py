"""A long message is folded in parts: what comes of that is what comes of it in one piece, wherever it is cut."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import Problem
from bridge.transcript.fold import Transcript
from bridge.transcript.gap_codes import NEVER_JOINED, NOT_IN_REPLAY, OUT_OF_REACH, UNREADABLE
from bridge.transcript.updates import Damaged, Part, TranscriptUpdate
from tests.transcript.build import fresh, history, noticed, push, said
from tests.transcript.waiting_events import InParts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.transcript.entries import Entry
    from bridge.transcript.events import ChatEvent

IDS = st.integers(0, 25)
EVENTS = st.builds(said, IDS, st.sampled_from(["hello", "changed", "***"])) | st.builds(
    noticed, IDS, st.just("USER_UPDATE_NICK"), st.sampled_from(["A", "B"])
)
DAMAGED = st.lists(st.builds(Damaged, st.just(b"{}"), st.just("bad"), st.none() | st.integers(0, 28)), max_size=3)
BEFORE = st.lists(
    st.tuples(st.sampled_from(["history", "push", "away", "lost", "unreached"]), st.lists(EVENTS, max_size=5)),
    max_size=5,
)


def parts_of(update: TranscriptUpdate, cuts: set[int]) -> list[TranscriptUpdate]:
    """Cut a message after some of its ids."""
    parts: list[list[ChatEvent]] = [[]]
    before: int | None = None
    for event in sorted(update.transcript.chat_event_list, key=lambda one: one.event_id):
        if before is not None and event.event_id != before and before in cuts:
            parts.append([])
        parts[-1].append(event)
        before = event.event_id
    envelope = msgspec.structs.replace(update.transcript, chat_event_list=[])
    long = replace(update, transcript=envelope, waiting=InParts([part for part in parts if part]))
    taken = [long.take_part()[0]]
    while not taken[-1].part.last:
        taken.append(long.take_part()[0])
    return taken


def lived_through(steps: Iterable[tuple[str, list[ChatEvent]]]) -> Transcript:
    """A chat with a past."""
    chat = fresh()
    for what, events in steps:
        if what == "history":
            chat.apply(history(*events))
        elif what == "push":
            chat.apply(push(*events))
        elif what == "away":
            chat.away(1_000)
        else:
            chat.end(Problem(OUT_OF_REACH if what == "lost" else NEVER_JOINED, "away"), 1_000)
    return chat


def restarted(chat: Transcript) -> Transcript:
    return Transcript(chat.state())


def published(entries: Iterable[Entry]) -> list[object]:
    return [msgspec.to_builtins(entry, enc_hook=repr) for entry in entries]


@given(BEFORE, st.lists(EVENTS, max_size=12), DAMAGED, st.sets(IDS), st.data())
def test_parts_come_to_the_same_as_one_piece_also_with_restarts_between_them(
    before: list[tuple[str, list[ChatEvent]]],
    events: list[ChatEvent],
    damaged: list[Damaged],
    cuts: set[int],
    data: st.DataObject,
) -> None:
    of = data.draw(st.sampled_from([history, push]))
    update = replace(of(*events), damaged=damaged)
    whole, cut = lived_through(before), lived_through(before)
    expected = whole.apply(replace(update))
    found: list[Entry] = []
    for part in parts_of(update, cuts):
        if data.draw(st.booleans()):
            cut = restarted(cut)
        found += cut.apply(part)
    assert published(found) == published(expected)
    assert cut.state() == restarted(whole).state() or cut.state() == whole.state()
    assert cut.certificate() == whole.certificate()


@given(
    BEFORE,
    st.lists(EVENTS, min_size=1, max_size=12, unique_by=lambda one: one.event_id),
    st.sets(IDS),
    st.integers(1, 12),
)
def test_a_history_that_comes_again_after_a_stop_in_the_middle_brings_only_the_rest(
    before: list[tuple[str, list[ChatEvent]]], events: list[ChatEvent], cuts: set[int], stop: int
) -> None:
    update = history(*events)
    whole, stopped = lived_through(before), lived_through(before)
    expected = whole.apply(update)
    found: list[Entry] = []
    for part in parts_of(update, cuts)[:-1][:stop]:
        found += stopped.apply(part)
    stopped = restarted(stopped)
    found += stopped.apply(update)

    def told(entries: list[Entry]) -> list[tuple[ChatEvent, int, bool]]:
        return [(entry.event, entry.amendment, entry.fills is None) for entry in entries if entry.event is not None]

    def holes(entries: list[Entry]) -> list[tuple[int | None, int | None, str]]:
        gaps = (entry.gap for entry in entries if entry.gap is not None)
        return [(gap.from_event_id, gap.to_event_id, gap.code) for gap in gaps]

    assert told(found) == told(expected)
    assert stopped.delivered == whole.delivered
    assert holes(found) == holes(expected)


def test_a_first_history_that_is_cut_short_by_a_stop_makes_no_gap_of_its_holes() -> None:
    chat = fresh()
    first, *_ = parts_of(history(said(1), said(3), said(7), said(9)), {3})
    chat.apply(first)
    assert chat.joined
    again = restarted(chat).apply(history(said(1), said(3), said(7), said(9)))
    assert [(entry.kind, entry.event.event_id) for entry in again if entry.event] == [("MESSAGE", 7), ("MESSAGE", 9)]
    assert len(again) == 2


def test_a_hole_at_a_cut_is_told_once_and_before_the_event_that_follows_it() -> None:
    chat = fresh()
    chat.apply(history(said(1)))
    chat.away(1_000)
    parts = parts_of(history(said(1), said(4), said(8), said(9)), {1, 4, 8})
    told = [
        [(one.kind, one.gap and (one.gap.from_event_id, one.gap.to_event_id, one.gap.code)) for one in chat.apply(part)]
        for part in parts
    ]
    assert told == [
        [("RESUMED", None)],
        [("GAP", (2, 3, NOT_IN_REPLAY)), ("MESSAGE", None)],
        [("GAP", (5, 7, NOT_IN_REPLAY)), ("MESSAGE", None)],
        [("MESSAGE", None)],
    ]


def test_a_damaged_event_is_no_hole_in_the_parts_before_it_is_told() -> None:
    chat = fresh()
    chat.apply(history(said(1)))
    chat.away(1_000)
    update = replace(history(said(1), said(3), said(4)), damaged=[Damaged(b"{", "bad", 2)])
    gaps = [one.gap for part in parts_of(update, {1, 3}) for one in chat.apply(part) if one.gap]
    assert [(gap.from_event_id, gap.code) for gap in gaps] == [(2, UNREADABLE)]


def test_the_end_of_a_chat_comes_with_the_last_part() -> None:
    parts = parts_of(history(said(1), said(2), said(3), over=True), {1, 2})
    assert [part.over for part in parts] == [False, False, True]
    assert [(part.part.first, part.part.last) for part in parts] == [(True, False), (False, False), (False, True)]
    assert parts[0].part == Part(first=True, last=False)
