"""uvloop, with one difference: writing to a connection that is gone is an OSError there, too.

asyncio's own transports take such a write silently; uvloop's raise RuntimeError. aiokafka expects OSError, so the other
one ends its metadata task, for good and without a word, whenever a write meets a connection that the broker has just
reset: every producer and consumer of that client then waits for ever (aio-libs/aiokafka#1038, open).
"""

from __future__ import annotations

from typing import Any

import uvloop


class EventLoop(uvloop.Loop):
    """What `run` and `simulate` run on."""

    async def create_connection(self, *args: Any, **kwargs: Any) -> Any:
        """Connect as usual. The transport returned (not the protocol's) raises OSError when it is closed."""
        transport, protocol = await super().create_connection(*args, **kwargs)
        return _Transport(transport), protocol


class _Transport:
    """A transport as `asyncio.StreamWriter` uses it."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def __getattr__(self, name: str) -> Any:
        """Give all else of the transport."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write. Raises ConnectionResetError when the connection is gone."""
        try:
            self._transport.write(data)
        except RuntimeError as error:
            raise ConnectionResetError("the connection is closed") from error
