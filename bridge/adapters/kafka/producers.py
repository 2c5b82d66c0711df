"""What asyncio reports about futures of aiokafka's producers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiokafka.errors import KafkaError

if TYPE_CHECKING:
    import asyncio

CLIENT_ERRORS: Final = (KafkaError,)
"""What aiokafka's clients raise, also in tasks of their own, because of Kafka or the network."""


def ignore_unretrieved_batches(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Handle what asyncio reports about tasks and futures: as the loop does by default, except for failed batches.

    A producer that fails sets its error on a future per batch that only aiokafka may await; asyncio reports each one
    as never retrieved. The error itself was raised where the bridge awaited the batch.
    """
    if isinstance(context.get("exception"), KafkaError) and "future" in context:
        return
    loop.default_exception_handler(context)
