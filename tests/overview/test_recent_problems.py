from __future__ import annotations

from bridge.errors import Problem
from bridge.overview.recent_problems import MOST, RecentProblems, sentence
from bridge.sources.chat_server.link_facts import LinkFailed, LinkLost

SLOW = Problem("COMMIT_SLOW", "a transaction has been in progress for 7 s")


def test_what_differs_only_in_numbers_is_one_problem_with_its_last_words() -> None:
    problems = RecentProblems()
    problems.happened("RESET", "link lost: chat-a:4800, after 3 s", 1000)
    problems.happened("RESET", "link lost: chat-b:4800, after 3 s", 1500)
    problems.happened("RESET", "link lost: chat-a:4800, after 25 s", 2000)
    first, second = problems.listed()
    assert (first.cause, first.times, first.first_at, first.last_at) == (
        "link lost: chat-a:4800, after 25 s",
        2,
        1000,
        2000,
    )
    assert (second.cause, second.times, second.standing) == ("link lost: chat-b:4800, after 3 s", 1, False)


def test_a_reason_stands_until_it_is_gone_and_counts_once_for_each_time_that_it_began() -> None:
    problems = RecentProblems()
    problems.reasons([SLOW], 1000)
    problems.reasons([Problem(SLOW.code, SLOW.detail.replace("7", "12"))], 6000)
    [one] = problems.listed()
    assert (one.standing, one.times, one.first_at, one.last_at) == (True, 1, 1000, 6000)
    assert one.cause == "a transaction has been in progress for 12 s"
    problems.reasons([], 11_000)
    [one] = problems.listed()
    assert (one.standing, one.times, one.last_at) == (False, 1, 11_000)
    problems.reasons([], 16_000)
    problems.reasons([SLOW], 21_000)
    [one] = problems.listed()
    assert (one.standing, one.times, one.first_at, one.last_at) == (True, 2, 1000, 21_000)


def test_a_reason_that_is_there_twice_in_other_numbers_is_one() -> None:
    problems = RecentProblems()
    problems.reasons([Problem("SHARD_OPENING", f"shard {number}: starting") for number in range(4)], 1000)
    [one] = problems.listed()
    assert (one.code, one.standing, one.times) == ("SHARD_OPENING", True, 1)


def test_the_oldest_goes_when_there_are_too_many() -> None:
    problems = RecentProblems()
    for number in range(MOST + 5):
        problems.happened("RESET", "x" * number, number)
    listed = problems.listed()
    assert len(listed) == MOST
    assert (listed[0].cause, listed[-1].cause) == ("x" * (MOST + 4), "x" * 5)


def test_a_long_cause_is_cut() -> None:
    problems = RecentProblems()
    problems.happened("RESET", "x" * 10_000, 1)
    assert len(problems.listed()[0].cause) == 300


def test_a_log_line_is_told_with_its_code_and_without_stack_frames() -> None:
    lost = LinkLost(server="chat-a:4800", code="RESET", detail="connection reset", registered=True)
    assert sentence(lost.name(), lost.line()) == ("RESET", "link lost: chat-a:4800, connection reset, registered True")
    failed = LinkFailed(server="chat-a:4800", error="KeyError", at=("/somewhere/link.py:7 send",))
    assert sentence(failed.name(), failed.line()) == ("LINK_FAILED", "link failed: chat-a:4800, KeyError")
    assert sentence("announcement_rejected", {}) == ("ANNOUNCEMENT_REJECTED", "announcement rejected")
