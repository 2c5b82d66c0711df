"""Writes announcements to their topic and returns once Kafka has acknowledged them."""

from __future__ import annotations

import asyncio
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from aiokafka.errors import InvalidTimestampError

from bridge.adapters.kafka.calls import call, time_limit, unavailable
from bridge.adapters.kafka.stopping import stop_producer
from bridge.announcement import encode
from bridge.errors import AnnouncementsNotWritten, KafkaUnavailable
from bridge.kafka_clients import AIOKafkaProducer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.adapters.kafka.connection import KafkaConnection
    from bridge.announcement import Announcement

_ACKNOWLEDGE_SECONDS: Final = 10.0
_REQUEST_MS: Final = 10_000
_SENDS_PER_TURN: Final = 100
"""Records sent between two yields to the event loop: `send` does not yield while its buffer has space."""


class AnnouncementProducer:
    """Writes announcements, acknowledged by all in-sync replicas, with the session id as key."""

    def __init__(self, settings: KafkaConnection) -> None:
        """Nothing connects before the first announcement."""
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._closed = False

    @property
    def producers(self) -> int:
        """Number of producers that are started: 1, or 0 before the first announcement and after an error."""
        return 0 if self._producer is None else 1

    async def announce(self, announcements: Sequence[Announcement]) -> None:
        """Write all of them; on return all are durable. Those of one chat keep their order.

        They are sent together and acknowledged together, within one time limit. Raises AnnouncementsNotWritten with
        the number of durable ones from the beginning of the list; later ones may be durable, too.
        """
        if not announcements:
            return
        records = [(one.session_id.encode(), encode(one)) for one in announcements]
        topic, failed = self._settings.topics.announcements, unavailable("cannot write announcements")
        producer: AIOKafkaProducer | None = None
        sent: list[asyncio.Future[object]] = []
        times = self._settings.times
        given = times.now()
        try:
            # An idempotent producer would retry without limit.
            async with time_limit(
                _ACKNOWLEDGE_SECONDS, f"Kafka did not acknowledge announcements within {_ACKNOWLEDGE_SECONDS:g} s"
            ):
                producer = await self._started()
                for number, (key, value) in enumerate(records, 1):
                    sending = producer.send(topic, key=key, value=value, timestamp_ms=given.ms)
                    sent.append(await call(sending, failed))
                    if not number % _SENDS_PER_TURN:
                        await asyncio.sleep(0)
                await call(asyncio.gather(*sent), failed)
            times.taken(given)
        except KafkaUnavailable as error:
            if isinstance(error.__cause__, InvalidTimestampError):
                times.refused(given)
            if producer is not None:
                await self._drop(producer)  # announcements reported as failed must not be sent later (P6)
            outcomes = [_acknowledged(each) for each in sent]
            durable = sum(1 for _ in takewhile(bool, outcomes))
            raise AnnouncementsNotWritten(error.message, accepted=durable) from error

    async def _started(self) -> AIOKafkaProducer:
        failed = unavailable("cannot connect to Kafka")
        async with self._starting:
            self._refuse_if_closed()
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **{
                        "bootstrap_servers": self._settings.bootstrap_servers,
                        **self._settings.client,
                        "acks": "all",
                        "enable_idempotence": True,
                        "request_timeout_ms": _REQUEST_MS,
                    }
                )
                self._settings.open_clients.add(producer.client)
                try:
                    await call(producer.start(), failed)
                    self._refuse_if_closed()  # `close` was called meanwhile, and did not see it
                except BaseException:
                    await stop_producer(producer)
                    raise
                self._producer = producer
            return self._producer

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise KafkaUnavailable("this worker stops")

    async def _drop(self, producer: AIOKafkaProducer) -> None:
        """Stop a producer that failed, unless another request has done so; a newer one goes on."""
        if producer is self._producer:
            self._producer = None
            await stop_producer(producer)

    async def close(self) -> None:
        """Stop the producer, within seconds. No other is started: announcements are refused from now on."""
        self._closed = True
        if self._producer is not None:
            await self._drop(self._producer)


def _acknowledged(sent: asyncio.Future[object]) -> bool:
    return sent.done() and not sent.cancelled() and sent.exception() is None
