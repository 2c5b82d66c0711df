"""The plain consumer finds what it is there to find, and nothing in records that are as they should be."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.support.plain_consumer import judge_plainly

CHAT: Final = "0000PLAIN0000001"
OTHER: Final = "0000PLAIN0000002"
EXPECTED: Final = {CHAT: {1, 2, 4}}


def event(event_id: int | None, partition: int = 3, chat: str = CHAT) -> tuple[int, dict[str, Any]]:
    return partition, {"sessionId": chat, "eventId": event_id}


def session(verdict: str | None, partition: int = 3, chat: str = CHAT) -> tuple[int, dict[str, Any]]:
    return partition, {"sessionId": chat, "certificate": verdict and {"verdict": verdict}}


SESSIONS: Final = [session(None), session("COMPLETE")]
WHOLE: Final = [event(1), event(None), event(2), event(4)]


def test_each_event_once_in_order_on_one_partition() -> None:
    found = judge_plainly(WHOLE, SESSIONS, EXPECTED)
    assert (found.problems, found.events, found.lacking, found.places) == ([], 3, set(), {CHAT: {3}})


@pytest.mark.parametrize(
    ("events", "sessions", "problem"),
    [
        ([*WHOLE, event(4)], SESSIONS, f"{CHAT}:4 is there 2 times"),
        ([*WHOLE, event(5)], SESSIONS, f"{CHAT}:5 is in no ledger"),
        ([*WHOLE, event(1, chat=OTHER)], SESSIONS, f"{OTHER}:1 is in no ledger"),
        ([event(1), event(4), event(2)], SESSIONS, f"{CHAT} is out of order"),
        ([event(1), event(2)], SESSIONS, f"{CHAT}:4 is missing"),
        ([], [], f"{CHAT}:1 is missing"),
        ([event(1), event(2), event(4, 5)], SESSIONS, f"{CHAT} is on [3, 5]"),
        (WHOLE, [*SESSIONS, session("COMPLETE", 5)], f"{CHAT} is on [3, 5]"),
    ],
)
def test_anything_else_is_a_problem(
    events: list[tuple[int, dict[str, Any]]], sessions: list[tuple[int, dict[str, Any]]], problem: str
) -> None:
    assert problem in judge_plainly(events, sessions, EXPECTED).problems


def test_what_a_certificate_reports_as_missing_is_no_problem_and_is_told() -> None:
    found = judge_plainly(WHOLE[:-1], [session("INCOMPLETE")], EXPECTED)
    assert (found.problems, found.lacking) == ([], {CHAT})
    whole = judge_plainly(WHOLE, [session("INCOMPLETE")], EXPECTED)
    assert (whole.problems, whole.lacking) == ([], set())
