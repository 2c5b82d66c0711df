"""Asks a Chat Server whether it takes this bridge as a client: opens a connection, registers, and closes it.

No chat is ever joined: of all requests only the registration is sent, and a Pong where the server asks for one (P4).
"""

from __future__ import annotations

import asyncio
import enum
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.chatserver.conversation import Conversation
from bridge.chatserver.conversation_events import Ended, Registered
from bridge.chatserver.decoded import Unreadable

if TYPE_CHECKING:
    from bridge.chatserver.connection_settings import ConnectionSettings
    from bridge.errors import Problem
    from bridge.sources.chat_server.link_ports import Transports, Wire


class RegistrationStep(enum.Enum):
    """How far a registration came."""

    RESOLVE = "look up the host's name"
    CONNECT = "connect"
    ANSWER = "answer the registration"
    REGISTERED = "registered"


@dataclass(slots=True, frozen=True)
class RegistrationOutcome:
    """What became of it. `error` is that of the transport, `refusal` what the server said, or did not say, in time.

    `version` is the ClientVersion in force, `assumed` when the server did not name it. `unreadable`: it answered with
    something that is not the protocol.
    """

    step: RegistrationStep
    error: OSError | None = None
    refusal: Problem | None = None
    unreadable: bool = False
    version: int = 0
    assumed: bool = False


async def try_registration(settings: ConnectionSettings, transports: Transports, wire: Wire) -> RegistrationOutcome:
    """Register with the server that `settings` names, and close the connection. Takes their time limits at most."""
    loop = asyncio.get_running_loop()
    one = _Registration(settings, wire, loop)
    try:
        await transports.connect(settings.server, lambda: one)
    except socket.gaierror as error:
        return RegistrationOutcome(RegistrationStep.RESOLVE, error=error)
    except OSError as error:  # of TLS, too
        return RegistrationOutcome(RegistrationStep.CONNECT, error=error)
    timer = loop.call_later(settings.register_timeout, one.time_is_up)
    try:
        return await one.outcome
    finally:
        timer.cancel()
        one.close()


class _Registration(asyncio.Protocol):
    def __init__(self, settings: ConnectionSettings, wire: Wire, loop: asyncio.AbstractEventLoop) -> None:
        self.outcome: asyncio.Future[RegistrationOutcome] = loop.create_future()
        self._loop = loop
        self._wire = wire
        self._conversation = Conversation(settings)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a TCP connection
        self._transport = transport
        self._conversation.opened(self._loop.time())
        self._flush()

    def data_received(self, data: bytes) -> None:
        for one in self._wire.feed(data):
            if isinstance(one, Unreadable):
                self._end(RegistrationOutcome(RegistrationStep.ANSWER, unreadable=True))
                return
            self._conversation.receive(one.message, self._loop.time())
        for event in self._conversation.events_received():
            if isinstance(event, Registered):
                found = RegistrationOutcome(RegistrationStep.REGISTERED, version=event.version, assumed=event.assumed)
                self._end(found)
            elif isinstance(event, Ended):
                self._end(RegistrationOutcome(RegistrationStep.ANSWER, refusal=event.reason))
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        error = exc if isinstance(exc, OSError) else ConnectionResetError()
        self._end(RegistrationOutcome(RegistrationStep.ANSWER, error=error))

    def time_is_up(self) -> None:
        """Give up the registration."""
        self._end(RegistrationOutcome(RegistrationStep.ANSWER, error=TimeoutError()))

    def close(self) -> None:
        """Close the connection; what is not sent is dropped."""
        if self._transport is not None:
            self._transport.abort()

    def _flush(self) -> None:
        requests = self._conversation.requests()
        if requests and self._transport is not None and not self.outcome.done():
            self._transport.write(b"".join(self._wire.encode(request) for request in requests))

    def _end(self, outcome: RegistrationOutcome) -> None:
        if not self.outcome.done():
            self.outcome.set_result(outcome)
