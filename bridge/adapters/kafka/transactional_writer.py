"""A shard's transactional producer: fences former owners, reads checkpoints back, commits batches atomically.

Specific to aiokafka:

- `send_batch` instead of `send`: a quarter of the CPU per record.
- `acks="all"` is set explicitly: with a transactional id aiokafka would choose it, without one it would not.
- A producer is dropped after its first error: a failed batch has used up sequence numbers.
- Every step has a time limit: aiokafka waits indefinitely for transactions that the broker has aborted.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NoReturn

from aiokafka import TopicPartition
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    IllegalOperation,
    InvalidProducerEpoch,
    InvalidTimestampError,
    ProducerFenced,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from bridge.adapters.kafka.aiokafka_internals import fail_batches_outside_transaction, producer_error
from bridge.adapters.kafka.calls import call, time_limit
from bridge.adapters.kafka.log_ends import answered, high_watermark, know_leaders, stable_end
from bridge.adapters.kafka.partition_reading import committed_records
from bridge.adapters.kafka.record_times import RIGHT_CLOCK, WRONG_CLOCK
from bridge.adapters.kafka.rights import Right, denied, principal_of
from bridge.adapters.kafka.stopping import stop_producer
from bridge.adapters.kafka.topic_numbers import numbers_of_topics
from bridge.closings import Closings
from bridge.errors import KafkaUnavailable, ShardFenced, TopicMismatch
from bridge.kafka_clients import AIOKafkaProducer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from typing import TypeVar

    from aiokafka.producer.message_accumulator import BatchBuilder

    from bridge.adapters.kafka.connection import KafkaConnection
    from bridge.adapters.kafka.kept_client import KeptClient
    from bridge.adapters.kafka.rights import Operation
    from bridge.capture.ports import Batch, Limits, Outgoing

    _Result = TypeVar("_Result")
    Packed = list[tuple[str, int, BatchBuilder, list[Outgoing]]]
    """Topic, partition, record batch and its records, in the order in which they are sent."""

_BATCH_BYTES: Final = 900_000
"""Bytes per record batch: below the broker's default max.message.bytes (1,048,588) less the batch header."""
_RECORD_OVERHEAD: Final = 64
"""Upper bound of a record's bytes in a batch besides key, value and headers."""
_HEADER_OVERHEAD: Final = 10
_MAX_MESSAGE_BYTES: Final = "max.message.bytes"
_MIN_TOPIC_LIMIT: Final = 8_192
"""Bytes that a topic must accept, so that a GAP, a short certificate and a short chat's checkpoint fit."""
_REQUEST_MS: Final = 30_000


class KafkaTransactionalWriter:
    """The `TransactionalWriter` of one shard, used from `open` to its first error or `close`.

    What aiokafka's calls raise becomes ShardFenced or KafkaUnavailable, of which AccessDenied is one; nothing is
    committed then. Any other exception is a defect of this class or of the values it was given.
    """

    def __init__(
        self,
        settings: KafkaConnection,
        questions: KeptClient,
        partition: int,
        topics: Iterable[str],
        *,
        transactional_id: str | None = None,
    ) -> None:
        """Nothing connects before `open`. `topics` are those whose limits count for what is written to them.

        `questions` is the client that asks and reads, for all shards.

        The transactional id consists by default of the group and the partition.
        """
        self._settings = settings
        self._questions = questions
        self._partition = partition
        self._transactional_id = transactional_id or f"{settings.group}-{partition}"
        self._topics = tuple(topics)
        self._producer: AIOKafkaProducer | None = None
        self._announcements = TopicPartition(settings.topics.announcements, partition)
        self._batch_bytes = max(_BATCH_BYTES, settings.max_record_bytes)
        self._topic_limits: Mapping[str, int] = {}
        self._given = settings.times.now()
        self._reading = False
        self.read_all = False  #: whether nothing lay behind the last stable offset when `checkpoints` read it
        self._closings = Closings(f"release {partition}")

    @property
    def limits(self) -> Limits:
        """The largest record of each topic, as it was when `open` read the topics' configuration."""
        return self._limits_of(self._topic_limits)

    async def refresh_limits(self) -> Limits:
        """Return the limits as they are now; `limits` is unchanged."""
        async with self._time_limit():
            return self._limits_of(await self._read_topic_limits())

    def _limits_of(self, topic_limits: Mapping[str, int]) -> Limits:
        own, smaller = self._settings.max_record_bytes, self._settings.record_limits
        return {name: min(own, smaller.get(name, own), topic_limits.get(name, own)) for name in self._topics}

    async def open(self) -> None:
        """Start the producer and initialise its transactional id, which fences every earlier owner."""
        settings = self._settings
        producer = self._producer = AIOKafkaProducer(
            **{
                "bootstrap_servers": settings.bootstrap_servers,
                "client_id": f"chatbridge-{self._transactional_id}",
                "request_timeout_ms": _REQUEST_MS,
                **settings.client,
                "transactional_id": self._transactional_id,
                "transaction_timeout_ms": int(settings.transaction_timeout * 1000),
                "acks": "all",
                "enable_idempotence": True,
                "compression_type": settings.compression,
                "max_batch_size": self._batch_bytes,
                "max_request_size": 4 * self._batch_bytes,
                "linger_ms": 0,
            }
        )
        settings.open_clients.add(producer.client)
        fail_batches_outside_transaction(producer)  # P1: no batch is written but in its own transaction
        async with self._time_limit():
            await self._initialise(producer)
            await self.take_limits()

    async def _initialise(self, producer: AIOKafkaProducer) -> None:
        await self._call(producer.start())
        # begin_transaction waits for the producer id; the broker never sees an empty transaction.
        await self._call(producer.begin_transaction())
        await self._call(producer.commit_transaction())

    async def take_limits(self) -> None:
        """Have `limits` say how they are now."""
        async with self._time_limit():
            self._topic_limits = await self._read_topic_limits()

    async def _read_topic_limits(self) -> Mapping[str, int]:
        """Return topic -> max.message.bytes now. Raises TopicMismatch when one is too small for anything."""
        async with self._questions.use() as client:
            limits = await numbers_of_topics(client, self._topics, _MAX_MESSAGE_BYTES, self._translate)
        for name, limit in limits.items():
            if limit < _MIN_TOPIC_LIMIT:
                # Such a limit does not even admit a GAP record: wait instead of dropping events.
                raise TopicMismatch(
                    f"{name} accepts no records above {limit} bytes",
                    next_step=f"set its max.message.bytes to at least {_MIN_TOPIC_LIMIT} "
                    "(`chatbridge topics apply` does)",
                )
        return limits

    async def checkpoints(self, least: int = 0) -> list[tuple[str, bytes]]:
        """Read the shard's checkpoint partition up to its last stable offset; return the last value of each key.

        `least`: wait until that is at least this one, so that each transaction which began before is marked.
        The time limit applies between two fetches, not to the whole partition.
        """
        at = TopicPartition(self._settings.topics.checkpoints, self._partition)
        seconds = self._settings.transaction_timeout
        found: dict[str, bytes] = {}
        self._reading = True
        try:
            async with self._questions.use() as client:
                async with self._time_limit():
                    await self._call(know_leaders(client, [at]))
                    end = await stable_end(client, at, least, self._translate)
                    highest = await answered(client, [at], lambda: high_watermark(client, at), self._translate)
                self.read_all = end >= highest
                reading = committed_records(client, at, 0, end, seconds=seconds, translate=self._translate)
                async for records in reading:
                    _apply_records(records, found)
        finally:
            self._reading = False
        return list(found.items())

    async def goes_on(self) -> bool:
        """Return False: only to initialise the transactional id again tells who has it, and fences them."""
        return False

    async def turn(self) -> None:
        """Do not wait: nothing else is written with this producer."""

    async def commit(self, batch: Batch) -> None:
        """Write the batch in one transaction; on return Kafka has committed it."""
        producer = self._producer
        if producer is None:
            raise KafkaUnavailable("the shard's producer is not open")
        packed = self._packed(producer, batch)  # before the transaction begins: a defect here leaves none open
        group, offset = self._settings.group, batch.announcement_offset
        async with self._time_limit():
            await self._call(producer.begin_transaction())
            delivered = [
                await self._call(producer.send_batch(one, topic, partition=partition))
                for topic, partition, one, _ in packed
            ]
            acknowledged = await self._call(asyncio.gather(*delivered))
            if offset is not None:  # not earlier: a broker verifies one request of a transaction at a time
                await self._call(producer.send_offsets_to_transaction({self._announcements: offset}, group))
            await self._call(producer.commit_transaction())  # P3: nothing counts as captured before this returns
        self._settings.times.taken(self._given)
        for (_, _, _, records), told in zip(packed, acknowledged, strict=True):
            place_records(records, told.offset)

    def _packed(self, producer: AIOKafkaProducer, batch: Batch) -> Packed:
        """Put all records into record batches, each partition's in order."""
        self._given = self._settings.times.now()
        logs: dict[tuple[str, int], list[Outgoing]] = {}
        for record in batch.records:
            log = record.topic, record.partition
            if log in logs:
                logs[log].append(record)
            else:
                logs[log] = [record]
        packed: Packed = []
        for (topic, partition), records in logs.items():
            packed += self._pack(producer, topic, partition, records)
        return packed

    def _pack(self, producer: AIOKafkaProducer, topic: str, partition: int, records: Sequence[Outgoing]) -> Packed:
        """Put records of one partition into as few record batches as fit, in order."""
        limit = min(self._batch_bytes, self._topic_limits.get(topic, self._batch_bytes))
        batch = producer.create_batch()
        inside: list[Outgoing] = []
        packed = [(topic, partition, batch, inside)]
        for record in records:
            if inside and batch.size() + _max_size(record) > limit:
                batch = producer.create_batch()
                inside = []
                packed.append((topic, partition, batch, inside))
            added = batch.append(key=record.key, value=record.value, timestamp=self._given.ms, headers=record.headers)
            # append reports a full batch by None: the record would be missing in the transaction (P1)
            if added is None:
                raise ValueError("a record does not fit into a record batch that has space for it")
            inside.append(record)
        for _, _, one, _ in packed:
            one.close()
        return packed

    async def close(self) -> None:
        """Stop all clients, within seconds; those that do not stop, or all if this is cancelled, end by force."""
        producer, self._producer = self._producer, None
        if producer is not None:
            self._closings.begin(stop_producer(producer))
        await self._closings.ended()

    # --- errors --------------------------------------------------------------------------------------------------

    def _time_limit(self) -> AbstractAsyncContextManager[asyncio.Timeout]:
        """Limit a block to the transaction time-out: by then the broker has aborted any transaction."""
        return time_limit(
            self._settings.transaction_timeout, "Kafka did not answer within kafka.transaction_timeout_seconds"
        )

    async def _call(self, awaitable: Awaitable[_Result]) -> _Result:
        return await call(awaitable, self._translate)

    def _translate(self, raised: Exception) -> NoReturn:
        """Raise the bridge's error for what aiokafka raised: fenced, not authorised, or unavailable for now."""
        error: BaseException = raised
        if isinstance(error, IllegalOperation | AssertionError) and self._producer is not None:
            error = producer_error(self._producer) or error
        if isinstance(error, ProducerFenced | InvalidProducerEpoch):
            raise ShardFenced("fenced: another producer initialised the transactional id") from error
        if (right := self._denied(error)) is not None:
            raise denied(right, principal_of(self._settings.client)) from error
        if isinstance(error, InvalidTimestampError):
            self._settings.times.refused(self._given)
            raise KafkaUnavailable(f"{WRONG_CLOCK}: {type(error).__name__}", next_step=RIGHT_CLOCK) from error
        raise KafkaUnavailable(f"the transaction was not committed: {type(error).__name__}") from error

    def _denied(self, error: BaseException) -> list[Right] | None:
        """Return the rights that an error says are missing; None when it says something else."""
        group = self._settings.group
        if isinstance(error, TransactionalIdAuthorizationFailed):
            return [Right("transactional id", f"{group}-", "Write", prefixed=True)]
        if isinstance(error, GroupAuthorizationFailedError):
            return [Right("group", group, "Read")]
        if isinstance(error, TopicAuthorizationFailedError):
            operation: Operation = "Read" if self._reading else "Write"
            return [Right("topic", name, operation) for name in topics_of(error)]
        return None


def topics_of(error: TopicAuthorizationFailedError) -> list[str]:
    """Return the topics of an error of aiokafka, which has the name of one or a set of names as its argument."""
    named = error.args[0] if error.args else ()
    return [named] if isinstance(named, str) else sorted(named) or ["of the bridge"]


def _apply_records(records: Sequence[Any], found: dict[str, bytes]) -> None:
    """Keep the last value of each key; a tombstone removes the key."""
    for record in records:
        key = (record.key or b"").decode("utf-8", "replace")
        if record.value is None:
            found.pop(key, None)
        else:
            found[key] = record.value


def place_records(records: Sequence[Outgoing], first: int) -> None:
    """Tell records of one batch their offsets; `first` is negative when the broker had the batch already."""
    if first >= 0:
        for offset, record in enumerate(records, first):
            record.offset = offset


def _max_size(record: Outgoing) -> int:
    """Return an upper bound of the bytes that a record adds to a batch."""
    size = len(record.key) + len(record.value or b"") + _RECORD_OVERHEAD
    for name, value in record.headers:
        size += len(name) + len(value) + _HEADER_OVERHEAD
    return size
