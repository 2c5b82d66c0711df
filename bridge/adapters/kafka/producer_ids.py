"""Initialises a transactional id without a producer: one request, on a connection that others use, too.

What is sent, and when it is sent again, is what aiokafka's producer does (`InitPIDHandler`).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiokafka.client import ConnectionGroup, CoordinationType
from aiokafka.errors import (
    ConcurrentTransactions,
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    KafkaConnectionError,
    NodeNotReadyError,
    NoError,
    NotCoordinatorError,
    RequestTimedOutError,
    StaleMetadata,
    for_code,
)
from aiokafka.protocol.transaction import InitProducerIdRequest

if TYPE_CHECKING:
    from aiokafka.client import AIOKafkaClient

_AGAIN_SECONDS: Final = 0.1
_UNANSWERED: Final = (
    CoordinatorNotAvailableError,
    KafkaConnectionError,
    NodeNotReadyError,
    RequestTimedOutError,
    StaleMetadata,
)
_REFUSED_FOR_NOW: Final = (
    ConcurrentTransactions,
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    NotCoordinatorError,
)


async def initialise(client: AIOKafkaClient, transactional_id: str, transaction_ms: int) -> None:
    """Initialise an id, which fences whoever has it; return once its last transaction is marked everywhere.

    `transaction_ms` is its transaction time-out. It is asked again without end while the coordinator is unknown, does
    not answer, or answers that it cannot yet. Raises KafkaError.
    """
    request = InitProducerIdRequest(transactional_id, transaction_ms)
    while True:
        try:
            coordinator = await client.coordinator_lookup(CoordinationType.TRANSACTION, transactional_id)
            # Not on the connection of other requests: the coordinator answers when its log has the new epoch.
            response = await client.send(coordinator, request, group=ConnectionGroup.COORDINATION)
        except _UNANSWERED:
            await client.force_metadata_update()
        else:
            error = for_code(response.error_code)
            if error is NoError:
                return
            if not issubclass(error, _REFUSED_FOR_NOW):
                raise error(transactional_id)
        await asyncio.sleep(_AGAIN_SECONDS)
