"""Which times records get after a broker has refused some, by a clock that is moved by hand."""

from __future__ import annotations

from bridge.adapters.kafka.record_times import CLOCK, ELAPSED, NO_TIME, NONE, RecordTime, RecordTimes

START_MS = 1_930_000_000_000
DAY_MS = 86_400_000


class MovedClock:
    """A wall clock that is `wrong_ms` ahead, and a monotonic clock."""

    def __init__(self) -> None:
        self.passed = 100.0
        self.wrong_ms = 0

    def now_us(self) -> int:
        return (START_MS + self.wrong_ms) * 1000 + int(self.passed * 1_000_000)

    def monotonic(self) -> float:
        return self.passed


def write(times: RecordTimes, clock: MovedClock, limit_ms: int = 3_600_000) -> RecordTime:
    """Write records as a broker with the right time takes or refuses them; return the time that they had."""
    given = times.now()
    if given.ms != NO_TIME and given.ms > START_MS + clock.passed * 1000 + limit_ms:
        times.refused(given)
    else:
        times.taken(given)
    return given


def test_records_have_the_time_of_the_clock_while_it_is_taken() -> None:
    clock = MovedClock()
    times = RecordTimes(clock)
    assert write(times, clock) == RecordTime(START_MS + 100_000, CLOCK)
    clock.passed += 5
    assert write(times, clock) == RecordTime(START_MS + 105_000, CLOCK)


def test_after_a_refusal_they_have_the_last_time_that_was_taken_and_what_has_passed_since() -> None:
    clock = MovedClock()
    times = RecordTimes(clock)
    write(times, clock)
    clock.wrong_ms = DAY_MS
    assert write(times, clock).had == CLOCK
    clock.passed += 7
    assert write(times, clock) == RecordTime(START_MS + 107_000, ELAPSED)


def test_a_worker_whose_clock_was_wrong_from_the_start_gives_no_time() -> None:
    clock = MovedClock()
    clock.wrong_ms = DAY_MS
    times = RecordTimes(clock)
    assert write(times, clock).had == CLOCK
    assert write(times, clock) == RecordTime(NO_TIME, NONE)


def test_a_clock_that_drifted_away_before_it_was_refused_ends_without_a_time() -> None:
    clock = MovedClock()
    times = RecordTimes(clock)
    clock.wrong_ms = 3_600_000
    write(times, clock)
    clock.wrong_ms += 1
    written = []
    for _ in range(3):
        clock.passed += 1
        written.append(write(times, clock, 3_599_999).had)
    assert written == [CLOCK, ELAPSED, NONE]


def test_the_same_refusal_told_to_several_producers_counts_once() -> None:
    clock = MovedClock()
    times = RecordTimes(clock)
    write(times, clock)
    clock.wrong_ms = DAY_MS
    given = times.now()
    for _ in range(12):
        times.refused(given)
    assert times.now().had == ELAPSED


def test_the_clock_is_tried_again_after_a_while_and_used_when_it_is_right() -> None:
    clock = MovedClock()
    times = RecordTimes(clock)
    write(times, clock)
    clock.wrong_ms = DAY_MS
    failed = 0
    for _ in range(3_600):
        clock.passed += 1
        failed += write(times, clock).had == CLOCK
    assert failed == 6  # one transaction in ten minutes
    clock.wrong_ms = 0
    clock.passed += 600
    assert write(times, clock) == RecordTime(START_MS + int(clock.passed * 1000), CLOCK)
