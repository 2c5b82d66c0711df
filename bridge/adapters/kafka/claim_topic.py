"""The claims of workers in the checkpoint partitions of shards, and the fence: see `capture/worker_transactions.py`."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from bridge.adapters.kafka.calls import call, kafka_errors, time_limit, unavailable
from bridge.adapters.kafka.partition_consumer import partition_consumer
from bridge.adapters.kafka.stopping import stop_consumer, stop_producer
from bridge.adapters.kafka.transaction_marks import answered_or
from bridge.closings import Closings
from bridge.errors import KafkaUnavailable
from bridge.records.checkpoint_keys import is_claim_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping, Sequence

    from bridge.adapters.kafka.connection import KafkaConnection
    from bridge.capture.worker_ports import ClaimRecord, ProducerEpoch

_SECONDS: Final = 10.0
_READ_SECONDS: Final = 5.0
"""Between two fetches of a partition: one that does not answer for so long is left out."""
_IDLE_SECONDS: Final = 5.0
"""Claims are seldom written: the producer ends when there were none for so long."""
_REQUEST_MS: Final = 10_000
_POLL_MS: Final = 200
_write_failed: Final = unavailable("cannot write a claim")
_read_failed: Final = unavailable("cannot read claims")
_fence_failed: Final = unavailable("cannot fence a former holder")


class KafkaClaims:
    """The `ClaimTopic` of one worker. What it writes, it writes outside of transactions, at once."""

    def __init__(self, settings: KafkaConnection) -> None:
        """Nothing connects before the first call."""
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._writes = 0
        self._closings = Closings("release a producer of claims")

    async def write(self, partition: int, key: str, claimant: str) -> int:
        """Write a claim; it is written once, or not at all, but may be written later if this fails."""
        offset = await self._write(partition, key, claimant.encode())
        if offset < 0:  # aiokafka sent it twice, and the broker had it already
            raise KafkaUnavailable("Kafka does not tell the offset of a claim")
        return offset

    async def remove(self, partition: int, keys: Collection[str]) -> None:
        """Write a tombstone for each of the claims."""
        for key in keys:
            await self._write(partition, key, None)

    async def _write(self, partition: int, key: str, value: bytes | None) -> int:
        topic, producer = self._settings.topics.checkpoints, None
        self._writes += 1
        try:
            async with time_limit(_SECONDS, f"Kafka did not acknowledge a claim within {_SECONDS:g} s"):
                producer = await self._started()
                sending = producer.send_and_wait(topic, value, key.encode(), partition=partition)
                return int((await call(sending, _write_failed)).offset)
        except BaseException:
            # It would go on sending, and a failed idempotent producer has used up sequence numbers.
            self._drop(producer)
            raise
        finally:
            self._writes -= 1
            asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._drop_idle, producer)

    def _drop_idle(self, producer: AIOKafkaProducer | None) -> None:
        if not self._writes:
            self._drop(producer)

    def _drop(self, producer: AIOKafkaProducer | None) -> None:
        if producer is not None and producer is self._producer:
            self._producer = None
            self._closings.begin(stop_producer(producer))

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                settings = self._settings
                producer = AIOKafkaProducer(
                    **{
                        "bootstrap_servers": settings.bootstrap_servers,
                        "client_id": f"chatbridge-{settings.group}-claims",
                        "request_timeout_ms": _REQUEST_MS,
                        **settings.client,
                        "acks": "all",
                        "enable_idempotence": True,
                    }
                )
                settings.open_clients.add(producer.client)
                try:
                    await call(producer.start(), _write_failed)
                except BaseException:
                    await stop_producer(producer)
                    raise
                self._producer = producer
            return self._producer

    async def read(self, since: Mapping[int, int]) -> Mapping[int, tuple[Sequence[ClaimRecord], int]]:
        """Read from these offsets to the high watermarks, so also beyond transactions that are open."""
        topic = self._settings.topics.checkpoints
        async with self._consumer() as consumer:
            places = {TopicPartition(topic, partition): offset for partition, offset in since.items()}
            with kafka_errors(_read_failed):
                consumer.assign(list(places))
            ends = await asyncio.gather(*(_end(consumer, at) for at in places))
            unread = {at: end for at, end in zip(places, ends, strict=True) if end is not None}
            for at, offset in places.items():
                if at in unread:
                    with kafka_errors(_read_failed):
                        consumer.seek(at, offset)
                else:
                    with kafka_errors(_read_failed):
                        consumer.pause(at)
            return await _read(consumer, places, unread)

    async def fence(self, transactional_id: str, *, abandoned: ProducerEpoch | None) -> None:
        """Start a producer with this transactional id, and stop it.

        No process of the bridge asks for the abort of a transaction. So Kafka aborts one only after it has raised the
        epoch of the id, as an initialisation does, and that fences, whether or not the abort is marked anywhere.
        """
        settings = self._settings
        producer = AIOKafkaProducer(
            **{
                "bootstrap_servers": settings.bootstrap_servers,
                "client_id": f"chatbridge-{settings.group}-fence",
                "request_timeout_ms": _REQUEST_MS,
                **settings.client,
                "transactional_id": transactional_id,
                "transaction_timeout_ms": int(settings.transaction_timeout * 1000),
                "acks": "all",
                "enable_idempotence": True,
            }
        )
        try:
            async with time_limit(settings.transaction_timeout, "Kafka did not fence a former holder in time"):
                initialise = _initialise(producer)
                await answered_or(
                    lambda found: found.aborted or (found.committed and found.epoch == abandoned),
                    1,
                    initialise,
                    producer.client,
                    transactional_id,
                )
        finally:
            await stop_producer(producer)

    async def close(self) -> None:
        """Stop the producer, within seconds."""
        self._drop(self._producer)
        await self._closings.ended()

    @asynccontextmanager
    async def _consumer(self) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = partition_consumer(self._settings, "claims", "read_uncommitted")
        try:
            async with time_limit(_SECONDS, f"Kafka did not answer within {_SECONDS:g} s"):
                await call(consumer.start(), _read_failed)
            yield consumer
        finally:
            await stop_consumer(consumer)


async def _initialise(producer: AIOKafkaProducer) -> None:
    await call(producer.start(), _fence_failed)
    # `begin_transaction` waits for the producer id; the broker never sees an empty transaction.
    await call(producer.begin_transaction(), _fence_failed)
    await call(producer.commit_transaction(), _fence_failed)


async def _end(consumer: AIOKafkaConsumer, at: TopicPartition) -> int | None:
    """Return the end of a partition; None if no leader tells it within seconds."""
    with contextlib.suppress(KafkaUnavailable):
        async with time_limit(_READ_SECONDS, "Kafka did not answer where a partition ends"):
            found = await call(consumer.end_offsets([at]), _read_failed)
            return int(found[at])
    return None


async def _read(
    consumer: AIOKafkaConsumer, places: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
) -> dict[int, tuple[list[ClaimRecord], int]]:
    found: dict[TopicPartition, list[ClaimRecord]] = {at: [] for at in ends}
    positions = {at: places[at] for at in ends}
    loop = asyncio.get_running_loop()
    heard = dict.fromkeys(ends, loop.time())
    while unread := [at for at, end in ends.items() if positions[at] < end and loop.time() - heard[at] < _READ_SECONDS]:
        fetched = await call(consumer.getmany(*unread, timeout_ms=_POLL_MS), _read_failed)
        for at, records in fetched.items():
            for record in records:
                key = (record.key or b"").decode("utf-8", "replace")
                if is_claim_key(key):
                    found[at].append((key, None if record.value is None else record.value.decode("utf-8", "replace")))
        for at in unread:
            async with time_limit(_READ_SECONDS, "Kafka did not answer in time"):
                position = await call(consumer.position(at), _read_failed)
            if position > positions[at]:
                positions[at], heard[at] = position, loop.time()
    return {at.partition: (found[at], positions[at]) for at, end in ends.items() if positions[at] >= end}
