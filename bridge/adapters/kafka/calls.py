"""Wrappers for calls of aiokafka: errors raised inside are retried as KafkaUnavailable, all others are defects.

aiokafka raises more than KafkaError: assertions of its state machines, OSError of sockets, RuntimeError of the event
loop, whatever ended its background tasks. Defects of the bridge raise the same classes, and retrying those would hide
them. So the call site decides, not the class: `call` awaits only the call itself (`kafka_errors` encloses it when it is
synchronous); arguments are computed, and results evaluated, outside.

Constructing a client, and filling a batch (`create_batch`, `append`), does no I/O. An error there is caused by the
values that the bridge passes, so it is a defect, too.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

from aiokafka import TopicPartition
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    LeaderNotAvailableError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from bridge.errors import AccessDenied, KafkaUnavailable, LeaderMissing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterator
    from types import TracebackType

Translate = Callable[[Exception], NoReturn]
"""Takes what aiokafka raised and raises the bridge's error for it, chained to the cause."""

_Result = TypeVar("_Result")

_GRANT: Final = "`chatbridge acls` prints the rights that each command needs"
_DENIED: Final = {
    TopicAuthorizationFailedError: "a topic",
    GroupAuthorizationFailedError: "the consumer group",
    TransactionalIdAuthorizationFailed: "the transactional id",
    ClusterAuthorizationFailedError: "the cluster",
}


def unavailable(message: str, *, next_step: str = "") -> Translate:
    """Return a `Translate` that raises KafkaUnavailable with `message` and the name of the error's class.

    AccessDenied, which is one, where Kafka denies something: `access_probe` finds out which right is missing.
    LeaderMissing, which is one, too, for a partition without a leader that the error names.
    """

    def translate(error: Exception) -> NoReturn:
        denied = next((what for kind, what in _DENIED.items() if isinstance(error, kind)), None)
        if denied is not None:
            raise AccessDenied(f"{message}: Kafka denies access to {denied}", next_step=_GRANT) from error
        if isinstance(error, LeaderNotAvailableError) and error.args and isinstance(error.args[0], TopicPartition):
            at = error.args[0]
            raise LeaderMissing(f"{message}: partition {at.partition} of {at.topic} has no leader") from error
        raise KafkaUnavailable(f"{message}: {type(error).__name__}", next_step=next_step) from error

    return translate


async def call(awaitable: Awaitable[_Result], translate: Translate) -> _Result:
    """Await a call of aiokafka. Raises what `translate` raises for its error.

    A cancellation of the calling task is raised although aiokafka suppresses it (when it closes connections), and
    closes the connection that a client's `start` was opening, which aiokafka would leave open.
    """
    task = asyncio.current_task()
    before = 0 if task is None else task.cancelling()
    try:
        with kafka_errors(translate):
            return await awaitable
    except asyncio.CancelledError as cancelled:
        _close_bootstrap_connection(cancelled.__traceback__)
        raise
    finally:
        if task is not None and task.cancelling() > before:
            raise asyncio.CancelledError


@contextlib.contextmanager
def kafka_errors(translate: Translate) -> Iterator[None]:
    """Translate errors of the block, which must contain one synchronous call of aiokafka and nothing else."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - of whatever class: see the module
        translate(error)


@contextlib.asynccontextmanager
async def time_limit(seconds: float, message: str) -> AsyncIterator[asyncio.Timeout]:
    """Cancel the block after `seconds` and raise KafkaUnavailable with `message`."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            yield limit
    except TimeoutError as error:
        if not limit.expired():  # a time-out of the block itself
            raise
        raise KafkaUnavailable(message) from error


def _close_bootstrap_connection(trace: TracebackType | None) -> None:
    """Close the connection of a client's `bootstrap` that an error with this traceback came through, if there is one.

    `bootstrap` closes it after aiokafka's own errors, but not when it is cancelled; nothing else refers to it then.

    Relies on the variable `bootstrap_conn` of `AIOKafkaClient.bootstrap`.
    """
    while trace is not None:
        if trace.tb_frame.f_code.co_qualname == "AIOKafkaClient.bootstrap":
            connection = trace.tb_frame.f_locals.get("bootstrap_conn")
            if connection is not None:
                connection.close()
        trace = trace.tb_next
