"""Accepts TLS connections: a bounded number of handshakes at a time, and a bounded time for each.

The event loop's own servers begin any number of handshakes, and each holds a file descriptor.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from bridge.waiting import all_ended

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

_HANDSHAKE_SECONDS: Final = 10.0
_SHUTDOWN_SECONDS: Final = 1.0
_PAUSE_SECONDS: Final = 1.0


class TlsAcceptor:
    """Accepts on sockets that listen; what `make_protocol` makes is connected after the handshake.

    When `most` handshakes are in progress, a further connection ends the oldest: it has waited longest.
    """

    def __init__(self, context: ssl.SSLContext, most: int, make_protocol: Callable[[], asyncio.Protocol]) -> None:
        """`context` is a server's."""
        self._context = context
        self._most = most
        self._make_protocol = make_protocol
        self._listening: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._handshakes: dict[asyncio.Task[None], socket.socket] = {}

    @property
    def handshakes(self) -> int:
        """Number of handshakes in progress."""
        return len(self._handshakes)

    def listen(self, sockets: list[socket.socket]) -> None:
        """Begin to accept. The sockets are closed by `close`."""
        loop = asyncio.get_running_loop()
        self._listening += sockets
        self._accepting += [loop.create_task(self._accept(one), name="http accept") for one in sockets]

    async def close(self) -> None:
        """Accept no more, and end the handshakes in progress."""
        for task in [*self._accepting, *self._handshakes]:
            task.cancel()
        await all_ended([*self._accepting, *self._handshakes])
        for one in self._listening:
            one.close()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = await loop.sock_accept(listening)
            except OSError:  # no descriptor is free, or the connection has gone
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            if len(self._handshakes) >= self._most:
                next(iter(self._handshakes)).cancel()
            task = loop.create_task(self._encrypt(accepted), name="http handshake")
            self._handshakes[task] = accepted
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        accepted = self._handshakes.pop(task)
        if task.cancelled():  # perhaps before its first step
            accepted.close()

    async def _encrypt(self, accepted: socket.socket) -> None:
        # What fails here is the client's: no TLS, no common version, nothing in time, or it has closed.
        with contextlib.suppress(OSError):
            await asyncio.get_running_loop().connect_accepted_socket(
                self._make_protocol,
                accepted,
                ssl=self._context,
                ssl_handshake_timeout=_HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=_SHUTDOWN_SECONDS,
            )
