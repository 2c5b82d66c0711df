"""How much topics hold and grow, and which limit deletes records first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.adapters.kafka.log_ages import LogAge
from bridge.doctor.results.check_result import CheckState
from bridge.doctor.results.quantities import bytes_in_words, seconds_in_words
from bridge.doctor.results.topic_sizes import TopicLogs, size_result

NOW = 1_900_000_000.0
DAY = 86_400
WEEK_MS = str(7 * DAY * 1_000)


def age(days: float, records: int = 1_000, of_last_day: int = 500) -> LogAge:
    return LogAge(0, records, records - of_last_day, int((NOW - days * DAY) * 1_000))


def logs(
    *ages: LogAge, sizes: tuple[int, ...] | None = None, retention_bytes: int = -1, retention_ms: str = WEEK_MS
) -> TopicLogs:
    config = {"cleanup.policy": "delete", "retention.ms": retention_ms, "retention.bytes": str(retention_bytes)}
    known = None if sizes is None else dict(enumerate(sizes))
    return TopicLogs("events", config, dict(enumerate(ages)), known, NOW)


def test_the_rate_is_that_of_the_last_day_and_says_what_a_full_topic_takes() -> None:
    found = size_result(logs(age(2), age(2), sizes=(1_000_000, 1_000_000)))
    assert found.state is CheckState.OK
    assert "2.0 MB in at most 2000 records" in found.detail
    assert "about 1.0 MB per day, 7.0 MB when its retention is used up" in found.detail
    assert "the oldest is 2.0 days old; kept for 7.0 days" in found.detail


def test_a_topic_younger_than_a_day_is_extrapolated_and_one_younger_than_an_hour_is_not() -> None:
    half = size_result(logs(age(0.5, 1_000, 1_000), sizes=(1_000_000,)))
    assert "about 2.0 MB per day" in half.detail
    young = size_result(logs(age(0.01, 1_000, 1_000), sizes=(1_000_000,)))
    assert "too young for a rate per day" in young.detail


def test_without_sizes_there_are_records_per_day_and_no_bytes() -> None:
    found = size_result(logs(age(2)))
    assert "at most about 500 records per day" in found.detail
    assert "byte" not in found.detail
    assert "MB" not in found.detail


def test_a_size_limit_that_the_busiest_partition_reaches_before_the_time_is_named_with_its_days() -> None:
    found = size_result(logs(age(2), age(2, 1_000, 10), sizes=(1_000_000, 1_000_000), retention_bytes=1_500_000))
    assert (found.state, found.code) == (CheckState.WARNING, "SIZE_LIMIT_FIRST")
    assert "retention.bytes=1500000 deletes records after about 3.0 days, retention.ms keeps them for 7.0 days" in (
        found.detail
    )
    assert "events" in found.next_step


def test_a_size_limit_that_the_time_comes_before_is_ok() -> None:
    found = size_result(logs(age(2), sizes=(1_000_000,), retention_bytes=4_000_000))
    assert found.state is CheckState.OK
    assert "or 4.0 MB per partition" in found.detail


def test_a_partition_that_has_reached_its_limit_is_named_although_it_is_too_young_for_a_rate() -> None:
    found = size_result(logs(age(0.01), sizes=(1_000_000,), retention_bytes=1_000_000))
    assert found.code == "SIZE_LIMIT_FIRST"
    assert "after about 14 minutes" in found.detail


def test_a_size_limit_ends_what_time_would_keep_for_ever() -> None:
    found = size_result(logs(age(2), sizes=(1_000_000,), retention_bytes=4_000_000, retention_ms="-1"))
    assert found.code == "SIZE_LIMIT_FIRST"
    assert "retention.ms keeps them for ever" in found.detail


def test_a_compacted_topic_has_no_limit() -> None:
    one = logs(age(2), sizes=(1_000_000,), retention_bytes=10)
    found = size_result(replace(one, config={**one.config, "cleanup.policy": "compact"}))
    assert found.state is CheckState.OK
    assert "the newest record of each key is kept" in found.detail


def test_an_empty_topic_says_so_and_one_without_partitions_was_not_looked_at() -> None:
    assert "holds no record" in size_result(logs(LogAge(7, 7, 7, None), sizes=(0,))).detail
    assert size_result(logs()).state is CheckState.NOT_CHECKED


def test_records_without_a_time_have_no_age() -> None:
    found = size_result(logs(LogAge(0, 10, 10, -1), sizes=(1_000,)))
    assert found.state is CheckState.OK
    assert "old" not in found.detail


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 bytes"), (999, "999 bytes"), (1_234, "1.2 kB"), (5e9, "5.0 GB"), (2e18, "2000000.0 TB")]
)
def test_bytes_are_in_decimal_units(count: float, words: str) -> None:
    assert bytes_in_words(count) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(5, "5 seconds"), (119, "119 seconds"), (600, "10 minutes"), (7_200, "2.0 hours"), (30 * DAY, "30 days")],
)
def test_durations_are_in_the_largest_unit_that_says_enough(seconds: float, words: str) -> None:
    assert seconds_in_words(seconds) == words
