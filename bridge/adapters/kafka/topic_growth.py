"""Gives topics more partitions: those that shards write to first, and the announcements, at which shards look, last.

Each topic is one request, so that whatever ends this leaves a state from which the same call goes on.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NoReturn

from aiokafka.admin import NewPartitions
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    InvalidPartitionsError,
    PolicyViolationError,
    TopicAuthorizationFailedError,
)

from bridge.adapters.kafka.calls import call, unavailable
from bridge.adapters.kafka.rights import Right, denied, principal_of
from bridge.adapters.kafka.temporary_admin import temporary_admin
from bridge.errors import EnvironmentFault, KafkaUnavailable, UsageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

_POLL_SECONDS: Final = 0.1
_POLLS: Final = 150
_DENIED: Final = TopicAuthorizationFailedError | ClusterAuthorizationFailedError
_failed: Final = unavailable("Kafka does not raise topics now")


def number_before(counts: Mapping[str, int], number: int) -> int:
    """Return the number of partitions that topics are raised from; `number` itself: there is nothing to do.

    Raises UsageError when `number` is no higher one, or not that of a raise that was begun.
    """
    before, most = min(counts.values()), max(counts.values())
    if most > number:
        name = next(name for name, count in counts.items() if count == most)
        raise UsageError(
            f"topics grow: {name} has {most} partitions, and Kafka cannot take partitions away",
            next_step=f"--partitions {most} finishes a raise that was begun" if before < most else "a higher number",
        )
    between = sorted({count for count in counts.values() if before < count < number})
    if between:
        raise UsageError(
            f"topics grow: a raise from {before} to {between[0]} was begun and is not finished",
            next_step=f"first --partitions {between[0]}, with which it goes on",
        )
    return before


class TopicGrowth:
    """Raises the topics of one installation.

    Its methods raise KafkaUnavailable, AccessDenied, and EnvironmentFault when Kafka refuses.
    """

    def __init__(
        self, bootstrap_servers: str, client: Mapping[str, Any], partitions: Callable[[str], Awaitable[int]]
    ) -> None:
        """`client` is passed to aiokafka; `partitions` returns how many a topic has as Kafka tells it now."""
        self._bootstrap_servers = bootstrap_servers
        self._client = client
        self._partitions = partitions

    async def try_out(self, name: str, number: int) -> None:
        """Ask Kafka whether it would raise a topic, and change nothing."""
        await self._request(name, number, only_try=True)

    async def raised(self, name: str, number: int) -> None:
        """Raise a topic; on return Kafka shows the new number."""
        await self._request(name, number, only_try=False)
        for _ in range(_POLLS):  # it is acknowledged before every broker has heard of it
            if await self._partitions(name) == number:
                return
            await asyncio.sleep(_POLL_SECONDS)
        raise KafkaUnavailable(f"{name} does not show {number} partitions {_POLLS * _POLL_SECONDS:g} s after its raise")

    async def _request(self, name: str, number: int, *, only_try: bool) -> None:
        def translate(error: Exception) -> NoReturn:
            if isinstance(error, _DENIED):
                raise denied([Right("topic", name, "Alter")], principal_of(self._client)) from error
            if isinstance(error, InvalidPartitionsError | PolicyViolationError):
                raise EnvironmentFault(
                    f"Kafka refuses to raise {name} to {number} partitions: {error}",
                    next_step="ask who runs Kafka which number its policy allows",
                ) from error
            _failed(error)

        async with temporary_admin(self._bootstrap_servers, self._client) as admin:
            await call(admin.start(), _failed)
            asked = {name: NewPartitions(number)}
            await call(admin.create_partitions(asked, validate_only=only_try), translate)
