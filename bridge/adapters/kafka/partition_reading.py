"""Reads partitions with requests of its own, on a client that others use, too.

A consumer connects twice for each partition that is read, and has the next fetch under way when the end is reached.
Where a worker takes many shards, and over TLS, that is most of what it does then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from aiokafka.client import ConnectionGroup
from aiokafka.consumer.fetcher import READ_COMMITTED
from aiokafka.errors import NoError, OffsetOutOfRangeError, for_code
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.memory_records import MemoryRecords

from bridge.adapters.kafka.calls import kafka_errors, time_limit
from bridge.adapters.kafka.log_ends import COMMITTED, answered, leader_of, log_start
from bridge.adapters.kafka.partition_records import CompactedRecords

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from aiokafka import TopicPartition
    from aiokafka.client import AIOKafkaClient
    from aiokafka.structs import ConsumerRecord

    from bridge.adapters.kafka.calls import Translate

_WAIT_MS: Final = 100
_FETCH_BYTES: Final = 1024 * 1024
"""All shards of a worker may fetch at once, one answer after the other: each has to come within a request time-out."""
_READING: Final = ConnectionGroup.COORDINATION
"""aiokafka's word for a second connection to a broker. On the first one shards ask that commit nothing meanwhile."""
_WITH_REPLICA: Final = 11
"""Version of Fetch from which on an answer names a replica between the aborted transactions and the records."""


class Fetched(NamedTuple):
    """What a leader sent of a partition: record batches, and which of the transactions in them are aborted.

    `position` is the offset asked for, or the beginning of the log where what lay before is deleted.
    """

    content: bytes
    aborted: Sequence[tuple[int, int]]
    position: int


async def fetched(
    client: AIOKafkaClient,
    at: TopicPartition,
    position: int,
    isolation: int,
    group: ConnectionGroup = ConnectionGroup.DEFAULT,
) -> Fetched:
    """Fetch once, a tenth of a second at most where nothing is there. Raises the KafkaError of one request.

    `group` says which of the client's connections to the leader it takes: what is asked on it meanwhile waits.
    """
    request = FetchRequest(_WAIT_MS, 1, _FETCH_BYTES, isolation, [(at.topic, [(at.partition, position, _FETCH_BYTES)])])
    response = await client.send(leader_of(client, at), request, group=group)
    [(_, [(_, code, *rest)])] = response.topics
    error = for_code(code)
    if error is OffsetOutOfRangeError and (start := await log_start(client, at)) > position:
        return Fetched(b"", (), start)
    if error is not NoError:
        raise error(at.topic)
    aborted = rest[-3] if response.API_VERSION >= _WITH_REPLICA else rest[-2]
    return Fetched(rest[-1] or b"", aborted or (), position)


async def committed_records(  # noqa: PLR0913 - a range of a log, and how it is read
    client: AIOKafkaClient, at: TopicPartition, start: int, end: int, *, seconds: float, translate: Translate
) -> AsyncIterator[list[ConsumerRecord]]:
    """Yield what is committed between two offsets, in order; `end` is at most the last stable offset.

    Who leads the partition is known to the client. Raises what `translate` raises, KafkaUnavailable when for `seconds`
    nothing comes.
    """
    position = start
    while position < end:
        async with time_limit(seconds, f"{at.topic} could not be read beyond offset {position} within {seconds:g} s"):
            records, reached = await _read_on(client, at, position, translate)
        position = reached
        yield [one for one in records if one.offset < end]


async def _read_on(
    client: AIOKafkaClient, at: TopicPartition, position: int, translate: Translate
) -> tuple[list[ConsumerRecord], int]:
    """Fetch until there is something; return what is committed of it, and the offset after it."""
    while True:
        found = await answered(client, [at], lambda: fetched(client, at, position, COMMITTED, _READING), translate)
        with kafka_errors(translate):
            records, reached = _committed(at, found)
        if reached > position:
            return records, reached


def _committed(at: TopicPartition, found: Fetched) -> tuple[list[ConsumerRecord], int]:
    """Return the committed records of a fetch, as aiokafka's consumers do, and the offset after all that was fetched.

    Raises KafkaError when a record batch is damaged.
    """
    batches, check_crc = MemoryRecords(found.content), True
    records = CompactedRecords(at, batches, found.aborted, found.position, None, None, check_crc, READ_COMMITTED)
    return list(records), int(records.next_fetch_offset)
