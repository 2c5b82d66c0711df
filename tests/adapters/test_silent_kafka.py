"""How long Kafka has been silent; a process that stood still does not count it."""

from __future__ import annotations

import pytest

from bridge.adapters.kafka.announcement_consumer import AnnouncementConsumer
from bridge.adapters.kafka.broker_silence import BrokerSilence
from bridge.adapters.kafka.connection import KafkaConnection
from bridge.adapters.kafka.topic_manager import TopicNames
from bridge.errors import Problem


def silence_after(*steps: float, answered_at: float = 1000.0) -> BrokerSilence:
    """Return the silence after an answer at 1000 s and steps of so many seconds without one."""
    silence, now = BrokerSilence(), 1000.0
    silence.note(answered_at, now)
    for step in steps:
        now += step
        silence.note(answered_at, now)
    return silence


def test_steps_without_an_answer_add_up() -> None:
    assert silence_after(1.0, 0.5, 1.0).seconds == 2.5


def test_an_answer_ends_the_silence() -> None:
    silence = silence_after(*[1.0] * 40)
    silence.note(1040.0, 1041.0)
    assert silence.seconds == 0.0
    silence.note(1040.0, 1042.0)
    assert silence.seconds == 1.0


def test_a_time_in_which_this_process_stood_still_is_not_kafkas_silence() -> None:
    assert silence_after(600.0).seconds == 2.0


def test_a_client_that_was_never_answered_is_silent_from_the_first_look() -> None:
    assert silence_after(1.0, 1.0, answered_at=0.0).seconds == 2.0


@pytest.mark.parametrize(
    ("session_timeout", "seconds", "problem"),
    [
        (6, 5, None),
        (6, 6, "Kafka does not answer: nothing for 6 s"),
        (300, 150, None),  # of a member without partitions, which hears from Kafka by heartbeats only, each 100 s
        (300, 201, "Kafka does not answer: nothing for 201 s"),
    ],
)
def test_a_silence_of_two_heartbeats_is_a_problem(session_timeout: float, seconds: int, problem: str | None) -> None:
    consumer = AnnouncementConsumer(
        KafkaConnection("127.0.0.1:1", "group", TopicNames()), worker_id="worker-1", session_timeout=session_timeout
    )
    consumer._silence = silence_after(*[1.0] * seconds)
    assert consumer.problem == (None if problem is None else Problem("KAFKA_UNAVAILABLE", problem))
