"""A broker that creates the topics that it is asked for, which is Kafka's default: the bridge has it create none.

What exists is asked of librdkafka's client, which asks for all topics by no name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka.admin import AdminClient

from bridge.sandbox import LocalBroker
from tests.integration.capturing_bridge import QUICK_TRANSACTION_TIMEOUT
from tests.integration.e2e_environment import E2EEnvironment, all_joined, captured, reasons
from tests.integration.test_commands import chatbridge
from tests.support.kafka_tools import CREATES_TOPICS, SECONDS, delete
from tests.support.processes import Bridge, wait_for
from tests.support.unique_prefixes import unique_prefix

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUICK = {
    "kafka__client__request_timeout_ms": 2000,
    "kafka__transaction_timeout_seconds": 10,
    "kafka__session_timeout_seconds": 6,
}
COMMANDS = {
    "doctor": ("doctor",),
    "tail": ("tail", "--from-beginning", "--max", "1"),
    "verify": ("verify",),
    "coverage": ("coverage",),
    "export": ("export", "FOLDER"),
    "announce": ("announce", "s1", "chat-1:4800"),
    "topics plan": ("topics", "plan"),
    "topics grow": ("topics", "grow", "--partitions", "3"),
    "erase": ("erase", "s1", "--reason", "why"),
}


@pytest.fixture(scope="module")
def creating_broker() -> Iterator[str]:
    """Give a broker that creates topics when it is asked for them."""
    with LocalBroker(overrides={**QUICK_TRANSACTION_TIMEOUT, **CREATES_TOPICS}) as broker:
        yield broker.bootstrap_servers


def topics(broker: str, prefix: str) -> set[str]:
    """Return the topics whose names begin so."""
    found = AdminClient({"bootstrap.servers": broker}).list_topics(timeout=SECONDS).topics
    return {name for name in found if name.startswith(prefix)}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_with_a_mistyped_prefix_has_no_topic_created(
    creating_broker: str, command: str, tmp_path: Path
) -> None:
    prefix = unique_prefix()
    words = [str(tmp_path / "out") if word == "FOLDER" else word for word in COMMANDS[command]]
    done = chatbridge(*words, "--bootstrap-servers", creating_broker, "--topic-prefix", prefix)
    assert topics(creating_broker, prefix) == set()
    assert ("TOPIC_MISSING" if command == "doctor" else prefix) in done.stdout + done.stderr


def test_a_worker_that_may_not_create_topics_has_none_created(creating_broker: str, tmp_path: Path) -> None:
    prefix = unique_prefix()
    with Bridge(
        creating_broker, tmp_path / "log", prefix=prefix, worker="worker-1", kafka__manage_topics="never"
    ) as bridge:
        wait_for(lambda: "do not exist" in bridge.log.read_text("utf-8"), 30, lambda: bridge.log.read_text("utf-8"))
        assert topics(creating_broker, prefix) == set()


def missed(bridge: Bridge) -> bool:
    """Return whether the worker says that a topic is missing."""
    return any("TOPIC_MISSING" in reason for reason in reasons(bridge))


@pytest.mark.faults
@pytest.mark.parametrize("transactions", ["worker", "shard"])
@pytest.mark.parametrize("kind", ["checkpoints", "announcements", "events", "sessions"])
def test_a_topic_that_is_deleted_while_a_worker_runs_stays_deleted(
    creating_broker: str, kind: str, transactions: str, tmp_path: Path
) -> None:
    environment = E2EEnvironment(creating_broker, tmp_path, **QUICK, kafka__transactions=transactions).prepare()
    before = topics(creating_broker, environment.prefix)
    gone = environment.topic(kind)
    assert gone in before
    with (
        environment.chats(concurrent_chats=4, events_per_second=40) as chats,
        environment.bridge() as bridge,
    ):
        wait_for(lambda: all_joined(bridge, 4) and captured(bridge) > 60, 30, "not captured")
        before = topics(creating_broker, environment.prefix)
        delete(creating_broker, gone)
        wait_for(
            lambda: missed(bridge),
            60,
            lambda: f"not missed: {reasons(bridge)}",
        )
        assert topics(creating_broker, environment.prefix) == before - {gone}
        bridge.terminate()
        chats.terminate()
        assert topics(creating_broker, environment.prefix) == before - {gone}
