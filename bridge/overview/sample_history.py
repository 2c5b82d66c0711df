"""What happened in the last 15 minutes, in intervals of some seconds: rates, quantiles, and a point for each interval.

Memory is constant: an interval holds a few numbers and a histogram, and the oldest one goes when a new one comes.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bridge.overview.worker_report import Figures, History

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

STEP_SECONDS: Final = 5.0
SPAN_SECONDS: Final = 900.0
_RECENT_SECONDS: Final = 60.0
_LEAST_SECONDS: Final = 0.001
_FACTOR: Final = 1.15
"""Ratio of two bounds of the histogram: a quantile is at most that much too high."""
_BUCKETS: Final = 100


@dataclass(slots=True)
class Tally:
    """What happened since the last sample. `commits` counts transactions by the bucket of their duration."""

    events: int = 0
    gaps: int = 0
    rejoins: int = 0
    quarantined: int = 0
    commits: Counter[int] = field(default_factory=Counter)

    def committed(self, events: int, seconds: float) -> None:
        """Count a transaction and its event records."""
        self.events += events
        self.commits[_bucket(seconds)] += 1


@dataclass(slots=True, frozen=True, kw_only=True)
class Levels:
    """How things stood at the time of a sample."""

    oldest_uncommitted: float
    joined: int
    waiting: int
    given_up: int
    over: int


@dataclass(slots=True, frozen=True)
class _Interval:
    seconds: float
    tally: Tally
    levels: Levels


class SampleHistory:
    """The intervals of the last 15 minutes, and the sums since the start."""

    def __init__(self, now: float) -> None:
        """`now` is monotonic, in seconds, as are the times of all calls. Count into `tally`, then call `sample`."""
        self.tally = Tally()
        self._since = now
        self._intervals: deque[_Interval] = deque(maxlen=int(SPAN_SECONDS / STEP_SECONDS))
        self._totals = Tally()

    def sample(self, now: float, levels: Levels) -> None:
        """End an interval."""
        seconds = max(now - self._since, _LEAST_SECONDS)
        for name in ("events", "gaps", "rejoins", "quarantined"):
            setattr(self._totals, name, getattr(self._totals, name) + getattr(self.tally, name))
        self._intervals.append(_Interval(seconds, self.tally, levels))
        self.tally, self._since = Tally(), now

    def figures(self, levels: Levels) -> Figures:
        """Return the numbers of the tiles: rates and quantiles of the last minute, counts of all that is remembered."""
        recent = self._recent()
        seconds = sum(one.seconds for one in recent)
        commits = _together(recent)
        return Figures(
            events_per_second=sum(one.tally.events for one in recent) / seconds if recent else None,
            commit_p50_seconds=_quantile(commits, 0.5),
            commit_p99_seconds=_quantile(commits, 0.99),
            oldest_uncommitted_seconds=levels.oldest_uncommitted,
            joined=levels.joined,
            waiting=levels.waiting,
            given_up=levels.given_up,
            over=levels.over,
            gaps=sum(one.tally.gaps for one in self._intervals) + self.tally.gaps,
            gaps_since_start=self._totals.gaps + self.tally.gaps,
            rejoins=sum(one.tally.rejoins for one in self._intervals) + self.tally.rejoins,
            rejoins_since_start=self._totals.rejoins + self.tally.rejoins,
            quarantined=sum(one.tally.quarantined for one in self._intervals) + self.tally.quarantined,
            quarantined_since_start=self._totals.quarantined + self.tally.quarantined,
        )

    def points(self) -> History:
        """Return a point for each interval, the oldest one first."""

        def each(value: Callable[[_Interval], float | None]) -> list[float | None]:
            return [None if (found := value(one)) is None else round(found, 4) for one in self._intervals]

        return History(
            seconds=sum(one.seconds for one in self._intervals),
            step_seconds=STEP_SECONDS,
            events_per_second=each(lambda one: one.tally.events / one.seconds),
            commit_p50_seconds=each(lambda one: _quantile(one.tally.commits, 0.5)),
            commit_p99_seconds=each(lambda one: _quantile(one.tally.commits, 0.99)),
            oldest_uncommitted_seconds=each(lambda one: one.levels.oldest_uncommitted),
            joined=each(lambda one: one.levels.joined),
            waiting=each(lambda one: one.levels.waiting),
            gaps=each(lambda one: one.tally.gaps),
            rejoins=each(lambda one: one.tally.rejoins),
            quarantined=each(lambda one: one.tally.quarantined),
        )

    def _recent(self) -> list[_Interval]:
        """Return the last intervals that cover a minute together."""
        found: list[_Interval] = []
        seconds = 0.0
        for one in reversed(self._intervals):
            if seconds >= _RECENT_SECONDS:
                break
            found.append(one)
            seconds += one.seconds
        return found


def _together(intervals: Iterable[_Interval]) -> Counter[int]:
    found: Counter[int] = Counter()
    for one in intervals:
        found.update(one.tally.commits)
    return found


def _bucket(seconds: float) -> int:
    """Return the number of the first bucket whose bound (`_FACTOR` ** number, in ms) is not below `seconds`."""
    if seconds <= _LEAST_SECONDS:
        return 0
    return min(math.ceil(math.log(seconds / _LEAST_SECONDS, _FACTOR)), _BUCKETS)


def _quantile(buckets: Counter[int], share: float) -> float | None:
    """Return the bound in seconds of the bucket that the quantile lies in; None without any transaction."""
    wanted = share * buckets.total()
    below = 0
    for number in sorted(buckets):
        below += buckets[number]
        if below >= wanted:
            return float(_LEAST_SECONDS * _FACTOR**number)
    return None
