"""Classes of holes, and the verdict that follows from the reasons."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bridge.transcript import gap_codes
from bridge.transcript.completeness import (
    BEFORE_JOIN,
    DIRECT_MESSAGE_SUSPECTED,
    EXPECTED_CLASSES,
    NOT_CLASSIFIED,
    SET_ASIDE,
    TYPING_ONLY,
    UNEXPLAINED,
    WITHHELD_BY_VERSION,
    MissingIds,
    due_reasons,
    holes_of,
    verdict_of,
)
from bridge.transcript.entries import COMPLETE, COMPLETE_WITH_EXPECTED_HOLES, INCOMPLETE, Gap
from bridge.transcript.ranges import IdRanges
from bridge.transcript.watch import UNKNOWN_WATCH, Watch

gone = MissingIds
IDS = IdRanges([(2, 3), (6, 6), (9, 9)])
SEEN = Watch(joined_at=1, history_to=4, lowest_version=106, direct_messages=2)
AWAY = Gap(7, 8, 5, gap_codes.NOT_IN_REPLAY)
LARGE = Gap(10, 10, None, gap_codes.TOO_LARGE)


@pytest.mark.parametrize(
    ("watch", "gaps", "archived", "holes"),
    [
        (SEEN, [], False, [gone(1, 1, BEFORE_JOIN), gone(4, 4, BEFORE_JOIN), gone(5, 5, "x"), gone(7, 8, "x")]),
        (SEEN, [AWAY, LARGE], False, [
            gone(1, 1, BEFORE_JOIN), gone(4, 4, BEFORE_JOIN), gone(5, 5, "x"), gone(7, 8, UNEXPLAINED),
            gone(10, 10, SET_ASIDE),
        ]),
        (SEEN, [AWAY, LARGE], True, [
            gone(1, 1, TYPING_ONLY), gone(4, 5, TYPING_ONLY), gone(7, 8, UNEXPLAINED), gone(10, 10, SET_ASIDE),
        ]),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("changes", "skipped"),
    [
        ({}, DIRECT_MESSAGE_SUSPECTED),
        ({"direct_messages": 1}, UNEXPLAINED),
        ({"lowest_version": 103}, WITHHELD_BY_VERSION),
    ],
)
def test_each_missing_id_is_in_one_hole_of_its_class(
    *, watch: Watch, gaps: list[Gap], archived: bool, holes: list[MissingIds], changes: dict[str, Any], skipped: str
) -> None:
    expected: list[MissingIds] = []
    for low, high, what in holes:
        own = skipped if what == "x" else what
        if expected and expected[-1].what == own and expected[-1].high + 1 == low:
            expected[-1] = expected[-1]._replace(high=high)
        else:
            expected.append(gone(low, high, own))
    assert holes_of(IDS, gaps, replace(watch, **changes), archived=archived) == expected


def test_of_a_chat_whose_beginning_is_not_known_nothing_more_is_said() -> None:
    assert {hole.what for hole in holes_of(IDS, [], UNKNOWN_WATCH, archived=False)} == {NOT_CLASSIFIED}
    assert {hole.what for hole in holes_of(IDS, [], Watch(), archived=False)} == {UNEXPLAINED}


@pytest.mark.parametrize("code", sorted(gap_codes.GAP_CODES))
def test_an_open_gap_is_a_reason_whatever_else_is_known(code: str) -> None:
    assert due_reasons([Gap(11, None, None, code)], [gone(5, 5, TYPING_ONLY)]) == {code, TYPING_ONLY}


def test_a_hole_is_a_reason_if_it_is_expected_or_no_gap_names_it() -> None:
    assert due_reasons([AWAY], [gone(7, 8, UNEXPLAINED)]) == {gap_codes.NOT_IN_REPLAY}
    assert due_reasons([], [gone(7, 8, UNEXPLAINED)]) == {gap_codes.UNEXPLAINED_IDS}


def test_the_verdict_follows_from_the_reasons_and_what_is_not_known_is_a_lack() -> None:
    assert verdict_of([]) == verdict_of([gap_codes.IDS_REUSED]) == COMPLETE
    assert verdict_of([gap_codes.IDS_REUSED, *EXPECTED_CLASSES]) == COMPLETE_WITH_EXPECTED_HOLES
    for code in (*gap_codes.GAP_CODES, *(gap_codes.CERTIFICATE_CODES.keys() - {gap_codes.IDS_REUSED}), "A_LATER_CODE"):
        assert verdict_of([BEFORE_JOIN, code]) == INCOMPLETE
