"""AnnouncementConsumer: how long Kafka has been silent, and that a process that stood still does not count it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from bridge.adapters.kafka import announcement_consumer
from bridge.adapters.kafka.announcement_consumer import AnnouncementConsumer
from bridge.adapters.kafka.connection import KafkaConnection
from bridge.adapters.kafka.topic_manager import TopicNames
from bridge.errors import KafkaUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable


class FetchTimes:
    """A consumer that fetches at given times, in seconds; brokers answer as told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, session_timeout: float = 6) -> None:
        self.now = 1000.0
        monkeypatch.setattr(announcement_consumer, "time", SimpleNamespace(monotonic=lambda: self.now))
        settings = KafkaConnection("127.0.0.1:1", "group", TopicNames())
        self.consumer = AnnouncementConsumer(settings, worker_id="worker-1", session_timeout=session_timeout)
        self.fetch(answered_at=1000.0)

    def fetch(self, *, answered_at: float = 1000.0) -> None:
        self.consumer._note_silence(answered_at)

    def problem(self) -> str | None:
        return self.consumer.problem

    def silent(self, steps: Iterable[float]) -> None:
        for step in steps:
            self.now += step
            self.fetch()


def test_a_silence_of_seconds_is_a_problem_and_one_of_most_of_a_minute_ends_the_consumer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times = FetchTimes(monkeypatch)
    times.silent([1.0] * 5)
    assert times.problem() is None
    times.silent([1.0])
    assert times.problem() == "Kafka does not answer: nothing for 6 s"
    times.silent([1.0] * 39)
    with pytest.raises(KafkaUnavailable, match="asking the bootstrap servers again"):
        times.silent([1.0])


def test_an_answer_ends_the_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    times = FetchTimes(monkeypatch)
    times.silent([1.0] * 40)
    times.fetch(answered_at=times.now)
    assert times.problem() is None
    times.silent([1.0] * 5)
    assert times.problem() is None


def test_the_time_in_which_this_process_stood_still_is_not_kafkas_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    times = FetchTimes(monkeypatch)
    times.silent([600.0])
    assert times.problem() is None


def test_a_member_that_hears_from_kafka_by_heartbeats_only_is_given_the_time_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times = FetchTimes(monkeypatch, session_timeout=300)  # a heartbeat every 100 s
    times.silent([1.0] * 150)
    assert times.problem() is None
