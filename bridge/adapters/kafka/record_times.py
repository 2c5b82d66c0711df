"""The Kafka times of the records that a worker writes: the time of writing, as far as brokers take it.

A topic with `message.timestamp.type=LogAppendTime`, as those that the bridge creates, takes whatever time it is given
and replaces it. Elsewhere a broker refuses a time that is too far from its own clock (an hour ahead by default:
`message.timestamp.after.max.ms`), and the same records, sent again with the same wrong clock, would be refused for as
long as it is wrong. So what is given depends on what was refused:

    CLOCK     the time of this host's clock
    ELAPSED   the last time that was taken, plus what has passed since by the monotonic clock
    NONE      no time (-1), which no broker refuses; Kafka then judges the age of a segment by the time of its file

After _AGAIN_SECONDS the clock is tried again: at most one transaction per worker and attempt fails while it is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from bridge.adapters.clock import SystemClock

if TYPE_CHECKING:
    from bridge.capture.ports import Clock

CLOCK: Final = 0
ELAPSED: Final = 1
NONE: Final = 2

NO_TIME: Final = -1
"""Kafka's word for a record without a time (RecordBatch.NO_TIMESTAMP)."""

WRONG_CLOCK: Final = "a topic does not take the time of the records: this host's clock is not that of the broker"
RIGHT_CLOCK: Final = "set the clock right, or message.timestamp.type=LogAppendTime on the topics"

_AGAIN_SECONDS: Final = 600.0


class RecordTime(NamedTuple):
    """A time in ms since 1970 UTC, or NO_TIME, and how it was had: CLOCK, ELAPSED or NONE."""

    ms: int
    had: int


class RecordTimes:
    """What the producers of a process give to their records."""

    def __init__(self, clock: Clock | None = None) -> None:
        """Begin with the time of `clock`, by default the system's."""
        self._clock: Clock = clock or SystemClock()
        self._had = CLOCK
        self._again_at = 0.0
        self._taken: tuple[int, float] | None = None

    def now(self) -> RecordTime:
        """Return the time for records that are written now."""
        now = self._clock.monotonic()
        if self._had != CLOCK and now >= self._again_at:
            self._had = CLOCK
        if self._had == CLOCK:
            return RecordTime(self._clock.now_us() // 1_000, CLOCK)
        if self._had == ELAPSED and self._taken is not None:
            ms, at = self._taken
            return RecordTime(ms + int((now - at) * 1_000), ELAPSED)
        return RecordTime(NO_TIME, NONE)

    def taken(self, given: RecordTime) -> None:
        """Note that records with this time were written."""
        if given.had == CLOCK:
            self._taken = (given.ms, self._clock.monotonic())

    def refused(self, given: RecordTime) -> None:
        """Note that a broker refused this time. Another producer may have been told the same before."""
        if given.had >= self._had:
            self._had = min(given.had + 1, NONE)
            self._again_at = self._clock.monotonic() + _AGAIN_SECONDS
