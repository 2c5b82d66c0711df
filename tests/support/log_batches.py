"""The log of a partition as it is: each batch of records with its producer, and each marker of a transaction.

A consumer shows neither. So fetches are sent, and answers parsed, with the parts of aiokafka's own fetcher.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiokafka.errors import LeaderNotAvailableError, NoError, OffsetOutOfRangeError, for_code
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.control_record import COMMIT_MARKER, ControlRecord
from aiokafka.record.memory_records import MemoryRecords

from bridge.adapters.kafka.aiokafka_internals import consumer_client
from bridge.adapters.kafka.log_ends import high_watermark, know_leaders, log_start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiokafka import AIOKafkaConsumer, TopicPartition

SECONDS: Final = 30.0
_BYTES: Final = 4 << 20
_WAIT_MS: Final = 500
_UNCOMMITTED: Final = 0


class LogBatch(NamedTuple):
    """Records that one producer appended at once, in the order of the log; compaction may have removed some of them.

    `commits` is None unless this is the marker by which a transaction is committed, or aborted.
    """

    first: int
    last: int
    producer: int
    epoch: int
    transactional: bool
    records: tuple[tuple[bytes | None, bytes | None], ...]
    commits: bool | None = None

    @property
    def whole(self) -> bool:
        """Whether all records are there that were appended."""
        return len(self.records) == self.last - self.first + 1


async def read_batches(consumer: AIOKafkaConsumer, at: TopicPartition, start: int = 0) -> AsyncIterator[LogBatch]:
    """Yield what lies between an offset and the high watermark of now, open transactions included.

    `consumer` is started, reads what is not committed, and has no assignment. Raises KafkaError, also when nothing
    comes for SECONDS.
    """
    client = consumer_client(consumer)
    await know_leaders(client, [at])
    end = await high_watermark(client, at)
    position, deadline = max(start, await log_start(client, at)), time.monotonic() + SECONDS
    while position < end:
        for batch in await _fetched(consumer, at, position):
            if batch.last >= position:
                position, deadline = batch.last + 1, time.monotonic() + SECONDS
                yield batch
        if time.monotonic() > deadline:
            raise OffsetOutOfRangeError({at: position})


async def _fetched(consumer: AIOKafkaConsumer, at: TopicPartition, position: int) -> list[LogBatch]:
    client = consumer_client(consumer)
    leader = client.cluster.leader_for_partition(at)
    if leader in (None, -1):
        raise LeaderNotAvailableError(at)
    request = FetchRequest(_WAIT_MS, 1, _BYTES, _UNCOMMITTED, [(at.topic, [(at.partition, position, _BYTES)])])
    response = await client.send(leader, request)
    [(_, [(_, code, *_, records)])] = response.topics
    if (error := for_code(code)) is not NoError:
        raise error(at)
    memory, found = MemoryRecords(records or b""), list[LogBatch]()
    while memory.has_next():
        found.append(_batch(memory.next_batch()))
    return found


def _batch(batch: Any) -> LogBatch:
    control, records = batch.is_control_batch, tuple((record.key, record.value) for record in batch)
    commits = ControlRecord.parse(records[0][0]) == COMMIT_MARKER if control and records else None
    last = batch.base_offset + batch.last_offset_delta
    producer = batch.producer_id, batch.producer_epoch
    return LogBatch(batch.base_offset, last, *producer, batch.is_transactional, records, commits)
