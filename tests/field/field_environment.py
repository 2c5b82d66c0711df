"""What the field tests share: preconditions, and what they need of other helpers.

A field test fails for one reason: the program does not do what is right. So that nothing else passes for that reason,
everything that has to hold before the last assertions runs under `preconditions`: its failure is a PreconditionFailed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

from tests.integration.e2e_environment import E2EEnvironment, all_joined, captured, reasons
from tests.simulator.raw_client import TestClient, run_test
from tests.support.kafka_tools import AUTHORIZER, alter, create, delete, reconfigure
from tests.support.processes import Bridge, Simulator, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "AUTHORIZER",
    "Bridge",
    "E2EEnvironment",
    "Simulator",
    "TestClient",
    "all_joined",
    "alter",
    "captured",
    "create",
    "delete",
    "reconfigure",
    "run_test",
    "wait_for",
]

ROOT = Path(__file__).parents[2]
SECONDS = 30
CHATS = 10
TOPIC_KINDS = ("announcements", "events", "sessions", "quarantine", "checkpoints", "stored")
QUICK: Mapping[str, object] = {
    "kafka__client__request_timeout_ms": 2000,
    "kafka__transaction_timeout_seconds": 10,
    "kafka__session_timeout_seconds": 6,
}
"""Settings with which a bridge notices soon that Kafka has changed."""


class PreconditionFailed(Exception):
    """The test could not be set up: nothing is known about what it asks."""


@contextmanager
def preconditions() -> Iterator[None]:
    """Make a failed assertion inside the block a PreconditionFailed."""
    try:
        yield
    except AssertionError as error:
        raise PreconditionFailed(str(error)) from error


def reported(bridge: Bridge) -> str:
    """What an operator is told: the reasons of `/readyz`, or the end of the log when the process has ended."""
    if bridge.running and bridge.get("/readyz")[0]:
        return "; ".join(reasons(bridge))
    return logged(bridge)[-3000:]


def logged(bridge: Bridge) -> str:
    return bridge.log.read_text(encoding="utf-8")


def starts(bridge: Bridge, seconds: float = 40) -> None:
    """Wait until it is ready; AssertionError with what it reports when it ends or is not ready in time."""
    wait_for(lambda: bridge.ready or not bridge.running, seconds, lambda: f"not ready: {reported(bridge)}")
    assert bridge.running, f"it ended: {reported(bridge)}"


def capturing(bridge: Bridge, events: int = 100) -> None:
    """Precondition: all chats are joined, and so many events are on Kafka."""
    with preconditions():
        wait_for(
            lambda: all_joined(bridge, CHATS) and captured(bridge) > events,
            40,
            lambda: f"the chats are not captured: {reported(bridge)}",
        )


def follows_all(bridge: Bridge, seconds: float = 30) -> None:
    """Assert that every chat is joined."""
    wait_for(lambda: all_joined(bridge, CHATS), seconds, lambda: f"not all chats are followed: {reported(bridge)}")


def run_by(program: Path) -> type[Bridge]:
    """Return a Bridge that is started by a Python program instead of the module."""
    return type("BridgeOfProgram", (Bridge,), {"program": [str(program)]})


def command(*words: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run `chatbridge` with these words to its end."""
    return python("-m", "bridge", *words, environment=environment)


def python(*words: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run this Python at the project's root, with `environment` in place of ours when it is given."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=None if environment is None else {**environment, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def kafka_flags(environment: E2EEnvironment) -> list[str]:
    """Return the flags that point a command to the topics of a test."""
    values = (f"bootstrap_servers={environment.broker}", f"topic_prefix={environment.prefix}", "partitions=3")
    return [word for value in values for word in ("--set", f"kafka.{value}")]


def announce(environment: E2EEnvironment, announcements: Mapping[str, bytes]) -> set[int | None]:
    """Write announcements as any client that partitions like Kafka's own; return the partitions they lie on."""
    producer = Producer({"bootstrap.servers": environment.broker, "partitioner": "murmur2_random"})
    written: set[int | None] = set()
    for session_id, value in announcements.items():
        producer.produce(
            environment.topic("announcements"),
            value,
            session_id,
            on_delivery=lambda _, record: written.add(record.partition()),
        )
    if producer.flush(SECONDS):
        raise PreconditionFailed("the announcements could not be written")
    return written


def raise_partitions(environment: E2EEnvironment, count: int, *kinds: str) -> None:
    admin = AdminClient({"bootstrap.servers": environment.broker})
    for done in admin.create_partitions([NewPartitions(environment.topic(kind), count) for kind in kinds]).values():
        done.result(SECONDS)


def announcements_are_taken(environment: E2EEnvironment, partitions: int) -> bool:
    """Whether the bridge's group has committed everything that lies on the announcements topic."""
    group = f"{environment.prefix}bridge"
    consumer = Consumer({"bootstrap.servers": environment.broker, "group.id": group, "enable.auto.commit": False})
    try:
        topic = environment.topic("announcements")
        places = [TopicPartition(topic, partition) for partition in range(partitions)]
        for place in consumer.committed(places, timeout=SECONDS):
            low, high = consumer.get_watermark_offsets(place, timeout=SECONDS)
            if max(low, place.offset) < high:
                return False
        return True
    finally:
        consumer.close()


def inherited_environment(**more: str) -> dict[str, str]:
    return {**os.environ, **more}
