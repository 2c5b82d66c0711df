"""Stops aiokafka clients within seconds, whatever their state and the broker's, and even if the call is cancelled.

aiokafka's own `stop` methods wait without limit for Kafka's answers; when one is cancelled or fails, the client's tasks
and connections stay. They also suppress cancellations. So each runs in a task of its own here; if it does not end in
time, fails, or its caller is cancelled, then the tasks and connections of the client are ended by force.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

from aiokafka.errors import ProducerClosed

from bridge.adapters.kafka.aiokafka_internals import (
    admin_client,
    consumer_client,
    consumer_tasks,
    fail_pending_batches,
    open_transports,
    sender_tasks,
)
from bridge.waiting import uninterrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.client import AIOKafkaClient

_STOP_SECONDS: Final = 5.0
_ABANDON_SECONDS: Final = 0.1
_CANCEL_AGAIN_SECONDS: Final = 0.2
"""aiokafka's coroutines may suppress a cancellation once."""


async def stop_producer(producer: AIOKafkaProducer, *, patience: float = _STOP_SECONDS) -> None:
    """Stop a producer, within seconds; errors of aiokafka are suppressed. A cancellation is raised once it has ended.

    aiokafka's `stop` waits for batches to be delivered, and a sender that is not cancelled keeps sending, on new
    connections.
    """

    async def end() -> None:
        # Failed first: aiokafka's sender and its `stop` wait for what has become of the batches.
        fail_pending_batches(producer, ProducerClosed())
        await _end_tasks(sender_tasks(producer))
        await _end_client(producer.client)

    await _stop(producer.stop(), end, patience)


async def abandon_producer(producer: AIOKafkaProducer) -> None:
    """Stop a producer at once: what it has not sent fails. On return no task of it sends anything more."""
    await stop_producer(producer, patience=_ABANDON_SECONDS)


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Stop a consumer, within seconds; errors of aiokafka are suppressed. A cancellation is raised once it has ended.

    The group is left only by a consumer that stops in time.
    """
    await _stop(consumer.stop(), lambda: _end_consumer(consumer))


async def abandon_consumer(consumer: AIOKafkaConsumer) -> None:
    """Stop a consumer at once, and without leaving the group. On return no task of it sends anything more."""
    await _stop(consumer.stop(), lambda: _end_consumer(consumer), patience=_ABANDON_SECONDS)


async def end_consumer(consumer: AIOKafkaConsumer) -> None:
    """End by force a consumer that was stopped while it was starting: it does not stop a second time."""
    await uninterrupted(_end_consumer(consumer))


async def stop_admin(admin: AIOKafkaAdminClient) -> None:
    """Close an admin client, within seconds; errors of aiokafka are suppressed, a cancellation is raised at the end."""
    await _stop(admin.close(), lambda: _end_client(admin_client(admin)))


async def stop_client(client: AIOKafkaClient) -> None:
    """Close a client that is no part of another one, as `stop_admin` does."""
    await _stop(client.close(), lambda: _end_client(client))


async def _stop(
    stop: Coroutine[Any, Any, None], end: Callable[[], Coroutine[Any, Any, None]], patience: float = _STOP_SECONDS
) -> None:
    stopping = asyncio.get_running_loop().create_task(stop)
    try:
        await asyncio.wait([stopping], timeout=patience)
    finally:
        if not stopping.done():
            stopping.cancel()
            await uninterrupted(_ended_by_force(stopping, end))
        elif stopping.cancelled() or stopping.exception() is not None:
            # Also after the error that ended the client's tasks, which was raised to its callers: the rest is left.
            await uninterrupted(end())


async def _ended_by_force(stopping: asyncio.Task[None], end: Callable[[], Coroutine[Any, Any, None]]) -> None:
    await end()
    await _end_tasks([stopping])


async def _end_consumer(consumer: AIOKafkaConsumer) -> None:
    await _end_tasks(consumer_tasks(consumer))
    await _end_client(consumer_client(consumer))


async def _end_client(client: AIOKafkaClient) -> None:
    """Close all connections at once; what was not sent is dropped."""
    for transport in open_transports(client):
        transport.abort()
    await _end_tasks([asyncio.get_running_loop().create_task(client.close())], patience=_STOP_SECONDS)


async def _end_tasks(tasks: Iterable[asyncio.Task[Any]], patience: float = 0.0) -> None:
    """Cancel tasks until they have ended, for seconds at most; wait `patience` seconds before the first time."""
    pending = set(tasks)
    if pending and patience:
        _, pending = await asyncio.wait(pending, timeout=patience)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_STOP_SECONDS):
            while pending:
                for task in pending:
                    task.cancel()
                _, pending = await asyncio.wait(pending, timeout=_CANCEL_AGAIN_SECONDS)
