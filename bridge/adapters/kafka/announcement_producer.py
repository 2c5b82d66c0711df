"""Writes announcements to their topic, each acknowledged by Kafka before the caller is told so."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiokafka import AIOKafkaProducer

from bridge.adapters.kafka.transactional_writer import stop
from bridge.announcement import encode
from bridge.errors import KafkaUnavailable

if TYPE_CHECKING:
    from bridge.adapters.kafka.transactional_writer import KafkaConnection
    from bridge.announcement import Announcement

_STOP_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.2
_CONFIRM_SECONDS: Final = 10.0
_ANNOUNCE_SECONDS: Final = 10.0
_SILENT_SECONDS: Final = 5.0
"""How long the group's coordinator may be looked for before that is a problem."""
_STABLE: Final = "Stable"
_CLIENT_ERRORS: Final = (RuntimeError, OSError, AssertionError)
"""What aiokafka raises: KafkaError, which is a RuntimeError, and what its background tasks died of."""


class AnnouncementProducer:
    """Writes announcements, acknowledged by all in-sync replicas, with the session id as key."""

    def __init__(self, settings: KafkaConnection) -> None:
        """Nothing connects before the first announcement."""
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    async def announce(self, announcement: Announcement) -> None:
        """Write one; on return it is durable. Raises KafkaUnavailable."""
        try:
            async with asyncio.timeout(_ANNOUNCE_SECONDS):  # an idempotent producer would try for ever
                producer = await self._started()
                await producer.send_and_wait(
                    self._settings.topics.announcements,
                    key=announcement.session_id.encode(),
                    value=encode(announcement),
                )
        except TimeoutError as error:
            await self.close()  # P6: what it holds was refused to whoever asked
            raise KafkaUnavailable(f"Kafka did not take the announcement within {_ANNOUNCE_SECONDS:g} s") from error
        except _CLIENT_ERRORS as error:
            await self.close()
            raise KafkaUnavailable(f"cannot write the announcement: {type(error).__name__}") from error

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **{
                        "bootstrap_servers": self._settings.bootstrap_servers,
                        **self._settings.client,
                        "acks": "all",
                        "enable_idempotence": True,
                        "request_timeout_ms": 10_000,
                    }
                )
                try:
                    await producer.start()
                except BaseException:
                    await stop(producer)
                    raise
                self._producer = producer
            return self._producer

    async def close(self) -> None:
        """Stop the producer, within seconds."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await stop(producer)
