"""Kafka through aiokafka: a shard's transactional log.

What is particular to aiokafka is kept here: `send_batch` instead of `send` (a quarter of the cost), `acks="all"` said
aloud (its default is 1), producers dropped after their first error (a failed batch spends sequence numbers), and
limits on what it would wait for without end: `stop`, and a transaction that the broker has given up long ago.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    IllegalOperation,
    InvalidProducerEpoch,
    KafkaError,
    ProducerClosed,
    ProducerFenced,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from bridge.errors import BridgeError, EnvironmentFault, KafkaUnavailable, ShardFenced, TopicMismatch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.adapters.kafka.topic_manager import TopicNames
    from bridge.capture.ports import Batch, Limits, Outgoing

_BATCH_BYTES: Final = 900_000
"""Bytes per record batch: below the broker's default message.max.bytes (1,048,588) with room for the batch header."""
_PER_RECORD: Final = 64
"""Bytes at most that a record takes in a batch beside its key, value and headers; each header takes some more."""
_PER_HEADER: Final = 10
_LIMIT: Final = "max.message.bytes"
_LEAST_BYTES: Final = 8_192
"""What a topic has to take for a GAP, a short certificate and the checkpoint of a short chat to fit."""
_STOP_SECONDS: Final = 5.0
_REQUEST_MS: Final = 30_000


@dataclass(slots=True, frozen=True)
class KafkaConnection:
    """How to reach Kafka. `client` is handed to aiokafka as it is (SASL, TLS). Times in seconds."""

    bootstrap_servers: str
    group: str
    topics: TopicNames
    client: Mapping[str, object] = field(default_factory=dict)
    compression: str | None = "zstd"
    transaction_timeout: float = 60.0
    max_record_bytes: int = 1_000_000


class KafkaTransactionalWriter:
    """One hold of one shard on Kafka, from `open` to the first error or `close`."""

    def __init__(self, settings: KafkaConnection, partition: int) -> None:
        """Nothing connects before `open`."""
        self._settings = settings
        self._partition = partition
        self._producer: AIOKafkaProducer | None = None
        self._offsets_of = TopicPartition(settings.topics.announcements, partition)
        self._batch_bytes = max(_BATCH_BYTES, settings.max_record_bytes)
        self._most: Mapping[str, int] = {}
        # After so long the broker gives a transaction up; whatever still waits for its end waits for nothing.
        self._patience = settings.transaction_timeout

    @property
    def limits(self) -> Limits:
        """What the topics took when `open` looked."""
        return self._limits_of(self._most)

    async def refresh_limits(self) -> Limits:
        """Ask what the topics take now."""
        with _translated():
            async with asyncio.timeout(self._patience):
                return self._limits_of(await self._look())

    def _limits_of(self, most: Mapping[str, int]) -> Limits:
        own = self._settings.max_record_bytes
        return {kind: min(own, most.get(name, own)) for kind, name in self._written().items()}

    def _written(self) -> Mapping[str, str]:
        """Return the topics that a transaction writes records to, by kind."""
        topics = self._settings.topics
        return {
            "events": topics.events,
            "sessions": topics.sessions,
            "quarantine": topics.quarantine,
            "checkpoints": topics.checkpoints,
        }

    async def open(self) -> None:
        """Start the producer and initialise its transactional id, which fences every former owner."""
        settings = self._settings
        self._producer = AIOKafkaProducer(
            **{
                "bootstrap_servers": settings.bootstrap_servers,
                "client_id": f"chatbridge-{settings.group}-{self._partition}",
                "request_timeout_ms": _REQUEST_MS,
                **settings.client,
                "transactional_id": f"{settings.group}-{self._partition}",
                "transaction_timeout_ms": int(settings.transaction_timeout * 1000),
                "acks": "all",
                "enable_idempotence": True,
                "compression_type": settings.compression,
                "max_batch_size": self._batch_bytes,
                "max_request_size": 4 * self._batch_bytes,
                "linger_ms": 0,
            }
        )
        with _translated():
            async with asyncio.timeout(self._patience):
                await self._producer.start()
                # begin_transaction waits for the producer id; an empty transaction costs the broker nothing.
                await self._producer.begin_transaction()
                await self._producer.commit_transaction()
                self._most = await self._look()

    async def _look(self) -> Mapping[str, int]:
        """Return max.message.bytes of the topics: somebody may have lowered one after it was made."""
        settings = self._settings
        admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap_servers, **settings.client)
        try:
            await admin.start()
            answers = await admin.describe_configs(
                [ConfigResource(ConfigResourceType.TOPIC, name, {_LIMIT: None}) for name in self._written().values()]
            )
        finally:
            await admin.close()
        resources = [resource for answer in answers for resource in answer.resources]
        most = {name: int(entry[1]) for _, _, _, name, entries in resources for entry in entries if entry[0] == _LIMIT}
        for name, limit in most.items():
            if limit < _LEAST_BYTES:
                # Nothing is given up for a limit under which nothing can be said, not even what is missing.
                raise TopicMismatch(
                    f"{name} takes no records above {limit} bytes",
                    next_step=f"set its max.message.bytes to at least {_LEAST_BYTES} (`chatbridge topics apply` does)",
                )
        return most

    async def checkpoints(self) -> list[tuple[str, bytes]]:
        """Read the shard's checkpoint partition from its beginning to its (last stable) end; the last value wins."""
        settings = self._settings
        partition = TopicPartition(settings.topics.checkpoints, self._partition)
        consumer = AIOKafkaConsumer(
            **{
                "bootstrap_servers": settings.bootstrap_servers,
                "client_id": f"chatbridge-{settings.group}-{self._partition}-checkpoints",
                **settings.client,
                "isolation_level": "read_committed",
                "enable_auto_commit": False,
                "max_partition_fetch_bytes": 4 * 1024 * 1024,
            }
        )
        found: dict[str, bytes] = {}
        with _translated():
            try:
                async with asyncio.timeout(self._patience) as patience:
                    await consumer.start()
                    consumer.assign([partition])
                    await consumer.seek_to_beginning(partition)
                    end = (await consumer.end_offsets([partition]))[partition]
                    while await consumer.position(partition) < end:
                        for records in (await consumer.getmany(partition, timeout_ms=200)).values():
                            patience.reschedule(asyncio.get_running_loop().time() + self._patience)
                            _fold(records, found)
            finally:
                await consumer.stop()
        return list(found.items())

    async def commit(self, batch: Batch) -> None:
        """Write the batch in one transaction; on return Kafka has committed it."""
        producer = self._producer
        if producer is None:
            raise KafkaUnavailable("the shard's producer is not open")
        topics, own = self._settings.topics, self._partition
        with _translated(producer):
            async with asyncio.timeout(self._patience):
                await producer.begin_transaction()
                delivered = [
                    *await self._send(producer, topics.events, own, batch.events),
                    *await self._send(producer, topics.sessions, own, batch.sessions),
                    *await self._send(producer, topics.quarantine, own, batch.quarantine),
                    *await self._send(producer, topics.checkpoints, own, batch.checkpoints),
                ]
                for partition, record in batch.forwards:
                    delivered += await self._send(producer, topics.announcements, partition, [record])
                if batch.announcement_offset is not None:
                    await producer.send_offsets_to_transaction(
                        {self._offsets_of: batch.announcement_offset}, self._settings.group
                    )
                await asyncio.gather(*delivered)
                await producer.commit_transaction()  # P3: only when this returns is anything captured

    async def _send(
        self, producer: AIOKafkaProducer, topic: str, partition: int, records: Sequence[Outgoing]
    ) -> list[asyncio.Future[object]]:
        """Pack records into as few batches as fit, in order."""
        if not records:
            return []
        sent: list[asyncio.Future[object]] = []
        most = min(self._batch_bytes, self._most.get(topic, self._batch_bytes))
        batch = producer.create_batch()
        for record in records:
            if batch.record_count() and batch.size() + _size_of(record) > most:
                sent.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
            batch.append(key=record.key, value=record.value, timestamp=record.timestamp, headers=record.headers)
        batch.close()
        sent.append(await producer.send_batch(batch, topic, partition=partition))
        return sent

    async def close(self) -> None:
        """Stop the producer; after a few seconds without success cut its connections."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await stop(producer)


async def stop(producer: AIOKafkaProducer) -> None:
    """Stop a producer in order, or, when that does not come about within seconds, for good all the same.

    aiokafka waits without limit for what is still to be delivered, and a sender that nobody cancels goes on trying,
    on connections that it opens anew.
    """
    with contextlib.suppress(Exception):  # what its background tasks died of comes up here; it is dropped all the same
        try:
            await asyncio.wait_for(producer.stop(), _STOP_SECONDS)
        except TimeoutError:
            for task in _tasks_of(producer._sender):  # noqa: SLF001
                task.cancel()
            producer._message_accumulator.fail_all(ProducerClosed())  # noqa: SLF001
            await asyncio.wait_for(producer.client.close(), _STOP_SECONDS)


def _tasks_of(sender: object) -> list[asyncio.Task[object]]:
    """Return the tasks that run methods of a sender; it keeps them in a local variable."""
    frames = ((task, getattr(task.get_coro(), "cr_frame", None)) for task in asyncio.all_tasks())
    return [task for task, frame in frames if frame is not None and frame.f_locals.get("self") is sender]


def _fold(records: Sequence[Any], found: dict[str, bytes]) -> None:
    """Let the last value of each key win; a tombstone takes the key away."""
    for record in records:
        key = (record.key or b"").decode("utf-8", "replace")
        if record.value is None:
            found.pop(key, None)
        else:
            found[key] = record.value


def _size_of(record: Outgoing) -> int:
    """Return at most how many bytes a record adds to a batch."""
    headers = sum(len(name) + len(value) + _PER_HEADER for name, value in record.headers)
    return len(record.key) + len(record.value or b"") + headers + _PER_RECORD


def forget_failed_batches(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Handle what the event loop could not deliver: like its default, less aiokafka's forgotten futures.

    A producer that fails sets the error on a future per batch that only its own internals may wait for; asyncio
    reports each as never retrieved. The error itself has been raised where the batch was awaited.
    """
    if isinstance(context.get("exception"), KafkaError) and "future" in context:
        return
    loop.default_exception_handler(context)


class _translated(contextlib.AbstractContextManager[None]):  # noqa: N801 - reads as a word in a with statement
    """Turn aiokafka's errors into the bridge's: fenced, not allowed, or away for now."""

    def __init__(self, producer: AIOKafkaProducer | None = None) -> None:
        """`producer` is asked what ended it when all that it says is that it cannot go on."""
        self._producer = producer

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Raise the translation, chained to the original."""
        if isinstance(error, IllegalOperation | AssertionError) and self._producer is not None:
            error = self._producer._message_accumulator._exception or error  # noqa: SLF001
        if isinstance(error, ProducerFenced | InvalidProducerEpoch):
            raise ShardFenced("another replica took this shard over") from error
        if isinstance(error, TransactionalIdAuthorizationFailed):
            raise EnvironmentFault(
                "Kafka refuses the transactional id",
                next_step="grant Write and Describe on the transactional ids with the group's prefix",
            ) from error
        if isinstance(error, TopicAuthorizationFailedError):
            raise EnvironmentFault(
                "Kafka refuses a topic of the bridge",
                next_step="grant Read, Write, Describe and DescribeConfigs on all topics with kafka.topic_prefix",
            ) from error
        if isinstance(error, TimeoutError):
            raise KafkaUnavailable("Kafka gave no answer within kafka.transaction_timeout_seconds") from error
        if isinstance(error, Exception) and not isinstance(error, BridgeError):
            # KafkaError, and what aiokafka lets through: its assertions, errors of sockets. Nothing is committed.
            raise KafkaUnavailable(f"Kafka did not take the transaction: {type(error).__name__}") from error
