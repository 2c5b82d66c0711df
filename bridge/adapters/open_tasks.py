"""Counts the tasks of the running event loop by kind: what stays although its owner is gone is seen here.

The bridge's own long-lived tasks are recognised by the first word of their names, those of libraries by the module of
their coroutine.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_OWN: Final = frozenset({"worker", "capture", "shard", "queue", "release", "watch", "feeder", "commit"})
_BY_MODULE: Final = {
    "aiokafka.client": "kafka_client",  # one for each started client, which updates its metadata
    "aiokafka.conn": "kafka_connection",  # one for each connection, which reads it
    "aiokafka": "kafka",
    "asyncio.locks": "kafka",  # aiokafka waits for events in tasks of their own, which the bridge does nowhere
    "bridge.adapters.kafka": "kafka",
    "aiohttp": "http",
    "bridge.adapters.http": "http",
}
_OTHER: Final = "other"


def open_tasks() -> Mapping[str, int]:
    """Return kind -> number of tasks that have not ended, for kinds that occur."""
    return Counter(_kind(task) for task in asyncio.all_tasks())


def _kind(task: asyncio.Task[Any]) -> str:
    name = task.get_name().partition(" ")[0]
    if name in _OWN:
        return name
    frame = getattr(task.get_coro(), "cr_frame", None)
    module = "" if frame is None else f"{frame.f_globals.get('__name__', '')}."
    return next((kind for prefix, kind in _BY_MODULE.items() if module.startswith(f"{prefix}.")), _OTHER)
