"""Two writers of a shard are found in Kafka's own log of its checkpoints, and a hand-over in order is accepted.

The writers are plain transactional producers, which do or leave out what a worker does.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import NewTopic

from bridge.records.checkpoint_keys import claim_key
from tests.handover.checkpoint_logs import CheckpointLogs
from tests.support.kafka_tools import SECONDS, create, fence

if TYPE_CHECKING:
    from collections.abc import Callable


class PlainWriter:
    """A worker that claims by hand and commits with a producer of its own."""

    def __init__(self, broker: str, logs: CheckpointLogs, name: str) -> None:
        self.broker = broker
        self.logs = logs
        self.name = name
        self.transactional_id = f"{logs.group}-worker:{name}"
        self.producer = Producer({"bootstrap.servers": broker, "transactional.id": self.transactional_id})

    def claim(self, number: str, *, remove: bool = False) -> None:
        outside = Producer({"bootstrap.servers": self.broker})
        value = None if remove else self.transactional_id
        outside.produce(self.logs.topic, value, claim_key(self.name, number), partition=0)
        assert outside.flush(SECONDS) == 0

    def write(self) -> None:
        self.producer.begin_transaction()
        for _ in range(3):
            self.producer.produce(self.logs.topic, b"", "S#s", partition=0)
        self.producer.flush(SECONDS)

    def commit(self) -> None:
        self.write()
        self.producer.commit_transaction(SECONDS)


@pytest.fixture
def logs(broker: str) -> CheckpointLogs:
    group = f"writers-{uuid.uuid4().hex}"
    create(broker, NewTopic(group, 1, 1, config={"cleanup.policy": "compact"}))
    return CheckpointLogs(broker, group, group, 1)


@pytest.fixture
def writer(broker: str, logs: CheckpointLogs) -> Callable[[str], PlainWriter]:
    def made(name: str) -> PlainWriter:
        found = PlainWriter(broker, logs, name)
        found.producer.init_transactions(SECONDS)
        return found

    return made


def test_a_hand_over_in_order_is_accepted(
    broker: str, logs: CheckpointLogs, writer: Callable[[str], PlainWriter]
) -> None:
    one, two = writer("one"), writer("two")
    one.claim("1")
    one.commit()
    logs.read_on()  # in pieces, as a run of chaos does
    one.write()
    two.claim("2")
    fence(broker, one.transactional_id)
    one.claim("1", remove=True)
    two.commit()
    with pytest.raises(KafkaException):
        one.producer.commit_transaction(SECONDS)
    two.commit()
    found = logs.judge()
    assert (found.problems, found.commits, found.judged, found.changes) == ([], 3, 3, 1)


def test_who_claims_without_fencing_makes_two_writers(
    logs: CheckpointLogs, writer: Callable[[str], PlainWriter]
) -> None:
    one, two = writer("one"), writer("two")
    one.claim("1")
    one.commit()
    two.claim("2")
    two.commit()
    one.commit()
    found = logs.judge()
    assert len(found.problems) == 1
    assert "-worker:one at offsets" in found.problems[0]
    assert "after one under the later claim /claim/two/2" in found.problems[0]
    assert (found.commits, found.judged, found.changes) == (3, 3, 1)


def test_a_transaction_that_was_open_when_the_shard_was_taken_makes_two_writers(
    logs: CheckpointLogs, writer: Callable[[str], PlainWriter]
) -> None:
    one, two = writer("one"), writer("two")
    one.claim("1")
    one.write()
    two.claim("2")
    one.claim("1", remove=True)
    two.commit()
    one.producer.commit_transaction(SECONDS)
    [problem] = logs.judge().problems
    assert f"a commit of {one.transactional_id} was not marked" in problem


def test_nothing_is_judged_where_nothing_is_committed(
    logs: CheckpointLogs, writer: Callable[[str], PlainWriter]
) -> None:
    one = writer("one")
    one.claim("1")
    one.write()
    one.producer.abort_transaction(SECONDS)
    [problem] = logs.judge().problems
    assert "none of 0 commits" in problem
