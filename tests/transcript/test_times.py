from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.transcript.times import occurred_at, parse_start_at, rfc3339


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2031-02-27T23:06:40Z", 1_930_000_000_000),
        (" 2031-02-27T23:06:40Z\n", 1_930_000_000_000),
        ("2031-02-27T23:06:40.125Z", 1_930_000_000_125),
        ("2031-02-28T01:06:40+02:00", 1_930_000_000_000),
        ("2031-02-27T23:06:40", 1_930_000_000_000),
        ("1969-12-31T23:59:59.5Z", -500),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000),
        ("0001-01-01T00:00:00+10:00", None),
        ("9999-12-31T23:59:59-10:00", None),
        ("", None),
        ("yesterday", None),
        ("2031-02-30T00:00:00Z", None),
        ("1930000000", None),
    ],
)
def test_a_start_is_read_as_milliseconds_or_not_at_all(text: str, expected: int | None) -> None:
    assert parse_start_at(text) == expected


@given(st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31, 23, 59, 59)))  # noqa: DTZ001
def test_what_is_written_for_a_header_is_read_as_the_same_time(at: datetime) -> None:
    since = at.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    microseconds = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    assert datetime.fromisoformat(rfc3339(microseconds)) == at.replace(tzinfo=UTC)


def test_years_have_four_digits() -> None:
    assert rfc3339(-62_135_596_800_000_000) == "0001-01-01T00:00:00Z"


def test_a_time_outside_the_calendar_cannot_be_written() -> None:
    with pytest.raises(OverflowError):
        rfc3339(2**62)


def test_nothing_occurred_at_a_known_time_in_a_chat_whose_start_is_not_known() -> None:
    assert occurred_at(None, 5) is None


def test_the_last_second_of_the_calendar_is_still_a_time() -> None:
    last = 253_402_300_799
    assert occurred_at(0, last) == last * 1000
    assert occurred_at(0, last + 1) is None
