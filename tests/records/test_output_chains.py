"""Certificates of one output: that of the chat, less what is a GAP in this output only."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bridge.errors import Problem
from bridge.records.output_chains import OutputGap, certificate_in_output, gap_in_output
from bridge.transcript.entries import CHANGED, COMPLETE, GAP, ID_REUSED, INCOMPLETE, LIVE, Certificate, Entry, Gap
from bridge.transcript.gap_codes import IDS_REUSED, NOT_IN_REPLAY, TOO_LARGE
from tests.transcript.build import said

WHY: Final = Problem(TOO_LARGE, "a record of 9000 bytes; 8000 fit")
WHOLE: Final = Certificate(
    COMPLETE,
    last_sequence=7,
    counts={"PARTY_JOINED": 1, "MESSAGE": 5, GAP: 1},
    id_ranges=[(1, 5)],
    filled=[Gap(3, 4, None, NOT_IN_REPLAY)],
    amendments=1,
)


def refused(entry: Entry) -> OutputGap:
    return gap_in_output("audit", entry, WHY)[0]


def message(event_id: int, sequence: int, **more: object) -> Entry:
    return Entry("MESSAGE", sequence, LIVE, 1, said(event_id), **more)  # type: ignore[arg-type]


def test_an_output_that_lacks_nothing_has_the_certificate_of_the_chat() -> None:
    assert certificate_in_output(WHOLE, []) is WHOLE


def test_what_stands_for_an_event_has_its_place_and_nothing_of_its_content() -> None:
    entry = message(5, 6, fills=3)
    remembered, instead = gap_in_output("audit", entry, WHY)
    assert remembered == OutputGap("audit", 6, "MESSAGE", None, Gap(5, 5, None, TOO_LARGE, WHY.detail))
    assert instead == Entry(GAP, 6, LIVE, 1, gap=remembered.gap)
    assert (entry.kind, entry.event, entry.gap) == ("MESSAGE", said(5), None)  # other outputs have it


def test_an_event_that_is_a_gap_is_neither_counted_nor_listed() -> None:
    own = refused(message(5, 6))
    assert certificate_in_output(WHOLE, [own]) == replace(
        WHOLE,
        verdict=INCOMPLETE,
        reasons=[TOO_LARGE],
        counts={"PARTY_JOINED": 1, "MESSAGE": 4, GAP: 2},
        id_ranges=[(1, 4)],
        gaps=[own.gap],
        quarantined=1,
    )


def test_a_gap_whose_event_came_is_open_where_that_event_is_a_gap_again() -> None:
    own = refused(message(3, 6))
    told = certificate_in_output(WHOLE, [own])
    assert (told.gaps, told.filled) == ([*WHOLE.filled, own.gap], [])
    assert told.reasons == sorted((NOT_IN_REPLAY, TOO_LARGE))
    assert told.id_ranges == [(1, 2), (4, 5)]


def test_an_amendment_that_is_a_gap_takes_away_no_event() -> None:
    changed = refused(message(5, 6, amendment=1))
    assert (changed.amendment, changed.event_id) == (CHANGED, None)
    told = certificate_in_output(WHOLE, [changed])
    assert (told.amendments, told.id_ranges) == (0, WHOLE.id_ranges)


def test_ids_are_reused_only_where_the_other_event_is_recorded() -> None:
    reused = refused(message(5, 6, amendment=1, reused=True))
    whole = replace(WHOLE, ids_reused=1, reasons=[IDS_REUSED])
    assert reused.amendment == ID_REUSED
    told = certificate_in_output(whole, [reused])
    assert (told.ids_reused, told.reasons, told.verdict) == (0, [TOO_LARGE], INCOMPLETE)
    twice = replace(whole, ids_reused=2)
    assert certificate_in_output(twice, [reused]).reasons == [IDS_REUSED, TOO_LARGE]


def test_the_last_record_of_a_kind_leaves_no_count() -> None:
    joined = OutputGap("audit", 1, "PARTY_JOINED", None, Gap(1, 1, None, TOO_LARGE))
    assert certificate_in_output(WHOLE, [joined]).counts == {"MESSAGE": 5, GAP: 2}


def test_a_certificate_supersedes_none_that_is_in_other_outputs_only() -> None:
    assert certificate_in_output(replace(WHOLE, supersedes=5), [], certified=False).supersedes is None
