"""The order, the dependencies and the time limits of checks, and what is made of their errors."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from bridge.doctor.examination import Check, CheckedSubject, examine
from bridge.doctor.examination_report import exit_code
from bridge.doctor.results.check_result import CheckResult, CheckState, failed, not_checked, ok, warning
from bridge.errors import AccessDenied

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

CANARY = "canary-in-an-error"
Ask = "Callable[[], Awaitable[Sequence[CheckResult]]]"


def answering(*results: CheckResult) -> Callable[[], Awaitable[Sequence[CheckResult]]]:
    async def ask() -> Sequence[CheckResult]:
        return results

    return ask


def raising(error: Exception) -> Callable[[], Awaitable[Sequence[CheckResult]]]:
    async def ask() -> Sequence[CheckResult]:
        raise error

    return ask


async def silence() -> Sequence[CheckResult]:
    await asyncio.Event().wait()
    return []


def examined(*checks: Check, total: float = 10.0) -> list[CheckedSubject]:
    return asyncio.run(examine(checks, total_seconds=total))


GOOD = ok("a", "good")
BAD = failed("a", "KAFKA_REFUSES", "bad", "mend it")


def test_results_come_in_the_order_of_the_checks_whichever_ends_first() -> None:
    gone_on = asyncio.Event()

    async def late() -> Sequence[CheckResult]:
        await gone_on.wait()
        return [GOOD]

    async def early() -> Sequence[CheckResult]:
        gone_on.set()
        return [GOOD]

    told: list[str] = []
    checks = [Check("late", late, 5), Check("early", early, 5)]
    found = asyncio.run(examine(checks, lambda subject: told.append(subject.name)))
    assert [subject.name for subject in found] == told == ["late", "early"]


def test_what_depends_on_a_failure_is_not_asked_and_names_the_first_cause() -> None:
    def ask() -> Awaitable[Sequence[CheckResult]]:
        raise AssertionError("asked")

    found = examined(
        Check("connection", answering(BAD), 5),
        Check("brokers", ask, 5, ("connection",)),
        Check("topics", ask, 5, ("brokers",)),
    )
    for subject in found[1:]:
        (line,) = subject.results
        assert (line.state, line.code) == (CheckState.NOT_CHECKED, "BLOCKED")
        assert "`connection`" in line.detail


@pytest.mark.parametrize("line", [GOOD, warning("a", "ONE_REPLICA", "works", "mend it")])
def test_one_line_that_works_is_enough_to_go_on(line: CheckResult) -> None:
    found = examined(Check("first", answering(BAD, line), 5), Check("next", answering(GOOD), 5, ("first",)))
    assert found[1].results == (GOOD,)


def test_what_was_not_checked_is_no_ground_to_go_on() -> None:
    untold = not_checked("a", "NOT_TOLD", "not told")
    found = examined(Check("first", answering(untold), 5), Check("next", answering(GOOD), 5, ("first",)))
    assert found[1].blocked_by == "first"


def test_a_check_that_finds_nothing_to_look_at_does_not_say_ok() -> None:
    (subject,) = examined(Check("empty", answering(), 5))
    assert [(line.state, line.code) for line in subject.results] == [(CheckState.NOT_CHECKED, "NOTHING_FOUND")]


@pytest.mark.parametrize(("seconds", "total"), [(0.01, 10.0), (10.0, 0.01)])
def test_silence_is_a_failure_after_the_limit_of_the_check_or_of_all(seconds: float, total: float) -> None:
    (subject,) = examined(Check("silent", silence, seconds), total=total)
    assert [(line.state, line.code) for line in subject.results] == [(CheckState.FAILED, "NO_ANSWER")]


def test_an_error_that_the_bridge_raises_on_purpose_is_a_failure_with_its_next_step() -> None:
    (subject,) = examined(Check("rights", raising(AccessDenied("denied", next_step="grant it")), 5))
    assert subject.results == (failed("rights", "ACCESS_DENIED", "denied", "grant it"),)


@pytest.mark.parametrize("error", [ValueError(CANARY), TimeoutError(CANARY), OSError(CANARY)])
def test_a_defect_of_one_check_is_a_line_without_its_text_and_the_others_go_on(error: Exception) -> None:
    found = examined(Check("defective", raising(error), 5), Check("other", answering(GOOD), 5))
    (line,) = found[0].results
    assert (line.state, line.code) == (CheckState.NOT_CHECKED, "DOCTOR_DEFECT")
    assert type(error).__name__ in line.detail
    assert CANARY not in line.detail
    assert found[1].results == (GOOD,)
    assert exit_code(found) == 3


def test_an_error_of_who_is_told_is_raised_as_it_is_and_ends_all_checks() -> None:
    ended: list[str] = []

    async def waiting() -> Sequence[CheckResult]:
        try:
            return await silence()
        finally:
            ended.append("waiting")

    def broken_pipe(_: CheckedSubject) -> None:
        raise BrokenPipeError

    checks = [Check("first", answering(GOOD), 5), Check("waiting", waiting, 5)]
    with pytest.raises(BrokenPipeError):
        asyncio.run(examine(checks, broken_pipe))
    assert ended == ["waiting"]
