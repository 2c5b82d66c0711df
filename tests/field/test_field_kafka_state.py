"""Kafka has forgotten something, has grown, or is somewhere else: nothing is lost silently or written twice."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import NewTopic

from bridge.sandbox import LocalBroker
from tests.field.field_environment import (
    CHATS,
    QUICK,
    SECONDS,
    TOPIC_KINDS,
    Bridge,
    E2EEnvironment,
    Simulator,
    all_joined,
    announce,
    announcements_are_taken,
    capturing,
    create,
    delete,
    logged,
    preconditions,
    raise_partitions,
    reported,
    starts,
    wait_for,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.field


def nothing_is_lost_silently(environment: E2EEnvironment, bridge: Bridge, chats: Simulator) -> None:
    """End the chats: each has a certificate, what is missing is said, and the operator was told the cause."""
    told = f"{reported(bridge)}\n{logged(bridge)}"
    chats.terminate()
    found = environment.compare_when_closed(chats, seconds=20)
    assert found.unexplained == []
    assert environment.topic("checkpoints") in told


def test_chats_survive_a_checkpoints_topic_that_is_made_again_while_the_bridge_runs(
    field_broker: str, tmp_path: Path
) -> None:
    environment = E2EEnvironment(field_broker, tmp_path, **QUICK).prepare()
    topic = environment.topic("checkpoints")
    with environment.chats() as chats, environment.bridge() as bridge:
        capturing(bridge)
        delete(environment.broker, topic)
        with preconditions():
            # Producers that have not failed yet just go on with the new topic.
            wait_for(lambda: bridge.metric("chatbridge_transactions_total", outcome="failed") >= 3, 45, "no failure")
        create(environment.broker, NewTopic(topic, 3, 1, config={"cleanup.policy": "compact"}))
        wait_for(lambda: bridge.ready, 40, lambda: f"not ready again: {reported(bridge)}")
        nothing_is_lost_silently(environment, bridge, chats)


def test_chats_survive_a_checkpoints_topic_that_is_deleted_while_the_bridge_is_stopped(
    prepared: E2EEnvironment,
) -> None:
    with prepared.chats() as chats:
        with prepared.bridge() as first:
            capturing(first)
            first.terminate()
        delete(prepared.broker, prepared.topic("checkpoints"))
        with prepared.bridge("worker-1") as second:
            wait_for(lambda: second.ready, 40, lambda: f"not ready: {reported(second)}")
            nothing_is_lost_silently(prepared, second, chats)


def open_announcements(chats: Simulator) -> dict[str, bytes]:
    host, _, port = chats.address.rpartition(":")
    places = {"host": host, "port": int(port)}
    return {
        one["sessionId"]: json.dumps({"sessionId": one["sessionId"], **places}).encode() for one in chats.open_chats()
    }


def test_announcements_on_raised_partitions_are_taken_up_or_reported(prepared: E2EEnvironment) -> None:
    with prepared.chats(announce=False) as chats, prepared.bridge() as bridge:
        with preconditions():
            starts(bridge)
            wait_for(lambda: len(chats.open_chats()) >= CHATS, 20, "the chats are not open")
        raise_partitions(prepared, 6, "announcements")
        partitions = announce(prepared, open_announcements(chats))
        with preconditions():
            assert partitions & {3, 4, 5}, "no announcement lies on a new partition"
            wait_for(lambda: all_joined(bridge), 20, "not even those on the old partitions are taken up")
        topic = prepared.topic("announcements")
        wait_for(
            lambda: all_joined(bridge, CHATS) or topic in reported(bridge),
            45,
            lambda: f"{len(bridge.sessions())} of {CHATS} chats are followed; reported: {reported(bridge)!r}",
        )


def test_a_raised_partition_count_gives_no_chat_two_owners(prepared: E2EEnvironment) -> None:
    with prepared.chats() as chats:
        with prepared.bridge() as three:
            capturing(three)
            three.terminate()
        raise_partitions(prepared, 6, *TOPIC_KINDS)
        with prepared.bridge(kafka__partitions=6) as six:
            with preconditions():
                wait_for(lambda: six.ready or not six.running, 40, lambda: f"not ready: {reported(six)}")
            if not six.running:
                assert "partitions" in reported(six)  # refused, with the reason
                return
            announce(prepared, open_announcements(chats))
            with preconditions():
                wait_for(lambda: announcements_are_taken(prepared, 6), 30, "the announcements are not taken")
                wait_for(lambda: all_joined(six, CHATS), 20, "the chats are not joined")
            chats.terminate()
            found = prepared.compare_when_closed(chats)
    assert found.duplicates == []
    assert found.findings == []


def mirror(source: str, target: str, topic: str, until: float) -> int:
    """Copy a topic's committed records up to a time in ms since 1970 UTC; return how many were left out."""
    reading = {"isolation.level": "read_committed", "enable.auto.commit": False, "enable.partition.eof": True}
    consumer = Consumer({"bootstrap.servers": source, "group.id": "mirror", **reading})
    producer = Producer({"bootstrap.servers": target})
    left_out = 0
    try:
        for partition in range(3):
            consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
            while True:
                record = consumer.poll(SECONDS)
                if record is None:
                    raise TimeoutError(topic)
                error = record.error()
                if error is not None:
                    assert error.code() == KafkaError._PARTITION_EOF
                    break
                at = record.timestamp()[1]
                if at >= until:
                    left_out += 1
                    continue
                producer.produce(
                    topic, record.value(), record.key(), partition, headers=record.headers() or [], timestamp=at
                )
        assert producer.flush(SECONDS) == 0
    finally:
        consumer.close()
    return left_out


@pytest.mark.parametrize("behind", ["checkpoints", "events"])
def test_a_mirror_whose_topics_lag_behind_each_other_is_recognised(tmp_path: Path, behind: str) -> None:
    with LocalBroker() as first, LocalBroker() as second:
        environment = E2EEnvironment(first.bootstrap_servers, tmp_path).prepare()
        there = E2EEnvironment(second.bootstrap_servers, tmp_path)
        there.prefix = environment.prefix
        there.prepare()
        with environment.chats() as chats:
            with environment.bridge() as bridge:
                capturing(bridge, 1000)
                end = time.time() * 1000
            with preconditions():
                for kind in TOPIC_KINDS:
                    late = kind == behind
                    until = end - 5000 if late else end + 60_000
                    left_out = mirror(environment.broker, there.broker, environment.topic(kind), until)
                    assert bool(left_out) == late, f"{left_out} records of {kind} were not copied"
            with there.bridge("worker-2") as bridge:
                with preconditions():
                    starts(bridge)
                    wait_for(lambda: all_joined(bridge, CHATS), 40, lambda: f"not joined: {reported(bridge)}")
                chats.terminate()
                found = there.compare_when_closed(chats)
    assert found.duplicates == []
    assert found.unexplained == []
