"""The benchmarks print the goals that docs/performance.md states."""

from __future__ import annotations

import pytest

from tests.bench.goals import LATENCY_MS, TIMES_SEND, goals_at, memory_goal
from tests.bench.simulated_chats import FLAT_OUT
from tests.packaging.published_files import ROOT


@pytest.mark.parametrize(
    ("rate", "goals"),
    [
        (50, "  (goal: at most 5 % of a core)"),
        (500, "  (goal: at most 12 % of a core, p50 10 ms, p99 40 ms, 80 transactions/s)"),
        (4_000, "  (goal: at most 25 % of a core, p50 20 ms, p99 60 ms)"),
        (FLAT_OUT, ""),
    ],
)
def test_the_goals_of_a_rate_are_in_one_line(rate: int, goals: str) -> None:
    assert goals_at(rate) == goals


def test_only_as_many_chats_as_a_goal_names_have_one() -> None:
    assert [memory_goal(chats) for chats in (1_000, 20_000)] == ["", "; goal: below 300 MB"]


def test_the_page_states_the_same_goals() -> None:
    page = " ".join((ROOT / "docs" / "performance.md").read_text("utf-8").split())
    shares = [goals_at(rate).split("at most ")[1].split(" %")[0] for rate in (50, 500, 4_000)]
    (half, tail), (half_more, tail_more) = LATENCY_MS[500], LATENCY_MS[4_000]
    assert f"The goals are {shares[0]}, {shares[1]} and {shares[2]} % of a core, {half} / {tail} ms at 500/s" in page
    assert f"and {half_more} / {tail_more} at 4,000/s, 80 transactions/s" in page
    assert f"at full load is at most {TIMES_SEND:.1f} times a bare `send`" in page
