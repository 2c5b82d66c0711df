"""How many connections of aiokafka's clients shards take that do something at the same time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import aiokafka.client
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

SHARDS: Final = 4


async def for_each_shard(act: Callable[[int], Coroutine[None, None, None]], *, connections: int) -> None:
    """Do it for all shards at the same time; AssertionError when this process has connected more often than that."""
    with pytest.MonkeyPatch.context() as patch:
        made = _connections_made(patch)
        await asyncio.gather(*map(act, range(SHARDS)))
    assert len(made) <= connections, made


def _connections_made(patch: pytest.MonkeyPatch) -> list[str]:
    connect, made = aiokafka.client.create_conn, list[str]()

    async def counted(*args: object, **settings: object) -> object:
        made.append(str(settings["client_id"]))
        return await connect(*args, **settings)

    patch.setattr(aiokafka.client, "create_conn", counted)
    return made
