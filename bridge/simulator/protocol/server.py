"""A Chat Server on a socket: reads requests and carries out the model's effects.

One `ChatServer` is one server process. It owns the listening socket, the connections and the clock; the model owns the
sessions. Effects are reported to the observers before anything of them is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import struct
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from bridge.addresses import joined_address
from bridge.chatserver.decoded import Unreadable
from bridge.chatserver.messages import RequestJoin
from bridge.chatserver.psdk_json import encode, server_wire
from bridge.simulator.model.effects import CloseConnection, Effect, Push
from bridge.simulator.model.model_settings import ModelSettings
from bridge.simulator.model.sessions import Sessions
from bridge.simulator.protocol.flex import is_flex
from bridge.simulator.protocol.injected_faults import InjectedFaults
from bridge.simulator.protocol.observers import NoRequestObserver
from bridge.simulator.protocol.requests import RequestHandler

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.chatserver.messages import Event, Message
    from bridge.simulator.protocol.observers import EffectObserver, RequestObserver

_TIMER_SECONDS: Final = 0.1
_CLOSING_SECONDS: Final = 5.0


@dataclass(slots=True, frozen=True)
class ServerSettings:
    """Address and limits. Port 0 chooses a free one.

    `inbound_frame_bytes` is the vendor's packet limit (D17). A client that leaves `write_buffer_bytes` unread is
    disconnected.
    """

    host: str = "127.0.0.1"
    port: int = 0
    inbound_frame_bytes: int = 32_768
    write_buffer_bytes: int = 64 << 20
    model: ModelSettings = field(default_factory=ModelSettings)


class ChatServer:
    """One Chat Server: `start`, then `stop`. In-process traffic uses `sessions` and passes the effects to `apply`."""

    def __init__(
        self,
        settings: ServerSettings,
        *,
        seed: int = 0,
        observers: Sequence[EffectObserver] = (),
        request_observer: RequestObserver | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`seed` determines the ids that the server generates. `clock` returns seconds since 1970 UTC.

        Connections are numbered from `connections_made` on.
        """
        self.settings = settings
        self.clock = clock
        self.observers = list(observers)
        self.request_observer = request_observer or NoRequestObserver()
        self.faults = InjectedFaults()
        self.handler = RequestHandler(Sessions(settings.model, random.Random(seed)))  # noqa: S311 - ids of a simulation
        self.connections: dict[int, Connection] = {}
        self.port = settings.port
        self.pushed_bytes = 0
        self._listener: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.connections_made = 0
        self._no_connections = asyncio.Event()
        self._no_connections.set()

    @property
    def sessions(self) -> Sessions:
        """The open sessions. A restart replaces the object."""
        return self.handler.sessions

    @property
    def address(self) -> str:
        """The address on which this server listens, as host:port, an IPv6 address in brackets."""
        return joined_address(self.settings.host, self.port)

    @property
    def is_up(self) -> bool:
        """Whether the server is listening."""
        return self._listener is not None

    async def start(self) -> None:
        """Listen. With port 0 the first start chooses a port, and later starts use the same.

        Raises OSError when the port is in use.
        """
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            lambda: Connection(self), self.settings.host, self.port, reuse_address=True
        )
        self.port = self._listener.sockets[0].getsockname()[1]
        self._on_timer()

    async def stop(self, *, reset: bool = False) -> None:
        """Stop listening and close all connections, by TCP resets if `reset`; the sessions stay in memory."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
        for connection in list(self.connections.values()):
            connection.end(reset=reset)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING_SECONDS):
                await self._no_connections.wait()
        for connection in list(self.connections.values()):  # clients that did not read what was still to be sent
            connection.end(reset=True)
        await self._no_connections.wait()
        if listener is not None:
            await listener.wait_closed()

    # --- requests and effects ---------------------------------------------------------------------------------------

    def apply(self, effects: list[Effect]) -> None:
        """Carry out effects: send pushes, close connections, report everything else to the observers."""
        now = self.clock()
        for effect in effects:
            if isinstance(effect, Push):
                connection = self.connections.get(effect.connection)
                if connection is not None:
                    connection.send(effect.message)
            elif isinstance(effect, CloseConnection):
                connection = self.connections.get(effect.connection)
                if connection is not None:
                    self.request_observer.connection_dropped(connection.number, effect.reason, now)
                    connection.end()
            else:
                for observer in self.observers:
                    observer.on_effect(effect, now)

    def handle_request(self, connection: Connection, request: Message) -> None:
        """Answer one request of a client, or refuse it if an injected fault requires it."""
        now = self.clock()
        refusal = self.faults.refusal(connection.number, request)
        effects: list[Effect] = self.handler.handle(connection.number, request, now) if refusal is None else [refusal]
        self.request_observer.request_handled(connection.number, request, effects, now)
        self.apply(effects)
        seconds = self.faults.drop_after_join_seconds
        if seconds is not None and isinstance(request, RequestJoin) and not is_flex(request):
            asyncio.get_running_loop().call_later(seconds, partial(connection.end, reset=True))

    def handle_unreadable(self, connection: Connection, line: Unreadable) -> None:
        """Answer an unreadable line with an error; close the connection if the line is too long."""
        self.request_observer.line_unreadable(connection.number, self.clock())
        if line.length > self.settings.inbound_frame_bytes:
            connection.end()
        else:
            self.apply(self.handler.unreadable(connection.number, line.reason.detail))

    def connection_opened(self, connection: Connection) -> None:
        """Register a new connection."""
        self.connections[connection.number] = connection
        self._no_connections.clear()
        self.handler.connect(connection.number, self.clock())

    def connection_closed(self, connection: Connection) -> None:
        """Forget a connection that has ended and remove its parties from their sessions."""
        self.connections.pop(connection.number, None)
        if not self.connections:
            self._no_connections.set()
        now = self.clock()
        effects = self.handler.disconnect(connection.number, now)
        self.request_observer.connection_lost(connection.number, effects, now)
        self.apply(effects)

    def next_number(self) -> int:
        """Return the number of a new connection, counting from 1."""
        self.connections_made += 1
        return self.connections_made

    def _on_timer(self) -> None:
        self.apply(self.handler.on_timer(self.clock()))
        self._timer = asyncio.get_running_loop().call_later(_TIMER_SECONDS, self._on_timer)


class Connection(asyncio.Protocol):
    """One client's socket. Everything sent in one iteration of the event loop is written at once."""

    def __init__(self, server: ChatServer) -> None:
        """Get a number from the server; `connection_made` provides the transport."""
        self.number = server.next_number()
        self._server = server
        self._wire = server_wire(server.settings.inbound_frame_bytes)
        self._transport: asyncio.Transport | None = None
        self._outbox: list[bytes] = []
        self._flushing = False
        self._unresponsive = False

    @property
    def is_unresponsive(self) -> bool:
        """Whether `stop_responding` was called."""
        return self._unresponsive

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register with the server; an unresponsive server accepts the connection and then ignores it."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of asyncio's
        self._transport.set_write_buffer_limits(high=self._server.settings.write_buffer_bytes)
        self._server.connection_opened(self)
        if self._server.faults.unresponsive:
            self.stop_responding()

    def data_received(self, data: bytes) -> None:
        """Pass every complete line to the server."""
        for line in self._wire.feed(data):
            if isinstance(line, Unreadable):
                self._server.handle_unreadable(self, line)
            else:
                self._server.handle_request(self, line.message)

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the end to the server."""
        del exc
        self._transport = None
        self._server.connection_closed(self)

    def pause_writing(self) -> None:
        """Reset a client that does not read, to bound the memory of its unsent pushes."""
        self._server.request_observer.connection_dropped(self.number, "does not read", self._server.clock())
        self.end(reset=True)

    def send(self, message: Event) -> None:
        """Encode and send a message."""
        self.send_raw(encode(message))

    def send_raw(self, data: bytes) -> None:
        """Send bytes unchanged, after the delay of an injected fault, if any."""
        if self._transport is None or self._unresponsive:
            return
        self._outbox.append(data)
        if not self._flushing:
            self._flushing = True
            loop = asyncio.get_running_loop()
            delay = self._server.faults.answer_delay_seconds
            if delay:
                loop.call_later(delay, self._flush)
            else:
                loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        data = b"".join(self._outbox)
        self._outbox.clear()
        if self._transport is not None and not self._unresponsive:
            self._server.pushed_bytes += len(data)
            self._transport.write(data)

    def stop_responding(self) -> None:
        """Neither read nor write any more, with the socket open."""
        self._unresponsive = True
        if self._transport is not None:
            self._transport.pause_reading()

    def end(self, *, reset: bool = False) -> None:
        """Close the socket: after sending what is pending, or at once with a TCP reset, as after a crash."""
        transport = self._transport
        if transport is None:
            return
        if not reset:
            self._flush()
            transport.close()
            return
        with contextlib.suppress(OSError):
            reset_on_close(transport)
        transport.abort()


def reset_on_close(transport: asyncio.BaseTransport) -> None:
    """Make the close of this transport's socket a TCP reset (SO_LINGER 0)."""
    number = transport.get_extra_info("socket").fileno()
    with socket.socket(fileno=os.dup(number)) as duplicate:  # uvloop's socket object cannot set options
        duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
