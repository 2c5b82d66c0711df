from __future__ import annotations

import pytest

from bridge.overview.sample_history import SPAN_SECONDS, STEP_SECONDS, Levels, SampleHistory

QUIET = Levels(oldest_uncommitted=0.0, joined=0, waiting=0, given_up=0, over=0)
STEPS = int(SPAN_SECONDS / STEP_SECONDS)


def test_without_a_sample_there_is_no_rate_and_no_point() -> None:
    history = SampleHistory(100.0)
    figures = history.figures(QUIET)
    assert (figures.events_per_second, figures.commit_p50_seconds, figures.commit_p99_seconds) == (None, None, None)
    assert (history.points().events_per_second, history.points().seconds) == ([], 0)


def test_the_rate_is_that_of_the_last_minute_and_counts_the_time_that_a_sample_really_took() -> None:
    history = SampleHistory(0.0)
    history.tally.committed(1000, 0.01)
    history.sample(5.0, QUIET)
    now = 5.0
    for seconds in (5.0, 20.0, 35.0):  # late samples: something blocked the loop
        history.tally.committed(int(seconds) * 3, 0.01)
        now += seconds
        history.sample(now, QUIET)
    assert history.figures(QUIET).events_per_second == pytest.approx(3.0)
    assert history.points().events_per_second == [200.0, 3.0, 3.0, 3.0]
    assert history.points().seconds == 65.0


def test_quantiles_are_at_most_fifteen_percent_too_high() -> None:
    history = SampleHistory(0.0)
    for number in range(1, 101):
        history.tally.committed(1, number / 100)
    history.sample(5.0, QUIET)
    figures = history.figures(QUIET)
    assert figures.commit_p50_seconds is not None
    assert 0.5 <= figures.commit_p50_seconds <= 0.5 * 1.151
    assert figures.commit_p99_seconds is not None
    assert 0.99 <= figures.commit_p99_seconds <= 0.99 * 1.151


@pytest.mark.parametrize(("seconds", "told"), [(0.0, 0.001), (0.001, 0.001), (1e9, 1174.3)])
def test_no_duration_is_outside_of_the_histogram(seconds: float, told: float) -> None:
    history = SampleHistory(0.0)
    history.tally.committed(1, seconds)
    history.sample(5.0, QUIET)
    assert history.points().commit_p99_seconds == [pytest.approx(told, rel=1e-3)]


def test_a_quarter_of_an_hour_is_remembered_and_not_more_but_the_sums_since_the_start_stay() -> None:
    history = SampleHistory(0.0)
    for step in range(STEPS + 20):
        history.tally.gaps += 1
        history.tally.rejoins += 2
        history.tally.quarantined += 3
        history.sample((step + 1) * STEP_SECONDS, QUIET)
    points, figures = history.points(), history.figures(QUIET)
    assert {len(points.gaps), len(points.joined), len(points.commit_p50_seconds)} == {STEPS}
    assert points.seconds == SPAN_SECONDS
    assert (figures.gaps, figures.rejoins, figures.quarantined) == (STEPS, 2 * STEPS, 3 * STEPS)
    assert (figures.gaps_since_start, figures.rejoins_since_start) == (STEPS + 20, 2 * (STEPS + 20))
    assert figures.quarantined_since_start == 3 * (STEPS + 20)


def test_what_was_counted_since_the_last_sample_is_in_the_figures() -> None:
    history = SampleHistory(0.0)
    history.tally.gaps += 1
    assert (history.figures(QUIET).gaps, history.figures(QUIET).gaps_since_start) == (1, 1)


def test_levels_are_those_of_their_time() -> None:
    history = SampleHistory(0.0)
    history.sample(5.0, Levels(oldest_uncommitted=1.5, joined=3, waiting=2, given_up=0, over=0))
    history.sample(10.0, QUIET)
    points = history.points()
    assert (points.joined, points.waiting, points.oldest_uncommitted_seconds) == ([3, 0], [2, 0], [1.5, 0.0])
