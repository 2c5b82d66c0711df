"""Stops aiokafka producers within seconds, whatever their state and the broker's."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

from aiokafka.errors import KafkaError, ProducerClosed

from bridge.adapters.kafka.aiokafka_internals import fail_pending_batches, sender_tasks

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

_STOP_SECONDS: Final = 5.0


async def stop_producer(producer: AIOKafkaProducer) -> None:
    """Stop a producer; cancel its tasks if it does not stop within seconds. Errors of aiokafka are suppressed.

    aiokafka's `stop` waits without limit for batches to be delivered, and a sender that is not cancelled keeps sending,
    on new connections.
    """
    try:
        await asyncio.wait_for(producer.stop(), _STOP_SECONDS)
    except TimeoutError:
        for task in sender_tasks(producer):
            task.cancel()
        fail_pending_batches(producer, ProducerClosed())
        with contextlib.suppress(Exception):
            await asyncio.wait_for(producer.client.close(), _STOP_SECONDS)
    except Exception:  # noqa: BLE001, S110 - the error that ended its tasks; it was raised to their callers
        pass


def ignore_unretrieved_batches(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Handle what asyncio reports about tasks and futures: as the loop does by default, except for failed batches.

    A producer that fails sets its error on a future per batch that only aiokafka may await; asyncio reports each one
    as never retrieved. The error itself was raised where the bridge awaited the batch.
    """
    if isinstance(context.get("exception"), KafkaError) and "future" in context:
        return
    loop.default_exception_handler(context)
