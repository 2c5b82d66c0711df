"""A client for questions that come together: it is started with the first one, and ends some seconds after the last."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.adapters.kafka.calls import call, time_limit, unavailable
from bridge.adapters.kafka.stopping import stop_client
from bridge.closings import Closings
from bridge.kafka_clients import AIOKafkaClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bridge.adapters.kafka.calls import Translate
    from bridge.adapters.kafka.connection import KafkaConnection

_ASKED_SECONDS: Final = 1.0
"""How long the client of `asking_client` outlasts a question: what it knows of brokers may be wrong after some time."""
_START_SECONDS: Final = 10.0
_REQUEST_MS: Final = 30_000
"""Who asks has shorter limits; this one is for what is read over a slow network."""
_not_asked: Final = unavailable("Kafka cannot be asked")


@dataclass(slots=True, eq=False)
class _StartedClient:
    """A client that is started, and how many use it now. `idle` is when it is dropped, if nobody uses it before."""

    client: AIOKafkaClient
    uses: int = 0
    idle: asyncio.TimerHandle | None = None


class KeptClient:
    """One of aiokafka's clients, with at most two connections to each broker, for whatever is sent at the same time.

    One answer comes after the other on a connection: what is long takes the second (`ConnectionGroup`).

    A client of its own for each question would connect twice for it: once to any broker, and once to the one asked.
    """

    def __init__(
        self, settings: KafkaConnection, name: str, request_ms: int, failed: Translate, *, idle_seconds: float
    ) -> None:
        """Nothing connects before `use`. `name` ends the client id, after the group; `failed` is for its start.

        `idle_seconds`: how long it outlasts its last use.
        """
        self._settings = settings
        self._name = name
        self._request_ms = request_ms
        self._failed = failed
        self._idle_seconds = idle_seconds
        self._kept: _StartedClient | None = None
        self._starting = asyncio.Lock()
        self._closings = Closings("release a client")

    @asynccontextmanager
    async def use(self) -> AsyncIterator[AIOKafkaClient]:
        """Give the client, started. Raises what `failed` raises, KafkaUnavailable when no broker answers in time.

        If the block fails, the next use has another client: the connections of this one may be dead.
        """
        kept = await self._started()
        kept.uses += 1
        try:
            yield kept.client
        except BaseException:
            if kept is self._kept:
                self._kept = None
            raise
        finally:
            kept.uses -= 1
            if not kept.uses:
                self._unused(kept)

    def drop(self) -> None:
        """Have the next use start another client. This one closes when nobody uses it: it would connect anew else."""
        kept, self._kept = self._kept, None
        if kept is not None and not kept.uses:
            self._unused(kept)

    async def close(self) -> None:
        """Close the connections, within seconds; nobody uses them any more."""
        self.drop()
        await self._closings.ended()

    def _unused(self, kept: _StartedClient) -> None:
        if kept.idle is not None:
            kept.idle.cancel()
        if kept is self._kept:
            kept.idle = asyncio.get_running_loop().call_later(self._idle_seconds, self._drop_unused, kept)
        else:
            self._closings.begin(stop_client(kept.client))

    def _drop_unused(self, kept: _StartedClient) -> None:
        if kept is self._kept and not kept.uses:
            self.drop()

    async def _started(self) -> _StartedClient:
        async with self._starting:
            if self._kept is None:
                settings = self._settings
                client = AIOKafkaClient(
                    **{
                        "bootstrap_servers": settings.bootstrap_servers,
                        "client_id": f"chatbridge-{settings.group}-{self._name}",
                        "request_timeout_ms": self._request_ms,
                        **settings.client,
                    }
                )
                settings.open_clients.add(client)
                try:
                    async with time_limit(_START_SECONDS, f"Kafka did not answer within {_START_SECONDS:g} s"):
                        await call(client.bootstrap(), self._failed)
                except BaseException:
                    await stop_client(client)
                    raise
                self._kept = _StartedClient(client)
            return self._kept


def asking_client(settings: KafkaConnection) -> KeptClient:
    """Return the client by which the shards of a process ask about their topics, and read them when they are opened."""
    return KeptClient(settings, "questions", _REQUEST_MS, _not_asked, idle_seconds=_ASKED_SECONDS)
