"""Announcements of chats to the bridge: over HTTP, directly to Kafka, or none."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from typing import TYPE_CHECKING, Final, Protocol

import aiohttp
from aiokafka.errors import KafkaError

from bridge.announcement import Announcement, encode
from bridge.backoff import Backoff
from bridge.errors import KafkaUnavailable
from bridge.kafka_clients import AIOKafkaProducer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

_log: Final = logging.getLogger(__name__)
_FIRST_RETRY_SECONDS: Final = 0.1
_LAST_RETRY_SECONDS: Final = 5.0


class Announcer(Protocol):
    """Where announcements go. An async context manager; leaving it sends what is still queued."""

    announced: int
    refused: int

    @property
    def unanswered(self) -> int:
        """How many are neither accepted nor refused; those that are left at the end are dropped."""

    async def __aenter__(self) -> Self:
        """Connect."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send what is queued, then disconnect."""

    def announce(self, announcement: Announcement) -> None:
        """Queue one announcement without blocking. Those of one chat are sent in the order of the calls."""


class NoAnnouncer:
    """Announces nothing."""

    announced = 0
    refused = 0
    unanswered = 0

    async def __aenter__(self) -> Self:
        """Nothing to connect to."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing to send."""

    def announce(self, announcement: Announcement) -> None:
        """Ignore it."""


class _Counts:
    """How many announcements there are, and what became of them."""

    def __init__(self) -> None:
        self.announced = 0
        self.refused = 0
        self._queued = 0

    @property
    def unanswered(self) -> int:
        """How many are neither accepted nor refused."""
        return self._queued - self.announced - self.refused


class HttpAnnouncer(_Counts):
    """POSTs to `<bridge-url>/v1/sessions`, at most `concurrency` at a time, and retries until it is accepted.

    A refusal that a retry cannot change (4xx except 408 and 429) is counted in `refused` and not retried.
    """

    def __init__(
        self, bridge_url: str, *, concurrency: int = 16, token: str | None = None, flush_timeout: float = 10.0
    ) -> None:
        """`token` is sent as a bearer token. On exit, what is not accepted in `flush_timeout` seconds is dropped."""
        super().__init__()
        self._told = False
        self._url = bridge_url.rstrip("/") + "/v1/sessions"
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._concurrency = concurrency
        self._patience = flush_timeout
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._workers: list[asyncio.Task[None]] = []
        self._client: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Start the workers."""
        self._client = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30), headers=self._headers)
        self._workers = [asyncio.create_task(self._work(self._client)) for _ in range(self._concurrency)]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Wait for the queue to empty, within bounds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                await self._queue.join()
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        if self._client is not None:
            await self._client.close()

    def announce(self, announcement: Announcement) -> None:
        """Queue one."""
        self._queued += 1
        self._queue.put_nowait(encode(announcement))

    async def _work(self, client: aiohttp.ClientSession) -> None:
        while True:
            body = await self._queue.get()
            try:
                await self._post(client, body)
            finally:
                self._queue.task_done()

    async def _post(self, client: aiohttp.ClientSession, body: bytes) -> None:
        backoff = _backoff()
        while True:
            try:
                async with client.post(self._url, data=body) as answer:
                    if answer.status < 300:  # noqa: PLR2004 - success is 2xx
                        self.announced += 1
                        return
                    if 400 <= answer.status < 500 and answer.status not in {408, 429}:  # noqa: PLR2004
                        self.refused += 1
                        return
            except (aiohttp.ClientError, TimeoutError) as error:
                if not self._told:
                    self._told = True
                    _log.warning("%s does not answer: %s; announcements are sent again", self._url, error)
            await asyncio.sleep(backoff.next())


class KafkaAnnouncer(_Counts):
    """Writes to the announcements topic: key = sessionId, the client's own murmur2 partitioner, acks=all.

    Records that fail are sent again, also those that Kafka refuses; the bridge follows a chat that was announced twice
    only once.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        topic: str,
        options: Mapping[str, object],
        *,
        flush_timeout: float = 10.0,
    ) -> None:
        """`options` are passed to the Kafka client (SASL, TLS). `flush_timeout` as in `HttpAnnouncer`."""
        super().__init__()
        self._bootstrap_servers = bootstrap_servers
        self._topic = topic
        self._options = options
        self._patience = flush_timeout
        self._queue: asyncio.Queue[tuple[bytes, bytes]] = asyncio.Queue()
        self._worker: asyncio.Task[None] | None = None
        self._producer: AIOKafkaProducer | None = None

    async def __aenter__(self) -> Self:
        """Connect. Raises KafkaUnavailable when no broker answers."""
        producer = AIOKafkaProducer(bootstrap_servers=self._bootstrap_servers, acks="all", linger_ms=5, **self._options)
        try:
            await producer.start()
        except KafkaError as error:
            await producer.stop()
            raise KafkaUnavailable(f"cannot announce on Kafka: {type(error).__name__}") from error
        except BaseException:
            await producer.stop()
            raise
        self._producer = producer
        self._worker = asyncio.create_task(self._work(producer))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Wait for the queue to empty, within bounds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                await self._queue.join()
        if self._worker is not None and self._producer is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
            await self._producer.stop()

    def announce(self, announcement: Announcement) -> None:
        """Queue one."""
        self._queued += 1
        self._queue.put_nowait((announcement.session_id.encode(), encode(announcement)))

    async def _work(self, producer: AIOKafkaProducer) -> None:
        while True:
            batch = [await self._queue.get()]
            while not self._queue.empty():
                batch.append(self._queue.get_nowait())
            await self._send(producer, batch)
            for _ in batch:
                self._queue.task_done()

    async def _send(self, producer: AIOKafkaProducer, batch: list[tuple[bytes, bytes]]) -> None:
        backoff = _backoff()
        while batch:
            sending = [producer.send_and_wait(self._topic, value=value, key=key) for key, value in batch]
            outcomes = await asyncio.gather(*sending, return_exceptions=True)
            for outcome in outcomes:
                if isinstance(outcome, BaseException) and not isinstance(outcome, KafkaError):
                    raise outcome
            refused = [one for one, outcome in zip(batch, outcomes, strict=True) if isinstance(outcome, KafkaError)]
            self.announced += len(batch) - len(refused)
            batch = refused
            if batch:
                await asyncio.sleep(backoff.next())


def _backoff() -> Backoff:
    return Backoff(random.random, first=_FIRST_RETRY_SECONDS, maximum=_LAST_RETRY_SECONDS)
