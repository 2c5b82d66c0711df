"""What is said of an absence and of a hole is true, and a hole that is filled is told apart from an open one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import Problem
from bridge.transcript import entries as kinds
from bridge.transcript.completeness import DIRECT_MESSAGE_SUSPECTED, UNEXPLAINED, MissingIds
from bridge.transcript.entries import Gap
from bridge.transcript.fold import Transcript
from bridge.transcript.gap_codes import (
    INTERNAL,
    NEVER_JOINED,
    NOT_IN_REPLAY,
    OUT_OF_REACH,
    OVER_WHILE_AWAY,
    TOO_LARGE,
    UNATTRIBUTED,
    UNEXPLAINED_IDS,
    UNREADABLE,
)
from bridge.transcript.updates import Damaged, TranscriptUpdate
from tests.support.reasons import A_DEFECT, A_LARGE_RECORD
from tests.transcript.build import fresh, history, joined, push, said

if TYPE_CHECKING:
    from bridge.transcript.events import ChatEvent


def gaps_of(entries: list[kinds.Entry]) -> list[tuple[int | None, int | None, str]]:
    return [(e.gap.from_event_id, e.gap.to_event_id, e.gap.code) for e in entries if e.gap]


def outline(entries: list[kinds.Entry]) -> list[str | int]:
    return [entry.event.event_id if entry.event else entry.kind for entry in entries]


def damaged(update: TranscriptUpdate, *event_ids: int | None) -> TranscriptUpdate:
    update.damaged = [Damaged(b"{}", "wrong type", event_id) for event_id in event_ids]
    return update


def away_after_two() -> Transcript:
    chat = fresh()
    chat.apply(history(joined(1), said(2)))
    chat.away(1_700_000)
    return chat


# --- absences --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("replayed", [(), (said(2),), (joined(1), said(2))])
def test_an_absence_ends_with_the_first_id_above_what_was_had_even_when_a_push_brings_it(
    replayed: tuple[ChatEvent, ...],
) -> None:
    chat = away_after_two()
    assert outline(chat.apply(history(*replayed))) == [kinds.RESUMED]
    entries = chat.apply(push(said(9), said(12)))
    assert outline(entries) == [kinds.GAP, 9, 12]  # the hole between live events is legitimate
    assert entries[0].gap == Gap(3, 8, 1_700_000, NOT_IN_REPLAY)
    assert gaps_of(chat.apply(push(said(20)))) == []


def test_an_absence_goes_on_over_a_second_rejoin_that_brings_nothing_new() -> None:
    chat = away_after_two()
    chat.apply(history(joined(1), said(2)))
    chat.away(1_900_000)
    assert outline(chat.apply(history(joined(1), said(2)))) == [kinds.RESUMED]
    [gap, _] = chat.apply(push(said(5)))
    assert gap.gap == Gap(3, 4, 1_700_000, NOT_IN_REPLAY)


def test_an_event_that_follows_at_once_leaves_no_gap_and_ends_the_absence() -> None:
    chat = away_after_two()
    chat.apply(history(joined(1), said(2)))
    assert outline(chat.apply(push(said(3)))) == [3]
    assert outline(chat.apply(push(said(9, user_id="00B1")))) == [9]
    assert chat.certificate().reasons == [DIRECT_MESSAGE_SUSPECTED]


def test_a_history_that_comes_unasked_is_an_absence_as_well() -> None:
    chat = fresh()
    chat.apply(history(joined(1), said(2)))
    entries = chat.apply(history(joined(1), said(2), said(5)))
    assert outline(entries) == [kinds.RESUMED, kinds.GAP, 5]
    assert entries[1].gap == Gap(3, 4, None, NOT_IN_REPLAY)


def test_the_first_join_of_a_chat_is_no_absence() -> None:
    chat = fresh()
    chat.away(5)
    assert outline(chat.apply(history(said(7)))) == [7]


def test_a_push_after_the_connection_was_lost_ends_the_absence_and_the_next_history_begins_another() -> None:
    chat = away_after_two()
    assert gaps_of(chat.apply(push(said(5)))) == [(3, 4, NOT_IN_REPLAY)]
    assert outline(chat.apply(history(joined(1), said(2), said(5), said(8)))) == [kinds.RESUMED, kinds.GAP, 8]


def test_a_damaged_event_above_what_was_had_ends_an_absence_too() -> None:
    chat = away_after_two()
    chat.apply(history(joined(1), said(2)))
    assert gaps_of(chat.apply(damaged(push(said(9)), 6))) == [(3, 5, NOT_IN_REPLAY), (6, 6, UNREADABLE)]


def test_an_empty_chat_that_was_joined_has_lost_everything_before_the_first_id_after_an_absence() -> None:
    chat = fresh()
    chat.apply(history())
    chat.away(5)
    chat.apply(history())
    assert gaps_of(chat.apply(push(said(4)))) == [(1, 3, NOT_IN_REPLAY)]


def test_ids_that_came_late_or_were_told_as_missing_are_not_told_again() -> None:
    chat = fresh()
    chat.apply(history(joined(1), said(2)))
    chat.apply(damaged(push(), 4))
    chat.away(5)
    assert gaps_of(chat.apply(history(joined(1), said(2), said(8)))) == [(5, 7, NOT_IN_REPLAY)]
    chat.away(6)
    entries = chat.apply(history(joined(1), said(2), said(6), said(8), said(10)))
    assert outline(entries) == [kinds.RESUMED, 6, kinds.GAP, 10]
    assert gaps_of(entries) == [(9, 9, NOT_IN_REPLAY)]


# --- open and filled -------------------------------------------------------------------------------------------------


def test_a_hole_that_a_later_history_fills_is_filled_in_the_certificate_and_its_gap_record_stays() -> None:
    chat = away_after_two()
    chat.apply(history(joined(1), said(2), said(6)))
    chat.away(9)
    entries = chat.apply(history(joined(1), *(said(n) for n in range(2, 7))))
    assert outline(entries) == [kinds.RESUMED, 3, 4, 5]
    assert {entry.origin for entry in entries if entry.event} == {kinds.REPLAY}
    certificate = chat.certificate()
    assert (certificate.verdict, certificate.reasons, certificate.gaps) == (kinds.COMPLETE, [], [])
    assert certificate.filled == [Gap(3, 5, 1_700_000, NOT_IN_REPLAY)]
    assert certificate.counts[kinds.GAP] == 1


def test_a_hole_that_is_filled_in_part_is_open() -> None:
    chat = away_after_two()
    chat.apply(history(joined(1), said(2), said(6)))
    chat.apply(push(said(4)))
    assert chat.certificate().gaps == [Gap(3, 5, 1_700_000, NOT_IN_REPLAY)]
    chat.apply(push(said(3), said(5)))
    assert chat.certificate().gaps == []


@pytest.mark.parametrize("code", [NEVER_JOINED, OVER_WHILE_AWAY, OUT_OF_REACH])
def test_a_gap_without_an_end_is_filled_by_the_next_history_which_tells_what_it_lacks(code: str) -> None:
    chat = away_after_two()
    assert chat.end(Problem(code, "no server"), 7).gap == Gap(3, None, None, code, "no server")
    assert chat.certificate().verdict == kinds.INCOMPLETE
    assert gaps_of(chat.apply(history(joined(1), said(2), said(3), said(5)))) == [(4, 4, NOT_IN_REPLAY)]
    certificate = chat.certificate()
    assert certificate.filled == [Gap(3, None, None, code, "no server")]
    assert certificate.gaps == [Gap(4, 4, 1_700_000, NOT_IN_REPLAY)]


def test_a_chat_that_was_given_up_before_its_first_join_is_complete_when_it_is_seen_whole() -> None:
    chat = fresh()
    assert chat.end(Problem(NEVER_JOINED, "no"), 7).gap == Gap(None, None, None, NEVER_JOINED, "no")
    chat.apply(history(joined(1), said(2)))
    assert chat.certificate().verdict == kinds.COMPLETE


def test_a_push_does_not_fill_a_gap_without_an_end() -> None:
    chat = away_after_two()
    chat.end(Problem(OUT_OF_REACH, "no"), 7)
    chat.apply(push(said(3)))
    assert chat.certificate().gaps == [Gap(3, None, None, OUT_OF_REACH, "no")]


def test_what_was_unreadable_and_has_no_id_stays_open_for_ever() -> None:
    chat = fresh()
    chat.apply(history(joined(1)))
    chat.set_aside(None, 5)
    chat.apply(history(joined(1), said(2)))
    assert chat.certificate().gaps == [Gap(None, None, None, UNREADABLE)]


def test_an_input_that_may_have_concerned_the_chat_keeps_it_incomplete() -> None:
    chat = fresh()
    chat.apply(history(joined(1)))
    chat.doubt()
    assert (chat.certificate().verdict, chat.certificate().reasons) == (kinds.INCOMPLETE, [UNATTRIBUTED])


# --- damaged events --------------------------------------------------------------------------------------------------


def test_an_event_that_was_unreadable_once_and_is_readable_later_is_published_late_and_fills_its_gap() -> None:
    chat = fresh()
    chat.apply(damaged(history(joined(1)), 2))
    [late] = chat.apply(push(said(2)))
    assert (late.origin, late.event) == (kinds.REPLAY, said(2))
    certificate = chat.certificate()
    assert (certificate.verdict, certificate.filled) == (kinds.COMPLETE, [Gap(2, 2, None, UNREADABLE)])


def test_a_damaged_copy_of_an_event_that_is_there_or_told_as_missing_is_counted_and_no_new_gap() -> None:
    chat = fresh()
    chat.apply(damaged(history(joined(1), said(2)), 3))
    for _ in range(3):
        assert outline(chat.apply(damaged(history(joined(1)), 2, 3))) == [kinds.RESUMED]
    certificate = chat.certificate()
    assert certificate.gaps == [Gap(3, 3, None, UNREADABLE)]
    assert certificate.quarantined == 7


# --- withdrawn events ------------------------------------------------------------------------------------------------


def test_an_event_that_could_not_be_published_is_skipped_when_it_is_seen_again_and_stays_a_gap() -> None:
    chat = fresh()
    entries = chat.apply(history(joined(1), said(2), said(3)))
    chat.withdraw(entries[1], A_LARGE_RECORD)
    assert outline(chat.apply(history(joined(1), said(2), said(3)))) == [kinds.RESUMED]
    certificate = chat.certificate()
    assert (certificate.id_ranges, certificate.gaps) == (
        [(1, 1), (3, 3)],
        [Gap(2, 2, None, TOO_LARGE, A_LARGE_RECORD.detail)],
    )
    assert certificate.counts == {kinds.PARTY_JOINED: 1, kinds.MESSAGE: 1, kinds.GAP: 1, kinds.RESUMED: 1}


def test_an_amendment_that_could_not_be_published_is_no_amendment_and_its_gap_stays_open() -> None:
    chat = fresh()
    chat.apply(history(joined(1), said(2)))
    [entry] = chat.apply(push(said(2, "too long")))
    chat.withdraw(entry, A_LARGE_RECORD)
    assert chat.apply(push(said(2, "too long"))) == []
    certificate = chat.certificate()
    assert (certificate.amendments, certificate.id_ranges) == (0, [(1, 2)])
    assert (certificate.verdict, certificate.gaps) == (
        kinds.INCOMPLETE,
        [Gap(2, 2, None, TOO_LARGE, A_LARGE_RECORD.detail)],
    )


# --- a defect --------------------------------------------------------------------------------------------------------


def test_the_ids_of_an_input_that_was_lost_are_gaps_that_a_later_history_fills() -> None:
    chat = fresh()
    chat.apply(history(joined(1), said(2)))
    entries = chat.failed(damaged(push(said(2), said(3), said(4), said(8)), 9), 5, A_DEFECT)
    assert gaps_of(entries) == [(3, 4, INTERNAL), (8, 9, INTERNAL)]
    chat.apply(history(joined(1), *(said(n) for n in (2, 3, 4, 8, 9))))
    certificate = chat.certificate()
    assert (certificate.gaps, certificate.reasons) == ([], [UNEXPLAINED_IDS])
    assert certificate.holes == [MissingIds(5, 7, UNEXPLAINED)]


def test_an_input_that_was_lost_without_a_new_id_may_have_changed_something_and_stays_open() -> None:
    chat = fresh()
    chat.apply(history(joined(1), said(2)))
    assert gaps_of(chat.failed(push(said(2, "changed")), 5, A_DEFECT)) == [(None, None, INTERNAL)]
    chat.apply(history(joined(1), said(2, "changed")))
    assert chat.certificate().verdict == kinds.INCOMPLETE


def test_an_input_that_is_lost_each_time_it_comes_is_told_once() -> None:
    chat = fresh()
    chat.apply(history(joined(1)))
    assert gaps_of(chat.failed(history(joined(1), said(2)), 5, A_DEFECT)) == [(2, 2, INTERNAL)]
    assert gaps_of(chat.failed(history(joined(1), said(2)), 6, A_DEFECT)) == []


def test_a_history_that_was_lost_does_not_end_the_absence() -> None:
    chat = away_after_two()
    assert gaps_of(chat.failed(history(joined(1), said(2), said(6)), 5, A_DEFECT)) == [(6, 6, INTERNAL)]
    assert gaps_of(chat.apply(push(said(8)))) == [(3, 5, NOT_IN_REPLAY), (7, 7, NOT_IN_REPLAY)]


def test_after_a_first_history_that_was_lost_the_next_one_is_a_rejoin() -> None:
    chat = fresh()
    chat.failed(history(joined(1)), 5, A_DEFECT)
    chat.apply(push(said(2)))
    assert outline(chat.apply(history(joined(1), said(2), said(4)))) == [kinds.RESUMED, 1, kinds.GAP, 4]


# --- undo ------------------------------------------------------------------------------------------------------------

EVENTS = st.builds(said, st.integers(1, 12), st.sampled_from(["one", "two", "***"])) | st.builds(
    joined, st.integers(1, 12)
)
UPDATES = st.builds(
    damaged,
    st.lists(EVENTS, max_size=6).flatmap(lambda events: st.sampled_from([history(*events), push(*events)])),
    st.none() | st.integers(1, 14),
)


@given(st.lists(UPDATES, max_size=4), UPDATES, st.sampled_from(["apply", "withdraw", "end", "failed"]))
def test_whatever_an_input_did_can_be_undone(before: list[TranscriptUpdate], last: TranscriptUpdate, how: str) -> None:
    chat = fresh()
    for update in before:
        chat.apply(update)
    state = chat.state()
    chat.mark()
    entries = chat.failed(last, 5, A_DEFECT) if how == "failed" else chat.apply(last)
    if how == "withdraw":
        for entry in entries:
            if entry.event is not None and entry.event.event_id in chat.delivered:
                chat.withdraw(entry, A_LARGE_RECORD)
    if how == "end":
        chat.away(3)
        chat.end(Problem(OUT_OF_REACH, "no"), 4)
    for _ in range(2):
        chat.undo()
        assert chat.state() == state
    again = Transcript(state)
    assert chat.apply(last) == again.apply(last)
    assert chat.state() == again.state()
