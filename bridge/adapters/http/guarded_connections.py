"""Bounds of what HTTP clients can make this process hold: connections, their time, and bytes that are not answered yet.

aiohttp itself closes a connection on which no complete request arrived in time (`keepalive_timeout`, which counts from
the opening of the connection or the end of the last answer), and refuses long lines and many headers. It limits neither
the number of connections, nor the time in which a client takes an answer, nor the bytes of all clients together.
"""

from __future__ import annotations

import asyncio
import resource
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

_SHARE_OF_DESCRIPTORS: Final = 4
"""At most one in so many file descriptors of the process is an HTTP connection: links and Kafka need the others."""


@dataclass(slots=True, frozen=True)
class HttpLimits:
    """What all clients together may use.

    `connections` that are open at the same time. Seconds: `request` from the opening of a connection, or the last
    answer, to the end of the next request's headers; `body` from there to the end of its body; `send` until the client
    has taken an answer. `held_bytes` of all clients that were received and are not answered yet; bodies are refused
    from half of it.
    """

    connections: int = 64
    request_seconds: float = 30.0
    body_seconds: float = 30.0
    send_seconds: float = 30.0
    held_bytes: int = 16 << 20


class GuardedConnections:
    """All connections of a server; called by the event loop, it makes the protocol of a new one."""

    def __init__(self, limits: HttpLimits, make_protocol: Callable[[], asyncio.Protocol]) -> None:
        """`make_protocol` makes the protocol that reads requests and writes answers: the `protocol` of a request."""
        self._limits = limits
        self.most = most_connections(limits)
        self._make_protocol = make_protocol
        self._open: dict[asyncio.BaseProtocol, GuardedConnection] = {}
        self._all_closed = asyncio.Event()
        self.held = 0

    def __call__(self) -> asyncio.Protocol:
        """Return the protocol of one new connection."""
        return GuardedConnection(self, self._make_protocol(), self._limits.send_seconds)

    def __len__(self) -> int:
        return len(self._open)

    @property
    def bodies_refused(self) -> bool:
        """Whether so many bytes are held that a request with a body must come again later."""
        return self.held > self._limits.held_bytes // 2

    def of(self, request: web.Request) -> GuardedConnection | None:
        """Return the connection of a request, None when it was lost meanwhile."""
        return self._open.get(request.protocol)

    async def abort_all(self) -> None:
        """Close all connections at once; answers that were not taken are dropped. On return none is open."""
        while self._open:
            self._all_closed.clear()
            for one in self._open.values():
                one.abort()
            await self._all_closed.wait()

    def opened(self, protocol: asyncio.Protocol, connection: GuardedConnection) -> None:
        """Make room for a connection: the one that has waited for a request longest is closed, else the oldest."""
        others = [one for one in self._open.values() if not one.aborted]
        self._open[protocol] = connection
        if len(others) >= self.most:
            min(others, key=lambda one: (one.busy, one.since)).abort()

    def closed(self, protocol: asyncio.Protocol) -> None:
        """Forget a connection."""
        del self._open[protocol]
        if not self._open:
            self._all_closed.set()

    def limit_held(self) -> None:
        """Close the connection that holds most if more is held than is allowed."""
        if self.held > self._limits.held_bytes:
            max(self._open.values(), key=lambda one: one.held).abort()


class GuardedConnection(asyncio.Protocol):
    """One connection: passes everything on to the protocol of aiohttp, and measures it."""

    def __init__(self, connections: GuardedConnections, protocol: asyncio.Protocol, send_seconds: float) -> None:
        """`send_seconds`: see HttpLimits."""
        self._connections = connections
        self._protocol = protocol
        self._send_seconds = send_seconds
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._unsent: asyncio.TimerHandle | None = None
        self._answering = False
        self._lost = False
        self.since = self._loop.time()
        self.held = 0
        self.aborted = False

    @property
    def busy(self) -> bool:
        """Whether a request is answered, or an answer sent; otherwise the client has not completed a request."""
        return self._answering or self._unsent is not None

    def begin_answer(self) -> None:
        """Note that a request is complete, except perhaps for its body."""
        self._answering = True

    def end_answer(self, request: web.Request) -> bool:
        """Note that the answer to `request` is complete, except for being sent.

        Return True if the client has sent more than that request: it does not wait for answers (pipelining), or its
        body is not read. Nothing more should then be read from the connection; what came counts as held until it is
        closed.
        """
        self._answering = False
        self.since = self._loop.time()
        rest = 0 if self._lost else max(self.held - _size(request), 0)
        self._hold(rest)
        return rest > 0

    def abort(self) -> None:
        """Close the connection at once."""
        self.aborted = True
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio.Protocol ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it."""
        self._transport = cast("asyncio.Transport", transport)
        # Writing is paused, and thereby measured, as soon as the kernel does not take all bytes of an answer.
        self._transport.set_write_buffer_limits(high=0)
        self._connections.opened(self._protocol, self)
        self._protocol.connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Forget it."""
        self._lost = True
        self._stop_measuring()
        if not self._answering:  # a request that is answered holds its bytes even if nobody waits for the answer
            self._hold(0)
        self._connections.closed(self._protocol)
        self._protocol.connection_lost(error)

    def data_received(self, data: bytes) -> None:
        """Count the bytes until they are answered."""
        self._hold(self.held + len(data))
        self._connections.limit_held()
        if not self.aborted:
            self._protocol.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass on."""
        return self._protocol.eof_received()

    def pause_writing(self) -> None:
        """Begin to measure how long the client takes for the answer."""
        if self._unsent is None:
            self._unsent = self._loop.call_later(self._send_seconds, self.abort)
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """The client has taken the answer."""
        self._stop_measuring()
        self.since = self._loop.time()
        self._protocol.resume_writing()

    def _hold(self, count: int) -> None:
        self._connections.held += count - self.held
        self.held = count

    def _stop_measuring(self) -> None:
        if self._unsent is not None:
            self._unsent.cancel()
            self._unsent = None


def most_connections(limits: HttpLimits) -> int:
    """Return how many connections may be open: the limit, or less where the process may open few files."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return limits.connections
    return max(1, min(limits.connections, descriptors // _SHARE_OF_DESCRIPTORS))


def _size(request: web.Request) -> int:
    """Return the bytes of a request so far, as clients usually write it; other spellings differ by few bytes."""
    lines = sum(len(name) + len(value) + len(": \r\n") for name, value in request.raw_headers)
    first = len(request.method) + len(request.raw_path) + len("  HTTP/1.1\r\n")
    return first + lines + len("\r\n") + request.content.total_bytes
