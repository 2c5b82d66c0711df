"""Writes stored transcripts to their topic, and tells which of them Kafka has acknowledged, in the order of writing.

An idempotent producer, acknowledged by all in-sync replicas: a text is there once per call of `send`. What is not
acknowledged yet is bounded in bytes: `send` waits while there is more.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from aiokafka.errors import InvalidTimestampError

from bridge.adapters.kafka.calls import call, time_limit, unavailable
from bridge.adapters.kafka.record_times import RIGHT_CLOCK, WRONG_CLOCK
from bridge.adapters.kafka.stopping import stop_producer
from bridge.errors import IllegalTransition, KafkaUnavailable
from bridge.kafka_clients import AIOKafkaProducer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager

    from aiokafka.structs import RecordMetadata

    from bridge.adapters.kafka.connection import KafkaConnection

_MOST_BYTES: Final = 16 * 1024 * 1024
"""Limit for what is not acknowledged; one text more may be."""
_ACKNOWLEDGE_SECONDS: Final = 60.0
_REQUEST_MS: Final = 10_000
_FAILED: Final = unavailable("cannot write stored transcripts")

_Token = TypeVar("_Token")
Headers = list[tuple[str, bytes]]


@dataclass(slots=True)
class _Sent(Generic[_Token]):
    token: _Token
    records: list[asyncio.Future[RecordMetadata]]
    size: int


@dataclass(slots=True, frozen=True)
class Acknowledged(Generic[_Token]):
    """A text that is durable: what it was sent with, and the partition and offset of its last record."""

    token: _Token
    partition: int
    offset: int


class StoredTextProducer(Generic[_Token]):
    """Writes texts in order. `open` comes first, `close` last; after a KafkaUnavailable nothing but `close`."""

    def __init__(self, settings: KafkaConnection) -> None:
        """Nothing connects yet."""
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._sent: deque[_Sent[_Token]] = deque()
        self._bytes = 0

    async def open(self) -> None:
        """Connect."""
        settings = self._settings
        producer = self._producer = AIOKafkaProducer(
            **{
                "bootstrap_servers": settings.bootstrap_servers,
                **settings.client,
                "acks": "all",
                "enable_idempotence": True,
                "request_timeout_ms": _REQUEST_MS,
                "compression_type": settings.compression,
                "max_batch_size": settings.max_record_bytes,
                "max_request_size": 4 * settings.max_record_bytes,
                "linger_ms": 5,
            }
        )
        settings.open_clients.add(producer.client)
        await call(producer.start(), _FAILED)

    async def send(
        self, token: _Token, key: bytes, records: Sequence[tuple[Headers, bytes]], partition: int | None = None
    ) -> list[Acknowledged[_Token]]:
        """Write the records of a text one after the other; return the texts that are acknowledged meanwhile.

        They go to a partition; None: that of the key.
        """
        if self._producer is None:
            raise IllegalTransition("send before open")
        size = sum(len(value) for _, value in records)
        given = self._settings.times.now()
        sent = _Sent(token, [], size)
        self._sent.append(sent)
        self._bytes += size
        async with _limit():
            for headers, value in records:
                sending = self._producer.send(
                    self._settings.topics.stored,
                    value=value,
                    key=key,
                    partition=partition,
                    headers=headers,
                    timestamp_ms=given.ms,
                )
                sent.records.append(await call(sending, _FAILED))
        return await self._acknowledged(_MOST_BYTES)

    async def flush(self) -> list[Acknowledged[_Token]]:
        """Wait until all is acknowledged; return the texts that were not told before."""
        return await self._acknowledged(-1)

    async def _acknowledged(self, most: int) -> list[Acknowledged[_Token]]:
        """Take the oldest texts that are acknowledged; wait for them while more than `most` bytes are not."""
        found: list[Acknowledged[_Token]] = []
        while self._sent and (self._bytes > most or all(one.done() for one in self._sent[0].records)):
            oldest = self._sent[0]
            async with _limit():
                try:
                    last = (await call(asyncio.gather(*oldest.records), _FAILED))[-1]
                except KafkaUnavailable as error:
                    if isinstance(error.__cause__, InvalidTimestampError):
                        raise KafkaUnavailable(WRONG_CLOCK, next_step=RIGHT_CLOCK) from error
                    raise
            self._sent.popleft()
            self._bytes -= oldest.size
            found.append(Acknowledged(oldest.token, last.partition, last.offset))
        return found

    async def close(self) -> None:
        """Stop, within seconds; what is not acknowledged may be written or not."""
        if self._producer is not None:
            await stop_producer(self._producer)
        for sent in self._sent:
            for record in sent.records:
                if record.done() and not record.cancelled():
                    record.exception()  # nobody waits for it any more
        self._sent.clear()


def _limit() -> AbstractAsyncContextManager[asyncio.Timeout]:
    return time_limit(_ACKNOWLEDGE_SECONDS, f"Kafka did not acknowledge within {_ACKNOWLEDGE_SECONDS:g} s")
