"""Summaries: against a naive implementation, however the events came; which chats have none, or approximate ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import Problem
from bridge.transcript import entries as kinds
from bridge.transcript.event_outlines import Outlines, each_outline
from bridge.transcript.events import ChatEvent, MessageText, UserInfo
from bridge.transcript.fold import Transcript
from bridge.transcript.gap_codes import TOO_LARGE
from bridge.transcript.parties import MAX_PARTIES, Parties
from bridge.transcript.response_times import TimeSketch, bucket_of
from bridge.transcript.summary import Summary
from tests.model.naive_summary import bucket
from tests.transcript.build import fresh, history, joined, left, push, said
from tests.transcript.summary_chats import amended, chats, expected, fields_of, restored, same_figures


@settings(max_examples=60)
@given(chats())
def test_a_chat_has_the_figures_of_the_naive_implementation(events: list[ChatEvent]) -> None:
    fold = fresh()
    fold.apply(history(*events))
    found, wanted = fields_of(fold), expected(events)
    assert same_figures(found, wanted), (found, wanted)


@settings(max_examples=30)
@given(chats(), st.data())
def test_they_do_not_depend_on_when_and_where_from_the_events_came_nor_on_restorations(
    events: list[ChatEvent], data: st.DataObject
) -> None:
    fold = fresh()
    for event in data.draw(st.permutations([*events, *events[:3]])):
        origin = data.draw(st.sampled_from([None, kinds.ARCHIVE]))
        fold.apply(data.draw(st.sampled_from([push, history]))(event), origin=origin)
        if data.draw(st.booleans()):
            fold = restored(fold)
    found, wanted = fields_of(fold), expected(events)
    assert same_figures(found, wanted), (found, wanted)


@settings(max_examples=20)
@given(chats(), st.data())
def test_an_amendment_counts_instead_of_what_it_amends_and_a_withdrawn_event_does_not_count(
    events: list[ChatEvent], data: st.DataObject
) -> None:
    fold = fresh()
    entries = fold.apply(history(*events))
    changed = data.draw(st.sets(st.sampled_from(range(len(events)))))
    final = {event.event_id: event for event in events}
    for at in sorted(changed):
        fold.apply(push(amended(events[at])))
        final[events[at].event_id] = amended(events[at])
    gone = data.draw(st.none() | st.sampled_from([entry for entry in entries if entry.event is not None]))
    if gone is not None and gone.event is not None:
        del final[gone.event.event_id]
        fold.withdraw(gone, Problem(TOO_LARGE, "too large"))
    found = fields_of(restored(fold))
    wanted = expected(list(final.values()))
    if gone is None:
        assert same_figures(found, wanted), (found, wanted)
    elif not isinstance(found, str) and not isinstance(wanted, str):  # what it said of its party is still known
        counted = ("durationSeconds", "filesUploaded", "filesDeleted")
        assert [found[name] for name in counted] == [wanted[name] for name in counted]


@settings(max_examples=20)
@given(chats(), chats())
def test_an_input_that_fails_half_way_leaves_no_trace(before: list[ChatEvent], after: list[ChatEvent]) -> None:
    fold = fresh()
    fold.apply(history(*before))
    state, told = fold.state(), fields_of(fold)
    fold.mark()
    fold.apply(push(*after))
    fold.apply(push(*map(amended, before)))
    fold.undo()
    assert (fold.state(), fields_of(fold)) == (state, told)


@settings(max_examples=20)
@given(chats())
def test_an_outline_takes_few_bytes_and_typing_none(events: list[ChatEvent]) -> None:
    parties, outlines = Parties(), Outlines({})
    for event in events:
        parties.party_of(event)
        outlines.put(event, parties)
    stored = outlines.stored() or {}
    assert sum(map(len, stored.values())) <= 16 * len(events)
    typed = {event.event_id for event in events if event.notice_text and event.notice_text.notice_type[0] == "T"}
    assert not typed & {one.event_id for block, packed in stored.items() for one in each_outline(block, packed)}


def test_a_short_message_in_a_chat_that_goes_on_takes_four_bytes() -> None:
    fold = fresh()
    fold.apply(history(joined(1), *(said(at, "a few words as people write them", "A") for at in range(8, 16))))
    assert len((fold.state().outlines or {})[1]) == 8 * 4


# --- what has no summary, or an approximate one ----------------------------------------------------------------------


def test_a_chat_of_which_nothing_was_seen_has_none() -> None:
    assert fresh().summary(missing=True) == "NOTHING_SEEN"


def test_a_chat_that_was_captured_without_outlines_has_none_also_when_it_goes_on() -> None:
    fold = fresh()
    fold.apply(history(joined(1), said(2)))
    former = Transcript(replace(fold.state(), outlines=None))
    former.apply(push(said(3)))
    assert former.summary(missing=False) == "FORMER_VERSION"
    assert restored(former).summary(missing=False) == "FORMER_VERSION"


def test_a_chat_whose_events_are_remembered_as_published_ids_only_has_none() -> None:
    fold = fresh()
    fold.apply(history(joined(1), said(2)))
    state = fold.state()
    for forgotten in (replace(state, prints=None), replace(state, prints={}, outlines={}, unprinted=state.id_ranges)):
        assert Transcript(forgotten).summary(missing=False) == "FORGOTTEN"


def reasons(fold: Transcript, *, missing: bool = False) -> list[str]:
    told = fold.summary(missing=missing)
    assert isinstance(told, Summary)
    return told.approximate_reasons


def test_figures_say_why_they_are_approximate() -> None:
    fold = fresh()
    fold.apply(history(joined(1), said(2)))
    assert (reasons(fold), reasons(fold, missing=True)) == ([], ["EVENTS_MISSING"])
    fold.apply(push(said(3, user_id="never-joined")))
    assert reasons(fold) == ["PARTIES_UNKNOWN"]
    fold.apply(push(joined(4, "bot?", user_type="AGENT")))
    assert reasons(fold) == ["BOTS_GUESSED", "PARTIES_UNKNOWN"]


def test_an_id_that_was_reused_counts_once_with_the_first_of_its_events() -> None:
    fold = fresh()
    fold.apply(history(joined(1), said(2, "first")))
    (entry,) = fold.apply(push(left(2)))
    assert entry.reused
    found = fields_of(fold)
    assert not isinstance(found, str)
    assert (found["byUserType"]["CLIENT"], found["closeReason"]) == ({"messages": 1, "characters": 5}, None)
    assert found["approximateReasons"] == ["IDS_REUSED"]


def test_parties_beyond_those_that_are_remembered_are_unknown() -> None:
    fold = fresh()
    fold.apply(history(*(joined(at, f"U{at}") for at in range(1, MAX_PARTIES + 2))))
    fold.apply(push(said(MAX_PARTIES + 2, "hello", f"U{MAX_PARTIES + 1}")))
    assert reasons(fold) == ["PARTIES_UNKNOWN"]


def test_times_and_numbers_of_any_size_are_kept() -> None:
    fold = fresh()
    late = ChatEvent("message", 2**62, "A", time_shift=2**31 - 1, message_text=MessageText("x" * 100_000))
    early = ChatEvent("newParty", 2**62 + 1, "A", time_shift=-(2**31), user_info=UserInfo("A", "CLIENT"))
    fold.apply(push(late, early))
    found = fields_of(restored(fold))
    assert not isinstance(found, str)
    assert found["durationSeconds"] == 2**31 - 1
    assert found["byUserType"] == {"CLIENT": {"messages": 1, "characters": 100_000}}


# --- the sketch ------------------------------------------------------------------------------------------------------


def sketch_of(times: list[int]) -> TimeSketch:
    sketch = TimeSketch()
    for one in times:
        sketch.add(one)
    return sketch


@given(st.lists(st.integers(0, 80) | st.integers(0, 2**31 - 1), min_size=1), st.integers(1, 100))
def test_a_percentile_is_exact_below_32_seconds_and_at_most_a_32nd_off_above(times: list[int], wanted: int) -> None:
    true = sorted(times)[-(-len(times) * wanted // 100) - 1]
    found = sketch_of(times).percentile(wanted)
    assert found is not None
    assert found == true if true < 32 else abs(found - true) * 32 <= true


@given(st.lists(st.integers(0, 2**31 - 1)), st.lists(st.integers(0, 2**31 - 1)))
def test_two_sketches_are_merged_by_adding_up_their_buckets(one: list[int], other: list[int]) -> None:
    merged = sketch_of(one).buckets
    for start, count in sketch_of(other).buckets.items():
        merged[start] = merged.get(start, 0) + count
    assert merged == sketch_of([*one, *other]).buckets


@given(st.integers(0, 2**31 - 1))
def test_a_bucket_is_the_one_that_the_schema_describes(seconds: int) -> None:
    assert bucket_of(seconds) == bucket(seconds)


def test_there_are_at_most_448_buckets() -> None:
    names = {bucket_of((lead << spare) + (1 << spare) - 1) for spare in range(27) for lead in range(32)}
    assert len(names) == 448


@pytest.mark.parametrize("hundredths", [50, 90])
def test_no_times_have_no_percentile(hundredths: int) -> None:
    assert TimeSketch().percentile(hundredths) is None
