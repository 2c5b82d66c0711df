"""A distribution of times in whole seconds as a sketch of logarithmic buckets: small, deterministic, mergeable.

A bucket is named by the shortest time in it. Times below 32 s have a bucket each; above, a bucket holds the times with
the same five leading binary digits. A percentile is the middle of its bucket: exact below 32 s, and at most 1/32 of the
true value (the nearest rank's) off above. No floating point, so every machine finds the same. There are at most 448
buckets, because a time has at most 31 digits (`bounds.INT32`). Two sketches are merged by adding up their buckets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

_DIGITS: Final = 5


@dataclass(slots=True)
class TimeSketch:
    """Times of which only buckets are kept, and count, sum and maximum: these are exact. All in seconds, from 0."""

    count: int = 0
    total: int = 0
    longest: int | None = None
    buckets: dict[int, int] = field(default_factory=dict)

    def add(self, seconds: int) -> None:
        """Add one time."""
        start = bucket_of(seconds)
        self.buckets[start] = self.buckets.get(start, 0) + 1
        self.count += 1
        self.total += seconds
        self.longest = seconds if self.longest is None else max(self.longest, seconds)

    def percentile(self, hundredths: int) -> int | None:
        """Return the time at the nearest rank, as near as the sketch knows it; None when there is none."""
        rank = -(-self.count * hundredths // 100)
        for start in sorted(self.buckets):
            rank -= self.buckets[start]
            if rank <= 0 and self.longest is not None:
                return min(start + _width_of(start) // 2, self.longest)
        return None


def bucket_of(seconds: int) -> int:
    """Return the name of the bucket that a time belongs to."""
    spare = max(seconds.bit_length() - _DIGITS, 0)
    return seconds >> spare << spare


def _width_of(start: int) -> int:
    return 1 << max(start.bit_length() - _DIGITS, 0)
