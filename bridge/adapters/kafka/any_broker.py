"""Asks any broker what all of them know, and passes over those that cannot be reached.

For seconds after a broker has died, metadata still names it.
"""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaConnectionError, NodeNotReadyError

from bridge.adapters.kafka.calls import call

if TYPE_CHECKING:
    from aiokafka.client import AIOKafkaClient

    from bridge.adapters.kafka.calls import Translate


async def answer_of_any(client: AIOKafkaClient, request: Any, failed: Translate) -> Any:
    """Return the answer of one broker. `client` is started.

    Raises what `failed` raises, also for NotImplementedError: that broker does not know the request.
    """
    return await call(_answer(client, request), failed)


async def _answer(client: AIOKafkaClient, request: Any) -> Any:
    nodes = [broker.nodeId for broker in client.cluster.brokers()]
    random.shuffle(nodes)
    for node in nodes[:-1]:
        with contextlib.suppress(NodeNotReadyError, KafkaConnectionError):
            return await client.send(node, request)
    return await client.send(nodes[-1] if nodes else None, request)
