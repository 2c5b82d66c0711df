"""What a library says again and again is counted, not written."""

from __future__ import annotations

import json
import logging

from bridge.logs import JsonLines, Repetitions


def said(name: str, template: str, value: object, at: float) -> logging.LogRecord:
    record = logging.LogRecord(name, logging.ERROR, "client.py", 216, template, (value,), None)
    record.created = at
    return record


def test_a_library_says_the_same_ten_times_a_minute_and_then_how_often_it_wanted_to() -> None:
    repetitions = Repetitions()
    flood = [said("aiokafka", "Unable connect to %s", port, port / 10) for port in range(600)]
    assert sum(repetitions.filter(record) for record in flood) == 10
    later = said("aiokafka", "Unable connect to %s", 9092, 60.0)
    assert repetitions.filter(later)
    assert json.loads(JsonLines().format(later))["repeated"] == 590


def test_a_new_cause_is_never_held_back() -> None:
    repetitions = Repetitions()
    for number in range(20):
        repetitions.filter(
            said("aiokafka", "Unable connect to %s", f"node {number}: [Errno 111] Connect call failed", 0.0)
        )
    for cause in ("node 1: [Errno 113] Connect call failed", "node 1: certificate verify failed"):
        assert repetitions.filter(said("aiokafka", "Unable connect to %s", cause, 1.0))


def test_texts_without_end_are_not_remembered_without_end() -> None:
    repetitions = Repetitions()
    for number in range(5000):
        repetitions.filter(said("aiokafka", "Unable connect to %s", "x" * number, 0.0))
    assert len(repetitions._counts) <= 1001


def test_other_things_and_our_own_lines_are_never_held_back() -> None:
    repetitions = Repetitions()
    for _ in range(20):
        repetitions.filter(said("aiokafka", "Unable connect to %s", 1, 0.0))
    assert repetitions.filter(said("aiokafka", "Heartbeat failed for %s", 1, 0.0))
    assert all(repetitions.filter(said("bridge.app", "ready %s", 1, 0.0)) for _ in range(20))


def test_a_library_that_says_little_is_written_in_full() -> None:
    repetitions = Repetitions()
    lines = [said("aiokafka", "Unable connect to %s", 1, minute * 60.0) for minute in range(30)]
    assert all(repetitions.filter(line) for line in lines)
    assert not any("fields" in line.__dict__ for line in lines)
