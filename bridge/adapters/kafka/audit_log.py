"""Writes to the audit topic, one verb at a time: under a transactional id that opening takes from whoever had it.

What is there is read after the id was taken, so nothing can come between that and what is appended: another verb that
took the id meanwhile fences this one, which then has written nothing. Records of other topics that a verb writes, the
copies of a hold and the requests of an erasure, are part of the same transaction: they have the order of the entries.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NoReturn

from aiokafka.errors import IllegalOperation, InvalidProducerEpoch, ProducerFenced

from bridge.adapters.kafka.aiokafka_internals import fail_batches_outside_transaction, producer_error
from bridge.adapters.kafka.calls import call, time_limit, unavailable
from bridge.adapters.kafka.stopping import stop_producer
from bridge.adapters.kafka.topic_reader import reader
from bridge.adapters.kafka.verb_rights import audit_id
from bridge.errors import KafkaUnavailable, VerificationFailed
from bridge.kafka_clients import AIOKafkaProducer
from bridge.records.audit_chain import AuditChain

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Sequence
    from typing import TypeVar

    from aiokafka.structs import RecordMetadata

    from bridge.adapters.kafka.connection import KafkaConnection
    from bridge.capture.ports import Outgoing
    from bridge.records.audit_chain import AuditEntry
    from bridge.records.writer_schemas import WriterSchemas

    _Result = TypeVar("_Result")

_PARTITION: Final = 0
_SECONDS: Final = 60.0
_FAILED: Final = unavailable("the audit topic cannot be written")


@asynccontextmanager
async def audit_log(connection: KafkaConnection, writers: WriterSchemas, site: str) -> AsyncIterator[AuditLog]:
    """Take the id, read what is there, and provide the log for the block. Raises KafkaUnavailable, VerificationFailed.

    Held for as short a time as possible: another verb that begins meanwhile makes `append` fail.
    """
    producer = AIOKafkaProducer(
        **{
            "bootstrap_servers": connection.bootstrap_servers,
            **connection.client,
            "transactional_id": audit_id(connection.group),
            "transaction_timeout_ms": int(_SECONDS * 1000),
            "acks": "all",
            "enable_idempotence": True,
            "compression_type": connection.compression,
            "max_batch_size": connection.max_record_bytes,
            "max_request_size": 4 * connection.max_record_bytes,
        }
    )
    connection.open_clients.add(producer.client)
    fail_batches_outside_transaction(producer)
    log = AuditLog(producer, connection, AuditChain(writers, site))
    try:
        await log.open()
        yield log
    finally:
        await stop_producer(producer)


class AuditLog:
    """`chain` is what is on the topic; made by `audit_log`."""

    def __init__(self, producer: AIOKafkaProducer, connection: KafkaConnection, chain: AuditChain) -> None:
        """The producer is not started yet."""
        self.chain = chain
        self._producer = producer
        self._connection = connection

    async def open(self) -> None:
        """Take the id and read the topic."""
        topic, client = self._connection.topics.audit, dict(self._connection.client)
        async with time_limit(_SECONDS, f"Kafka did not answer within {_SECONDS:g} s"):
            await self._call(self._producer.start())
            await self._call(self._producer.begin_transaction())
            await self._call(self._producer.commit_transaction())
        async with reader({"bootstrap_servers": self._connection.bootstrap_servers, **client}) as topics:
            async for records in topics.whole(topic, [_PARTITION]):
                for record in records:
                    try:
                        self.chain.take(record.value or b"")
                    except VerificationFailed as error:
                        place = f"{topic}-{_PARTITION}@{record.offset}"
                        raise VerificationFailed(f"{place}: {error.message}; nothing was done") from error

    async def append(self, entries: Sequence[AuditEntry], others: Sequence[Outgoing] = ()) -> list[RecordMetadata]:
        """Write entries, and records of other topics, in one transaction; on return they are durable.

        Returns where the others are, in their order.

        Raises KafkaUnavailable, after which the log cannot be used any more: nothing is written, or all of it.
        """
        times = self._connection.times
        given, topic = times.now(), self._connection.topics.audit
        async with time_limit(_SECONDS, f"Kafka did not take the records within {_SECONDS:g} s"):
            await self._call(self._producer.begin_transaction())
            sent = [
                await self._send(one.topic, one.partition, one.key, one.value, one.headers, given.ms) for one in others
            ]
            for entry in entries:
                value = self.chain.made(entry)
                sent.append(await self._send(topic, _PARTITION, entry.request.encode(), value, [], given.ms))
            written = await self._call(asyncio.gather(*sent))
            await self._call(self._producer.commit_transaction())
        times.taken(given)
        return written[: len(others)]

    async def _send(  # noqa: PLR0913, PLR0917 - the parts of a record
        self, topic: str, partition: int, key: bytes, value: bytes | None, headers: list[tuple[str, bytes]], at: int
    ) -> asyncio.Future[Any]:
        found: asyncio.Future[Any] = await self._call(
            self._producer.send(topic, key=key, value=value, partition=partition, headers=headers, timestamp_ms=at)
        )
        return found

    async def _call(self, awaitable: Awaitable[_Result]) -> _Result:
        return await call(awaitable, self._translate)

    def _translate(self, raised: Exception) -> NoReturn:
        error: BaseException = raised
        if isinstance(error, IllegalOperation | AssertionError):
            error = producer_error(self._producer) or error
        if isinstance(error, ProducerFenced | InvalidProducerEpoch):
            raise KafkaUnavailable(
                "another erase, hold, release, subject or unseal command has begun meanwhile",
                next_step="run this one again when the other one has ended",
            ) from error
        _FAILED(error if isinstance(error, Exception) else raised)
