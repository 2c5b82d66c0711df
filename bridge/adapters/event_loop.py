"""uvloop, with one difference: writing to a closed connection raises OSError instead of RuntimeError.

asyncio's own transports ignore such a write; uvloop's raise RuntimeError. aiokafka handles OSError only: a RuntimeError
ends its metadata task, without a log line, as soon as it writes to a connection that the broker has just reset. Every
call of that client then never returns (aio-libs/aiokafka#1038, open).
"""

from __future__ import annotations

from typing import Any

import uvloop


class EventLoop(uvloop.Loop):
    """The event loop of `chatbridge run` and `chatbridge simulate`."""

    async def create_connection(self, *args: Any, **kwargs: Any) -> Any:
        """Connect. The returned transport (not the one passed to the protocol) raises OSError when it is closed."""
        transport, protocol = await super().create_connection(*args, **kwargs)
        return _Transport(transport), protocol


class _Transport:
    """Wraps the transport that an `asyncio.StreamWriter` writes to."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def __getattr__(self, name: str) -> Any:
        """Return every other attribute of the transport."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write. Raises ConnectionResetError when the connection is closed."""
        try:
            self._transport.write(data)
        except RuntimeError as error:
            raise ConnectionResetError("the connection is closed") from error
