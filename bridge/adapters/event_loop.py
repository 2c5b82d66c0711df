"""uvloop, with two differences: what a write to a closed connection raises, and how long closing TLS may take.

asyncio's own transports ignore a write to a closed connection; uvloop's raise RuntimeError. aiokafka handles OSError
only: a RuntimeError ends its metadata task, without a log line, as soon as it writes to a connection that the broker
has just reset. Every call of that client then never returns (aio-libs/aiokafka#1038, open).

A TLS connection that is closed waits for the other side's close_notify: 30 s by default (`ssl_shutdown_timeout`). A
Kafka broker that delays the answer to a fetch reads nothing meanwhile, so that closing took as long as the fetch or
those 30 s. Nothing is lost by a shorter limit: what was written before has been sent by then, or its answer is not
waited for any more.
"""

from __future__ import annotations

from typing import Any, Final

import uvloop

TLS_SHUTDOWN_SECONDS: Final = 1.0
"""How long a closed TLS connection waits for the other side before it is aborted."""


class EventLoop(uvloop.Loop):
    """The event loop of `chatbridge run` and `chatbridge simulate`."""

    async def create_connection(self, *args: Any, **kwargs: Any) -> Any:
        """Connect. The returned transport (not the one passed to the protocol) raises OSError when it is closed."""
        transport, protocol = await super().create_connection(*args, **_limited(kwargs))
        return _Transport(transport), protocol

    async def create_server(self, *args: Any, **kwargs: Any) -> Any:
        """Listen."""
        return await super().create_server(*args, **_limited(kwargs))

    async def start_tls(self, transport: Any, *args: Any, **kwargs: Any) -> Any:
        """Encrypt a connection that is open. The returned transport is uvloop's own."""
        own = transport.wrapped if isinstance(transport, _Transport) else transport
        return await super().start_tls(own, *args, **{"ssl_shutdown_timeout": TLS_SHUTDOWN_SECONDS, **kwargs})


def _limited(arguments: dict[str, Any]) -> dict[str, Any]:
    """Add the time limit for closing, which uvloop refuses for a connection without TLS."""
    return {"ssl_shutdown_timeout": TLS_SHUTDOWN_SECONDS, **arguments} if arguments.get("ssl") else arguments


class _Transport:
    """Wraps the transport that an `asyncio.StreamWriter` writes to."""

    def __init__(self, transport: Any) -> None:
        self.wrapped = transport

    def __getattr__(self, name: str) -> Any:
        """Return every other attribute of the transport."""
        return getattr(self.wrapped, name)

    def write(self, data: bytes) -> None:
        """Write. Raises ConnectionResetError when the connection is closed."""
        try:
            self.wrapped.write(data)
        except RuntimeError as error:
            raise ConnectionResetError("the connection is closed") from error
