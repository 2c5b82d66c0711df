"""The consumer of the topic of stored transcripts: all partitions that the shards of a worker want, in one client."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import LeaderNotAvailableError

from bridge.adapters.kafka.aiokafka_internals import (
    consumer_client,
    last_answer,
    metadata_task_ended,
    pause_between_updates,
)
from bridge.adapters.kafka.broker_silence import SILENCE_SECONDS, BrokerSilence
from bridge.adapters.kafka.calls import call, kafka_errors, time_limit, unavailable
from bridge.adapters.kafka.log_ends import log_bounds, without_leader
from bridge.adapters.kafka.log_positions import topics_there
from bridge.adapters.kafka.stopping import stop_consumer
from bridge.errors import KafkaUnavailable, TopicMissing
from bridge.kafka_clients import AIOKafkaConsumer
from bridge.records.shard_facts import LogMark

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from aiokafka.structs import ConsumerRecord

    from bridge.adapters.kafka.connection import KafkaConnection

_FETCH_MS: Final = 1_000
_FETCH_BYTES: Final = 64 * 1024
"""Bytes of a partition that are read ahead; a record that is larger comes all the same."""
_MOST_RECORDS: Final = 100
_ANSWER_SECONDS: Final = 10.0
_failed: Final = unavailable("cannot read stored transcripts")


class KafkaStoredLog:
    """The `StoredLog` of a worker, used from `open` to its first error or `close`."""

    def __init__(self, settings: KafkaConnection, worker_id: str) -> None:
        """Nothing connects before `open`."""
        self._settings = settings
        self._topic = settings.topics.stored
        arguments: dict[str, Any] = {
            "bootstrap_servers": settings.bootstrap_servers,
            "client_id": f"chatbridge-{worker_id}-stored",
            **settings.client,
            "group_id": None,
            "enable_auto_commit": False,
            "isolation_level": "read_committed",
            "auto_offset_reset": "none",
            "max_partition_fetch_bytes": _FETCH_BYTES,
            "fetch_max_wait_ms": _FETCH_MS,
        }
        self._consumer = AIOKafkaConsumer(**arguments)
        pause_between_updates(self._consumer)
        self._next: dict[int, int] = {}
        self._silence = BrokerSilence()

    async def open(self) -> None:
        """Connect. Raises KafkaUnavailable."""
        self._settings.open_clients.add(consumer_client(self._consumer))
        async with time_limit(_ANSWER_SECONDS, "Kafka did not answer"):
            await call(self._consumer.start(), _failed)

    async def look(self, partitions: Collection[int]) -> Mapping[int, LogMark]:
        """Return where the logs of partitions are now, but for those without a leader.

        Raises KafkaUnavailable, also if none has one, AccessDenied, TopicMissing.
        """
        async with time_limit(_ANSWER_SECONDS, "Kafka did not answer where stored transcripts lie"):
            client = consumer_client(self._consumer)
            found = (await topics_there(client, [self._topic], self._settings)).get(self._topic)
            if found is None:
                raise TopicMissing(self._topic)
            there = [TopicPartition(self._topic, one) for one in partitions if one < found.partitions]
            if not there:
                return {}
            leaderless = await call(without_leader(client, there), _failed)
            led = [at for at in there if at not in leaderless]
            if not led:
                _failed(LeaderNotAvailableError(there[0]))
            starts, ends = await log_bounds(client, led, _failed)
        return {at.partition: LogMark(found.topic_id, starts[at], ends[at], found.partitions) for at in led}

    async def fetch(self, offsets: Mapping[int, int], full: Collection[int]) -> Sequence[ConsumerRecord]:
        """Wait for committed records, at most a second. Raises KafkaUnavailable."""
        consumer = self._consumer
        wanted = {TopicPartition(self._topic, partition) for partition in offsets}
        if self._next.keys() != offsets.keys():
            with kafka_errors(_failed):
                consumer.assign(list(wanted))
            self._next = {}
        for partition, offset in offsets.items():
            if self._next.get(partition) != offset:
                with kafka_errors(_failed):
                    consumer.seek(TopicPartition(self._topic, partition), offset)
        paused = {TopicPartition(self._topic, partition) for partition in full}
        with kafka_errors(_failed):
            consumer.pause(*paused)
        with kafka_errors(_failed):
            consumer.resume(*(wanted - paused))
        fetched = await call(consumer.getmany(timeout_ms=_FETCH_MS, max_records=_MOST_RECORDS), _failed)
        self._check()
        self._next = dict(offsets)
        for at, records in fetched.items():
            self._next[at.partition] = records[-1].offset + 1
        return [record for records in fetched.values() for record in records]

    def _check(self) -> None:
        """Raise KafkaUnavailable if nothing will come any more although nothing is raised."""
        if metadata_task_ended(self._consumer):
            raise KafkaUnavailable("the Kafka client's metadata task has ended")
        self._silence.note(last_answer(consumer_client(self._consumer)), time.monotonic())
        if self._silence.seconds > SILENCE_SECONDS:
            raise KafkaUnavailable(f"Kafka does not answer: nothing for {self._silence.seconds:.0f} s")

    async def close(self) -> None:
        """Close the connections, within seconds. A cancellation is raised when they are closed."""
        await stop_consumer(self._consumer)
