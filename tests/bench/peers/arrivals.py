"""A read_committed consumer that notes when each record of a topic arrived, in a thread of its own."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Self

from confluent_kafka import OFFSET_BEGINNING, TopicPartition

from tests.bench.read_topics import consumer_of

if TYPE_CHECKING:
    from types import TracebackType

    from confluent_kafka import Message


class Arrivals:
    """A context manager. `take` gives what has arrived since it was called last."""

    def __init__(self, broker: str, topic: str) -> None:
        self._consumer = consumer_of(broker)
        partitions = self._consumer.list_topics(topic, timeout=20).topics[topic].partitions
        self._consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
        self._arrived: list[tuple[float, Message]] = []
        self._taken = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._consumer.close()

    def take(self) -> list[tuple[float, Message]]:
        """Return records with their times of arrival (seconds since 1970 UTC), in the order in which they came."""
        found = self._arrived[self._taken :]
        self._taken += len(found)
        return found

    def _read(self) -> None:
        while not self._stop.is_set():
            message = self._consumer.poll(0.1)  # one by one: `consume` would wait for more records
            if message is not None and message.error() is None:
                self._arrived.append((time.time(), message))
