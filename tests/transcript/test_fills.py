"""An event that comes after a GAP said that it may be missing names that GAP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridge.errors import Problem
from bridge.transcript import entries as kinds
from bridge.transcript.entries import ARCHIVE, Entry
from bridge.transcript.fold import Transcript
from bridge.transcript.gap_codes import HISTORY_TOO_LONG, NEVER_JOINED, OUT_OF_REACH
from bridge.transcript.updates import Damaged
from tests.support.reasons import A_LARGE_RECORD
from tests.transcript.build import fresh, history, joined, push, said

if TYPE_CHECKING:
    from bridge.transcript.events import ChatEvent


def filled(entries: list[Entry]) -> dict[int, int | None]:
    """Event id -> sequence of the GAP that it fills."""
    return {entry.event.event_id: entry.fills for entry in entries if entry.event is not None}


def with_holes() -> tuple[Transcript, int, int]:
    """A chat that lacks 3 to 5 and 7 to 8, and the sequences of the two GAPs."""
    chat = fresh()
    chat.apply(history(joined(1), said(2)))
    entries = chat.apply(history(joined(1), said(2), said(6), said(9)))
    first, second = (entry.sequence for entry in entries if entry.kind == kinds.GAP)
    return chat, first, second


def test_replayed_events_name_the_gap_that_missed_them_and_others_name_none() -> None:
    chat, first, second = with_holes()
    assert filled(chat.apply(history(said(4), said(5), said(8), said(9), said(10)))) == {
        4: first,
        5: first,
        8: second,
        10: None,
    }


def test_a_push_that_brings_a_missing_event_fills_the_gap_and_a_live_event_none() -> None:
    chat, first, _ = with_holes()
    entries = chat.apply(push(said(3), said(10)))
    assert filled(entries) == {3: first, 10: None}
    assert [entry.origin for entry in entries] == [kinds.REPLAY, kinds.LIVE]


def test_events_of_the_archive_fill_gaps_as_well() -> None:
    chat, first, second = with_holes()
    assert filled(chat.apply(push(said(5), said(7)), origin=ARCHIVE)) == {5: first, 7: second}


def test_which_gap_it_was_is_still_known_after_a_restart() -> None:
    chat, first, second = with_holes()
    chat.apply(push(said(7)))
    again = Transcript(chat.state())
    assert filled(again.apply(history(said(3), said(8)))) == {3: first, 8: second}


def test_after_an_undone_input_the_same_gap_is_named() -> None:
    chat, first, _ = with_holes()
    chat.mark()
    chat.apply(history(said(3), said(20), said(30)))
    chat.undo()
    assert filled(chat.apply(history(said(3)))) == {3: first}


def test_an_event_that_was_unreadable_once_fills_the_gap_that_stood_for_it() -> None:
    chat = fresh()
    first = history(joined(1))
    first.damaged = [Damaged(b"{}", "wrong type", 2)]
    [gap] = (entry for entry in chat.apply(first) if entry.kind == kinds.GAP)
    assert filled(chat.apply(history(joined(1), said(2)))) == {2: gap.sequence}


@pytest.mark.parametrize(
    ("code", "had"), [(NEVER_JOINED, []), (HISTORY_TOO_LONG, []), (OUT_OF_REACH, [joined(1), said(2)])]
)
def test_what_the_next_history_brings_fills_a_gap_without_an_end(code: str, had: list[ChatEvent]) -> None:
    chat = fresh()
    if had:
        chat.apply(history(*had))
    gap = chat.end(Problem(code, "no server has it"), 5)
    new = [said(number) for number in (3, 4)]
    assert filled(chat.apply(history(*had, *new))) == {3: gap.sequence, 4: gap.sequence}
    assert filled(chat.apply(push(said(5)))) == {5: None}
    assert filled(chat.apply(history(said(6)))) == {6: None}


def test_of_several_gaps_that_missed_it_an_event_names_the_first() -> None:
    chat = fresh()
    gap = chat.end(Problem(NEVER_JOINED, "no server has it"), 5)
    chat.end(Problem(NEVER_JOINED, "no server has it"), 6)
    assert filled(chat.apply(history(said(1)))) == {1: gap.sequence}


def test_an_amendment_fills_nothing_and_neither_does_an_event_that_became_a_gap_again() -> None:
    chat, _, _ = with_holes()
    [amended] = (entry for entry in chat.apply(history(said(2, "changed"))) if entry.event is not None)
    assert (amended.amendment, amended.fills) == (1, None)
    [_, late] = chat.apply(history(said(4)))
    chat.withdraw(late, A_LARGE_RECORD)
    assert (late.kind, late.fills) == (kinds.GAP, None)
