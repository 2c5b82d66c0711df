"""What a refusal of a topic as a whole means: to wait for Kafka, or to change settings."""

from __future__ import annotations

import pytest
from aiokafka.errors import InvalidReplicationFactorError, InvalidTopicError

from bridge.adapters.kafka.topic_changes import refusal
from bridge.adapters.kafka.topic_plan import Change
from bridge.errors import EnvironmentFault, KafkaUnavailable
from tests.adapters.test_topic_plan import TOPICS

CREATED = Change(TOPICS[0], create=True, partitions=3, config={})


def test_brokers_that_are_all_fenced_are_waited_for() -> None:
    text = "Unable to replicate the partition 1 time(s): All brokers are currently fenced."
    found = refusal(CREATED, InvalidReplicationFactorError.errno, text)
    assert isinstance(found, KafkaUnavailable)
    assert text in found.message


@pytest.mark.parametrize(
    ("code", "text", "step"),
    [
        (
            InvalidReplicationFactorError.errno,
            "The target replication factor of 3 cannot be reached because only 1 broker(s) are registered.",
            "compare kafka.replication_factor",
        ),
        (InvalidTopicError.errno, "", "ask who runs Kafka"),
    ],
)
def test_what_no_waiting_mends_ends_the_start_with_a_step(code: int, text: str, step: str) -> None:
    found = refusal(CREATED, code, text)
    assert isinstance(found, EnvironmentFault)
    assert step in found.next_step
