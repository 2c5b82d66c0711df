"""Coverage: which chats count, which of them are covered, and why the others are not."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.commands.coverage import share
from bridge.records.coverage_counts import NOT_OPENED, UNREAD, CoverageCounts, Uncovered


def opened(session_id: str, at: int = 5) -> dict[str, Any]:
    return {"sessionId": session_id, "state": "OPENED", "at": at, "certificate": None}


def closed(session_id: str, verdict: str, *reasons: str, joins: int | None = 1) -> dict[str, Any]:
    told = {"verdict": verdict, "reasons": list(reasons), "joins": joins, "idRanges": []}
    return {"sessionId": session_id, "state": "CLOSED", "at": 9, "certificate": told}


def counted(*records: dict[str, Any], announced: tuple[str, ...] = (), **bounds: int) -> CoverageCounts:
    counts = CoverageCounts(**bounds)
    for number, session_id in enumerate(announced):
        counts.announce(session_id, number)
    for record in records:
        counts.session(record)
    return counts


def test_a_chat_is_covered_when_its_last_certificate_lacks_nothing_or_only_what_is_expected() -> None:
    result = counted(
        *(opened("A"), closed("A", "COMPLETE")),
        *(opened("B"), closed("B", "COMPLETE_WITH_EXPECTED_HOLES", "BEFORE_JOIN")),
        *(opened("C"), closed("C", "INCOMPLETE", "UNREADABLE"), closed("C", "COMPLETE")),
        announced=("A", "B", "C"),
    ).result()
    assert (result.chats, result.announced, result.joined, result.due, result.covered) == (3, 3, 3, 3, 3)
    assert result.uncovered == []


def test_a_chat_that_is_not_covered_is_named_with_the_codes_why() -> None:
    counts = counted(
        *(opened("A"), closed("A", "INCOMPLETE", "NEVER_JOINED", joins=0)),
        *(opened("B"), closed("B", "A_LATER_VERDICT", "X")),
        announced=("A", "C"),
    )
    counts.leave_unread("D")
    result = counts.result()
    assert result.uncovered == [
        Uncovered("A", "INCOMPLETE", ("NEVER_JOINED",)),
        Uncovered("C", None, (NOT_OPENED,)),
        Uncovered("B", "A_LATER_VERDICT", ("X",)),
        Uncovered("D", None, (UNREAD,)),
    ]
    assert (result.due, result.covered, result.joined) == (4, 0, 1)


def test_an_open_chat_is_neither_covered_nor_not() -> None:
    result = counted(opened("A"), *(opened("B"), closed("B", "INCOMPLETE", "OUT_OF_REACH"), opened("B"))).result()
    assert (result.chats, result.open, result.due, result.uncovered) == (2, 2, 0, [])


def test_a_chat_belongs_to_the_time_of_its_first_announcement_or_else_of_its_first_record() -> None:
    records = (opened("B", at=1), closed("B", "COMPLETE"), opened("C", at=7), closed("C", "COMPLETE"))
    counts = {
        (since, until): counted(*records, announced=("A", "X", "B"), since=since, until=until).result().chats
        for since, until in ((0, 99), (2, 99), (3, 99), (0, 2), (0, 7), (7, 8))
    }
    assert counts == {(0, 99): 4, (2, 99): 2, (3, 99): 1, (0, 2): 2, (0, 7): 3, (7, 8): 1}


@pytest.mark.parametrize(
    ("covered", "due", "shown"), [(1, 1, "100.00 %"), (41_195, 41_203, "99.98 %"), (99_999, 100_000, "99.99 %")]
)
def test_what_is_not_all_is_never_shown_as_all(covered: int, due: int, shown: str) -> None:
    assert share(covered, due) == shown
