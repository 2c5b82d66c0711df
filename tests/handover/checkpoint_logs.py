"""The checkpoint partitions of all shards of an installation, read from Kafka and judged."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition

from bridge.adapters.kafka.aiokafka_internals import consumer_client
from tests.handover.claimed_log import ClaimedLog
from tests.handover.writer_order import JudgedWriters, judge
from tests.support.log_batches import read_batches
from tests.support.transaction_states import TRANSACTIONS, transaction_state
from tests.support.written_values import WrittenValues

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

_CHECKPOINTS = WrittenValues()


@dataclass(slots=True)
class CheckpointLogs:
    """What was read so far; whoever reads on from time to time is ahead of compaction.

    `group` is that of the workers, of whose name all transactional ids are made.
    """

    bootstrap_servers: str
    topic: str
    group: str
    shards: int
    logs: dict[int, ClaimedLog] = field(default_factory=dict)

    def read_on(self) -> None:
        """Read from where it was read up to before to the high watermarks. Raises KafkaError."""
        asyncio.run(self._read_on())

    def judge(self) -> JudgedWriters:
        """Read on, and return what is found of all shards together. Raises KafkaError."""
        self.read_on()
        ids, found = asyncio.run(self._ids()), JudgedWriters()
        for shard in range(self.shards):
            one = judge(self.logs[shard], ids, f"{self.group}-{shard}")
            found.commits += one.commits
            found.judged += one.judged
            found.changes += one.changes
            found.problems += one.problems
        return found

    async def _read_on(self) -> None:
        async with self._consumer() as consumer:
            for shard in range(self.shards):
                log = self.logs.setdefault(shard, ClaimedLog(batch_number))
                async for batch in read_batches(consumer, TopicPartition(self.topic, shard), log.position):
                    log.take(batch)

    async def _ids(self) -> dict[int, str]:
        """Return Kafka's id of each producer -> the transactional id that it belongs to."""
        ids: dict[int, str] = {}
        async with self._consumer() as consumer:
            client = consumer_client(consumer)
            await client.set_topics({TRANSACTIONS})
            for partition in client.cluster.partitions_for_topic(TRANSACTIONS):
                async for batch in read_batches(consumer, TopicPartition(TRANSACTIONS, partition)):
                    states = (transaction_state(*record) for record in batch.records)
                    ids.update((one.producer, one.transactional_id) for one in states if one is not None)
        return ids

    @asynccontextmanager
    async def _consumer(self) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap_servers, enable_auto_commit=False)
        try:
            await consumer.start()
            yield consumer
        finally:
            await consumer.stop()


def batch_number(records: Iterable[tuple[bytes | None, bytes | None]]) -> int | None:
    """Return the number of the shard's transaction that wrote checkpoints, which each of their heads tells."""
    for key, value in records:
        if key is not None and value is not None and b"#" not in key:
            return int(_CHECKPOINTS.written(value)["head"]["batch"])
    return None
