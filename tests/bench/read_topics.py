"""What benchmarks read from topics: records for the bare producer, and when each event was seen."""

from __future__ import annotations

import threading
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

from bridge.records.ids import escaped, event_id
from bridge.simulator.harness.ledger import LedgerLine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.bench.baseline import Captured


def consumer_of(broker: str) -> Consumer:
    """A read_committed consumer that fetches without waiting for more."""
    return Consumer(
        {
            "bootstrap.servers": broker,
            "group.id": uuid.uuid4().hex,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 500,
            "fetch.min.bytes": 1,
        }
    )


def captured(message: Message) -> Captured:
    """Return the parts of a message that the bare producer sends."""
    partition = message.partition()
    headers: Any = message.headers()
    assert partition is not None
    return partition, message.key() or b"", message.value() or b"", list(headers or [])


def read(broker: str, topic: str) -> list[Message]:
    """Read all committed messages of a topic."""
    consumer = consumer_of(broker)
    partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
    found: list[Message] = []
    ended: set[int] = set()
    while len(ended) < len(partitions):
        for message in consumer.consume(5000, 0.2):
            error, partition = message.error(), message.partition()
            if error is None:
                found.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                assert partition is not None
                ended.add(partition)
    consumer.close()
    return found


@contextmanager
def watched(broker: str, topic: str) -> Iterator[dict[str, float]]:
    """Record meanwhile in the given dict when each id arrives on a topic, in s since 1970 UTC."""
    seen, stop = dict[str, float](), threading.Event()
    reading = threading.Thread(target=_watch, args=(broker, topic, seen, stop))
    reading.start()
    try:
        yield seen
    finally:
        stop.set()
        reading.join()


def _watch(broker: str, topic: str, seen: dict[str, float], stop: threading.Event) -> None:
    consumer = consumer_of(broker)
    partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
    while not stop.is_set():
        message = consumer.poll(0.1)  # one by one: `consume` would wait for more messages
        if message is not None and message.error() is None:
            name = dict(message.headers() or [])["ce_id"]
            assert isinstance(name, bytes)
            seen.setdefault(name.decode(), time.time())
    consumer.close()


def latencies(ledger: Path, seen: dict[str, float]) -> list[float]:
    """Return the seconds from ledger to topic of live events, without the first 3 s (joins, warm-up)."""
    decoder = msgspec.json.Decoder(LedgerLine)
    lines = [decoder.decode(line) for line in ledger.read_bytes().splitlines()]
    begun = min(line.at for line in lines)
    return [
        seen[name] - line.at
        for line in lines
        if line.kind == "event"
        and line.at > begun + 3
        and (name := event_id(escaped(line.session_id), line.event_id or 0)) in seen
    ]
