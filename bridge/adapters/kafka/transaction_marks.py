"""Waits for what Kafka answers late, and notices what is decided before: see `capture/shard_claims.py`.

Kafka answers an initialisation only when the last transaction of the id is marked on all its partitions. One without a
leader holds that up, and so the end of a transaction, if the first answer was lost with its coordinator. What becomes
of the transaction is decided before that: DescribeTransactions tells.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

from bridge.adapters.kafka.calls import call, time_limit, unavailable
from bridge.adapters.kafka.transaction_requests import last_transaction
from bridge.errors import KafkaUnavailable
from bridge.waiting import all_ended

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractAsyncContextManager

    from aiokafka.client import AIOKafkaClient

    from bridge.adapters.kafka.kept_client import KeptClient
    from bridge.adapters.kafka.transaction_requests import FoundTransaction

_LOOK_SECONDS: Final = 0.25
_ANSWER_SECONDS: Final = 2.0
_not_told: Final = unavailable("Kafka does not tell the state of a transaction")


async def answered_or(
    enough: Callable[[FoundTransaction], bool],
    looks: int,
    asked: Coroutine[None, None, None],
    client: AIOKafkaClient,
    transactional_id: str,
) -> bool:
    """Return True once `asked` has ended, False as soon as what became of the last transaction is `enough`.

    So many `looks` in succession, a quarter of a second apart, have to find it; those that Kafka does not answer do not
    count.
    Raises what `asked` raises; it is cancelled if it has not ended.
    """
    task, seen = asyncio.create_task(asked, name="commit not before this"), 0
    look: asyncio.Task[FoundTransaction | None] | None = None
    try:
        while True:
            await asyncio.wait([task], timeout=_LOOK_SECONDS)
            if task.done():
                break
            look = asyncio.create_task(state_of(client, transactional_id), name="commit unless this tells")
            await asyncio.wait([task, look], return_when=asyncio.FIRST_COMPLETED)  # the look may take seconds
            if task.done():
                break
            if (found := look.result()) is not None:
                seen = seen + 1 if enough(found) else 0
                if seen >= looks:
                    return False
        await task
        return True
    finally:
        under_way = [one for one in (task, look) if one is not None]
        for one in under_way:
            one.cancel()
        await all_ended(under_way)


async def state_of(client: AIOKafkaClient, transactional_id: str) -> FoundTransaction | None:
    """Return what has become of the last transaction of an id; None when Kafka does not tell it."""
    return await _told(nullcontext(client), transactional_id)


async def state_by_any(questions: KeptClient, transactional_id: str) -> FoundTransaction | None:
    """Return the same, told to a client that is another one after each question without an answer."""
    return await _told(questions.use(), transactional_id)


async def _told(asking: AbstractAsyncContextManager[AIOKafkaClient], transactional_id: str) -> FoundTransaction | None:
    try:
        async with (
            time_limit(_ANSWER_SECONDS, "Kafka does not answer what has become of a transaction"),
            asking as client,
        ):
            return await call(last_transaction(client, transactional_id), _not_told)
    except KafkaUnavailable:
        return None
