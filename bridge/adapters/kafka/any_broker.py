"""Asks any broker what all of them know, and passes over those that cannot be reached or say nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.adapters.kafka.calls import call
from bridge.kafka_clients import answer_of_one

if TYPE_CHECKING:
    from aiokafka.client import AIOKafkaClient

    from bridge.adapters.kafka.calls import Translate


async def answer_of_any(client: AIOKafkaClient, request: Any, failed: Translate) -> Any:
    """Return the answer of one broker. `client` is started.

    Raises what `failed` raises, also for NotImplementedError: that broker does not know the request.
    """
    return await call(answer_of_one(client, request), failed)
