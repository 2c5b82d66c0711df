"""How much the topics hold, how fast they grow, and what ends a record's life first: its age or the size of the log.

A rate is that of the last 24 hours, or of a topic's whole life if it is younger. A topic whose oldest record is
younger than an hour gets no rate per day. Records are counted by offsets, of which markers of transactions and what
was compacted away take some: there are at most so many. Bytes are counted before they are copied to other replicas,
as they are compressed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.adapters.kafka.topic_plan import POLICY, RETENTION
from bridge.doctor.results.check_result import not_checked, ok, warning
from bridge.doctor.results.doctor_codes import NOTHING_FOUND, SIZE_LIMIT_FIRST
from bridge.doctor.results.quantities import bytes_in_words, seconds_in_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.adapters.kafka.log_ages import LogAge
    from bridge.doctor.results.check_result import CheckResult

_SIZE_LIMIT: Final = "retention.bytes"
_DAY_SECONDS: Final = 86_400
_LEAST_SECONDS: Final = 3_600
_NEARLY: Final = 0.9
"""A partition that has reached this part of its size limit loses its oldest segment next."""


@dataclass(slots=True, frozen=True)
class TopicLogs:
    """The logs of one topic. `sizes` is partition -> bytes, None where Kafka does not tell. `now` in seconds."""

    topic: str
    config: Mapping[str, str]
    ages: Mapping[int, LogAge]
    sizes: Mapping[int, int] | None
    now: float


def size_result(logs: TopicLogs) -> CheckResult:
    """Judge one topic."""
    records = sum(age.end - age.start for age in logs.ages.values())
    if not logs.ages:
        return not_checked(logs.topic, NOTHING_FOUND, "it has no partition")
    if not records:
        return ok(logs.topic, f"holds no record; {_kept(logs)}")
    held = "" if logs.sizes is None else f"{bytes_in_words(sum(logs.sizes.values()))} in "
    age = _age(logs)
    parts = [f"{held}at most {records} records", *_growth(logs, age)]
    parts += [] if age is None else [f"the oldest is {seconds_in_words(age)} old"]
    limit = _earlier(logs, age)
    if limit is not None:
        step = f"raise or remove {_SIZE_LIMIT} of {logs.topic}; it counts per partition"
        return warning(logs.topic, SIZE_LIMIT_FIRST, f"{limit}; {', '.join(parts)}", step)
    return ok(logs.topic, f"{', '.join(parts)}; {_kept(logs)}")


def _age(logs: TopicLogs) -> float | None:
    """Return the age of the oldest record in seconds; None when no record has a time."""
    times = [age.oldest_ms for age in logs.ages.values() if age.oldest_ms is not None and age.oldest_ms >= 0]
    return max(logs.now - min(times) / 1_000, 0.0) if times else None


def _records_per_day(logs: TopicLogs, partition: int) -> float | None:
    """Return how many records a partition gets a day; None when that cannot be said yet."""
    age = _age(logs)
    if age is None or age < _LEAST_SECONDS:
        return None
    one = logs.ages[partition]
    return (one.end - one.day_start) / min(age / _DAY_SECONDS, 1.0)


def _bytes_per_day(logs: TopicLogs, partition: int) -> float | None:
    one, rate = logs.ages[partition], _records_per_day(logs, partition)
    if logs.sizes is None or rate is None:
        return None
    return rate * logs.sizes.get(partition, 0) / max(one.end - one.start, 1)


def _growth(logs: TopicLogs, age: float | None) -> list[str]:
    rates = [_bytes_per_day(logs, partition) for partition in logs.ages]
    known = [rate for rate in rates if rate is not None]
    if len(known) == len(rates):
        total = sum(known)
        full = _retention_days(logs)
        end = "" if full is None else f", {bytes_in_words(total * full)} when its retention is used up"
        return [f"about {bytes_in_words(total)} per day{end}"]
    counts = [count for partition in logs.ages if (count := _records_per_day(logs, partition)) is not None]
    if counts:
        return [f"at most about {sum(counts):.0f} records per day"]
    return [] if age is None else ["too young for a rate per day"]


def _retention_days(logs: TopicLogs) -> float | None:
    """Return for how many days records are kept; None for ever."""
    ms = int(logs.config.get(RETENTION, -1))
    return None if ms < 0 or logs.config.get(POLICY) == "compact" else ms / 1_000 / _DAY_SECONDS


def _kept(logs: TopicLogs) -> str:
    if logs.config.get(POLICY) == "compact":
        return "the newest record of each key is kept"
    days = _retention_days(logs)
    text = "records are kept for ever" if days is None else f"kept for {seconds_in_words(days * _DAY_SECONDS)}"
    limit = int(logs.config.get(_SIZE_LIMIT, -1))
    return text if limit < 0 else f"{text}, or {bytes_in_words(limit)} per partition"


def _earlier(logs: TopicLogs, age: float | None) -> str | None:
    """Return how the size limit deletes records before their time; None when it does not, as far as is known."""
    limit, days = int(logs.config.get(_SIZE_LIMIT, -1)), _retention_days(logs)
    if limit < 0 or logs.config.get(POLICY) == "compact" or logs.sizes is None:
        return None
    kept = "for ever" if days is None else f"for {seconds_in_words(days * _DAY_SECONDS)}"
    said = f"{_SIZE_LIMIT}={limit} deletes records after about"
    rates = [rate for partition in logs.ages if (rate := _bytes_per_day(logs, partition)) is not None]
    if rates and max(rates) > 0 and (days is None or limit / max(rates) < days):
        return f"{said} {seconds_in_words(limit / max(rates) * _DAY_SECONDS)}, retention.ms keeps them {kept}"
    full = max(logs.sizes.values(), default=0) >= limit * _NEARLY
    if full and age is not None and (days is None or age < days * _DAY_SECONDS):
        return f"{said} {seconds_in_words(age)}, retention.ms keeps them {kept}"
    return None
