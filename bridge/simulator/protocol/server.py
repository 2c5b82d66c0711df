"""A Chat Server on a socket: carries out what the model decides.

One `ChatServer` is one instance. It owns the listening socket, the connections and the clock; the sessions are the
model's. Everything the model says has happened is shown to the witnesses (ledger, announcer, journal) before a byte
of it is sent.
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
from typing import TYPE_CHECKING, Final, Protocol, cast

from bridge.chatserver.decoded import Unreadable
from bridge.chatserver.psdk_json import encode, server_wire
from bridge.simulator.harness.fault_state import FaultState
from bridge.simulator.harness.journal import Journal
from bridge.simulator.model.effects import Drop, Effect, Push
from bridge.simulator.model.sessions import ModelSettings, Sessions
from bridge.simulator.protocol.requests import RequestDesk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.chatserver.messages import Event, Message

_TICK_SECONDS: Final = 0.1
_CLOSING_SECONDS: Final = 1.0


class Witness(Protocol):
    """Somebody who sees everything that happens on a server."""

    def see(self, effect: Effect, now: float) -> None:
        """Take note of one effect; must return at once. `now` in seconds since 1970 UTC."""


@dataclass(slots=True, frozen=True)
class ServerSettings:
    """Where to listen and how patient to be.

    `inbound_frame_bytes` is the vendor's packet limit (D17). A client that leaves `write_buffer_bytes` unread is cut.
    """

    host: str = "127.0.0.1"
    port: int = 0
    inbound_frame_bytes: int = 32_768
    write_buffer_bytes: int = 64 << 20
    model: ModelSettings = field(default_factory=ModelSettings)


class ChatServer:
    """One Chat Server. `start`, then `sessions` and `act` for whoever drives it in-process, then `stop`."""

    def __init__(
        self,
        settings: ServerSettings,
        *,
        seed: int = 0,
        witnesses: Sequence[Witness] = (),
        journal: Journal | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Nothing listens before `start`. `seed` decides the ids that the server gives."""
        self.settings = settings
        self.clock = clock
        self.witnesses = list(witnesses)
        self.journal = journal or Journal()
        self.faults = FaultState()
        self.desk = RequestDesk(Sessions(settings.model, random.Random(seed)))  # noqa: S311 - ids of a simulation
        self.connections: dict[int, Connection] = {}
        self.port = settings.port
        self.pushed_events = 0
        self.pushed_bytes = 0
        self._listening: asyncio.Server | None = None
        self._ticking: asyncio.TimerHandle | None = None
        self._numbers = 0
        self._deserted = asyncio.Event()
        self._deserted.set()

    @property
    def sessions(self) -> Sessions:
        """The sessions as they are now (a restart exchanges them)."""
        return self.desk.sessions

    @property
    def address(self) -> str:
        """Where this server listens, as host:port."""
        return f"{self.settings.host}:{self.port}"

    @property
    def is_up(self) -> bool:
        """Tell whether the server listens now."""
        return self._listening is not None

    async def start(self) -> None:
        """Listen. With port 0 the first start chooses one, which later starts keep."""
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(
            lambda: Connection(self), self.settings.host, self.port, reuse_address=True
        )
        self.port = self._listening.sockets[0].getsockname()[1]
        self._tick()

    async def stop(self, *, reset: bool = False) -> None:
        """Stop listening and end all connections; the sessions stay in memory."""
        if self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.close()
        for connection in list(self.connections.values()):
            connection.end(reset=reset)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING_SECONDS):
                await self._deserted.wait()
        for connection in list(self.connections.values()):  # clients that do not read what was still to be said
            connection.end(reset=True)
        await self._deserted.wait()
        if listening is not None:
            await listening.wait_closed()

    # --- acting ------------------------------------------------------------------------------------------------------

    def act(self, effects: list[Effect]) -> None:
        """Carry out what the model decided."""
        now = self.clock()
        for effect in effects:
            if isinstance(effect, Push):
                connection = self.connections.get(effect.connection)
                if connection is not None:
                    connection.send(effect.message)
            elif isinstance(effect, Drop):
                connection = self.connections.get(effect.connection)
                if connection is not None:
                    self.journal.dropped(connection.number, effect.reason, now)
                    connection.end()
            else:
                for witness in self.witnesses:
                    witness.see(effect, now)

    def received(self, connection: Connection, request: Message) -> None:
        """Answer one request of a client."""
        now = self.clock()
        refusal = self.faults.refusal(connection.number, request)
        effects: list[Effect] = self.desk.handle(connection.number, request, now) if refusal is None else [refusal]
        self.journal.asked(connection.number, request, effects, now)
        self.act(effects)

    def not_understood(self, connection: Connection, line: Unreadable) -> None:
        """Answer a line that is no message; one that is too long ends the connection."""
        self.journal.unreadable(connection.number, self.clock())
        if line.length > self.settings.inbound_frame_bytes:
            connection.end()
        else:
            self.act(self.desk.unreadable(connection.number, line.reason))

    def joined(self, connection: Connection) -> None:
        """Take a new connection."""
        self.connections[connection.number] = connection
        self._deserted.clear()
        self.desk.connect(connection.number, self.clock())

    def lost(self, connection: Connection) -> None:
        """Note that a connection is gone: its parties have left."""
        self.connections.pop(connection.number, None)
        if not self.connections:
            self._deserted.set()
        now = self.clock()
        effects = self.desk.disconnect(connection.number, now)
        self.journal.disconnected(connection.number, effects, now)
        self.act(effects)

    def next_number(self) -> int:
        """Number a connection."""
        self._numbers += 1
        return self._numbers

    def _tick(self) -> None:
        self.act(self.desk.on_timer(self.clock()))
        self._ticking = asyncio.get_running_loop().call_later(_TICK_SECONDS, self._tick)


class Connection(asyncio.Protocol):
    """One client's socket. Writes of one turn of the loop go out together."""

    def __init__(self, server: ChatServer) -> None:
        """The transport comes with `connection_made`."""
        self.number = server.next_number()
        self._server = server
        self._wire = server_wire(server.settings.inbound_frame_bytes)
        self._transport: asyncio.Transport | None = None
        self._outbox: list[bytes] = []
        self._flushing = False
        self._mute = False

    @property
    def is_mute(self) -> bool:
        """Tell whether this connection was played dead."""
        return self._mute

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; a server that plays dead takes the connection and nothing more."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of asyncio's
        self._transport.set_write_buffer_limits(high=self._server.settings.write_buffer_bytes)
        self._server.joined(self)
        if self._server.faults.plays_dead:
            self.play_dead()

    def data_received(self, data: bytes) -> None:
        """Answer every complete line."""
        for line in self._wire.feed(data):
            if isinstance(line, Unreadable):
                self._server.not_understood(self, line)
            else:
                self._server.received(self, line.message)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let the server know."""
        del exc
        self._transport = None
        self._server.lost(self)

    def pause_writing(self) -> None:
        """Cut a client that does not read: a server cannot hold its chats in memory for ever."""
        self._server.journal.dropped(self.number, "does not read", self._server.clock())
        self.end(reset=True)

    def send(self, message: Event) -> None:
        """Send a message with whatever else this turn of the loop brings."""
        self.send_raw(encode(message))

    def send_raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        if self._transport is None or self._mute:
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
        if self._transport is not None and not self._mute:
            self._server.pushed_bytes += len(data)
            self._transport.write(data)

    def play_dead(self) -> None:
        """Neither read nor write any more; the socket stays open."""
        self._mute = True
        if self._transport is not None:
            self._transport.pause_reading()

    def end(self, *, reset: bool = False) -> None:
        """Close the socket: in order, or with a reset as a killed machine's successor would."""
        transport = self._transport
        if transport is None:
            return
        if not reset:
            self._flush()
            transport.close()
            return
        with contextlib.suppress(OSError):
            linger_zero(transport)
        transport.abort()


def linger_zero(transport: asyncio.BaseTransport) -> None:
    """Make the close of this transport's socket a reset."""
    number = transport.get_extra_info("socket").fileno()
    with socket.socket(fileno=os.dup(number)) as twin:  # uvloop's own socket object cannot set options
        twin.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
