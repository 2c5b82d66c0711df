"""Virtual Chat Servers: a session manager with real links, without sockets, in an event loop with virtual time.

The loop never sleeps: when no callback is ready, its time advances to the next timer. Requests are decoded with
Python's json.
"""

from __future__ import annotations

import asyncio
import json
import random
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

from bridge.chatserver.connection_settings import ConnectionSettings
from bridge.chatserver.psdk_json import client_wire
from bridge.sources.chat_server.history_turn import HistoryTurn
from bridge.sources.chat_server.join_rate_limiter import JoinRateLimiter
from bridge.sources.chat_server.link import Link
from bridge.sources.chat_server.reconnect_settings import ReconnectSettings
from bridge.sources.chat_server.session_manager import SessionManager
from bridge.telemetry import Telemetry
from bridge.transcript.updates import JoinRefused, LinkDown, TranscriptUpdate

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from bridge.capture.ports import Deliver, Failed
    from bridge.transcript.updates import Update

T = TypeVar("T")


class _VirtualSelector(selectors.DefaultSelector):
    """Advances the time instead of waiting."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "a task waits, but no timer is set"
        self.passed += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop with virtual time, beginning at 0."""

    def __init__(self) -> None:
        self._virtual_selector = _VirtualSelector()
        super().__init__(self._virtual_selector)

    def time(self) -> float:
        return self._virtual_selector.passed

    def timers(self) -> list[asyncio.TimerHandle]:
        """Every timer that is set, and cancelled ones that are not yet removed."""
        return list(self._scheduled)  # type: ignore[attr-defined]  # asyncio has no public list of them


def play(scene: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in virtual time; the tasks it leaves are cancelled, and those that they start as they end."""

    async def to_the_end() -> T:
        try:
            return await scene
        finally:
            while left := asyncio.all_tasks() - {asyncio.current_task()}:
                for task in left:
                    task.cancel()
                await asyncio.wait(left)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(to_the_end())


class VirtualClock:
    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def now_us(self) -> int:
        return int(self.monotonic() * 1_000_000)


class VirtualTransport(asyncio.Transport):
    """One connection, seen from the server. `reading`: whether the client reads.

    While the server is `deaf` it takes no bytes: they are `unsent`, and closing waits for them until it is aborted.
    """

    def __init__(self, server: Server, link: asyncio.Protocol) -> None:
        super().__init__()
        self.server = server
        self.link = link
        self.reading = True
        self.closed = self.closing = False
        self.written = 0
        self.unsent = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.server.deaf:
            self.unsent += bytes(data)
            return
        self.written += 1
        for one in bytes(data).splitlines():
            self.server.hears(self, json.loads(one))

    def says(self, **message: object) -> None:
        """Send a message to the client; it is dropped while the client does not read."""
        if not self.closed:
            asyncio.get_running_loop().call_soon(self._says, json.dumps(message).encode() + b"\n")

    def logs_out(self, error: int, chat: str | None) -> None:
        """Say, without being asked, that the client is no party (of this chat) any more."""
        named = {} if chat is None else {"sessionId": chat}
        self.says(messageName="EventError", errorId=error, description="logged out", **named)

    def drops(self) -> None:
        """Reset the connection."""
        if not self.closed:
            self.closed = True
            self.link.connection_lost(ConnectionResetError())

    def _says(self, data: bytes) -> None:
        if self.reading and not self.closed:
            self.link.data_received(data)

    def is_reading(self) -> bool:
        return self.reading

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closing or self.closed

    def get_write_buffer_size(self) -> int:
        return len(self.unsent)

    def close(self) -> None:
        self.closing = True
        if not self.unsent:
            self.abort()

    def abort(self) -> None:
        if not self.closed:
            self.closed = True
            asyncio.get_running_loop().call_soon(self.link.connection_lost, None)


class Server:
    """A Chat Server.

    `refuses` maps a chat to the error id of its joins, `histories` one to the text of its only message; with `mute` it
    answers no request; `registration` is what it says of itself.
    """

    def __init__(self) -> None:
        self.up = True
        self.mute = False
        self.deaf = False
        self.refuses: dict[str, int] = {}
        self.histories: dict[str, str] = {}
        self.registration: dict[str, object] = {"clientVersion": 106}
        self.wires: list[VirtualTransport] = []
        self.connected: list[float] = []  #: times of connection attempts
        self.joins: list[tuple[float, str]] = []  #: time and session id of join requests
        self.watched: dict[str, list[VirtualTransport]] = {}  #: connections on which a chat was joined
        self.left: list[str] = []

    def hears(self, wire: VirtualTransport, request: dict[str, Any]) -> None:
        name, reference = request["messageName"], request.get("referenceId")
        if name == "RequestJoin":
            self.joins.append((asyncio.get_running_loop().time(), request["sessionId"]))
            self.watched.setdefault(request["sessionId"], []).append(wire)
        if name == "RequestReleaseParty":
            assert request.get("afterAction", 0) == 0  # KeepAlive (P4)
            self.left.append(request["sessionId"])
        if self.mute:
            return
        if name == "RequestRegister":
            wire.says(messageName="EventRegistered", userId="00B1", referenceId=reference, **self.registration)
        elif name == "Ping":
            wire.says(messageName="Pong", referenceId=reference)
        elif name == "RequestJoin" and request["sessionId"] in self.refuses:
            error = self.refuses[request["sessionId"]]
            wire.says(messageName="EventError", errorId=error, description="no", referenceId=reference)
        elif name == "RequestJoin":
            text = self.histories.get(request["sessionId"])
            history = [] if text is None else [self.message(1, text)]
            wire.says(**self.info(request["sessionId"], "Alive", *history), referenceId=reference)

    @staticmethod
    def message(event_id: int, text: str = "") -> dict[str, Any]:
        return {"eventType": "message", "eventId": event_id, "messageText": {"text": text}}

    @staticmethod
    def info(chat: str, status: str = "Alive", *events: dict[str, Any]) -> dict[str, Any]:
        transcript = {"sessionId": chat, "startAt": "2031-02-28T23:59:58Z", "chatEventList": list(events)}
        return {"messageName": "EventSessionInfo", "sessionStatus": status, "chatTranscript": transcript}

    def ends(self, chat: str) -> None:
        for wire in self.wires:
            wire.says(**self.info(chat, "Over"))

    def pushes(self, chat: str, event_id: int, status: str) -> None:
        for wire in self.wires:
            wire.says(**self.info(chat, status, self.message(event_id)))

    def dies(self) -> None:
        """Stop listening; reset all connections."""
        self.up = False
        self.drops()

    def drops(self) -> None:
        """Reset all connections."""
        wires, self.wires = self.wires, []
        for wire in wires:
            wire.drops()


class VirtualServers:
    """Servers by address, and a session manager. `delivered` are the updates for the shard.

    `defects` are those that ended a task of the manager.
    """

    def __init__(
        self, *servers: str, per_link: int = 100, rate: float = 1e9, peak: float = 1e9, keep_trying: bool = False
    ) -> None:
        self.servers = {name: Server() for name in servers}
        self.delivered: list[Update] = []
        self.clock = VirtualClock()
        self.rate_limiter = JoinRateLimiter(rate, peak, self.clock, lambda: 1.0)
        self._per_link = per_link
        self._keep_trying = keep_trying
        self.defects: list[Exception] = []
        self.telemetry = Telemetry()
        self.manager = self.make_source(
            lambda observation, _size: self.delivered.append(observation), self.defects.append
        )

    def make_source(self, deliver: Deliver, failed: Failed) -> SessionManager:
        """Return another session manager that connects to the same servers."""
        return SessionManager(
            ReconnectSettings(attempts=15, delay=10.0, per_link=self._per_link, keep_trying=self._keep_trying),
            transports=self,
            make_link=self._link,
            history_turn=HistoryTurn(),
            rate_limiter=self.rate_limiter,
            clock=self.clock,
            rng=random.Random(1),
            telemetry=self.telemetry,
            deliver=deliver,
            failed=failed,
        )

    def __getitem__(self, name: str) -> Server:
        return self.servers[name]

    async def connect(self, server: str, factory: Callable[[], asyncio.Protocol]) -> None:
        there = self.servers[server]
        there.connected.append(self.clock.monotonic())
        await asyncio.sleep(0.001)
        if not there.up:
            raise ConnectionRefusedError
        link = factory()
        wire = VirtualTransport(there, link)
        there.wires.append(wire)
        link.connection_made(wire)

    def _link(self, server: str, owner: SessionManager) -> Link:
        return Link(ConnectionSettings("bridge", "", server), client_wire(), self.clock, owner, paused=owner.paused)

    def follow(self, chat: str, *servers: str, password: str | None = None) -> None:
        self.manager.follow(chat, servers, password)

    async def joined(self, chat: str, *servers: str) -> None:
        """Follow a chat until it is joined at the first of its servers."""
        self.follow(chat, *servers)
        await asyncio.sleep(1)
        assert self.where(chat) == servers[0]

    def where(self, chat: str) -> str | None:
        return self.manager.joined_at(chat)

    def given_up(self) -> list[tuple[str, int]]:
        """Chats that were given up, with the error of their last refusal."""
        return [(one.session_id, one.error_id) for one in self.delivered if isinstance(one, JoinRefused)]

    def away(self) -> list[str]:
        return [one.session_id for one in self.delivered if isinstance(one, LinkDown)]

    def seen(self) -> list[str]:
        return [one.session_id for one in self.delivered if isinstance(one, TranscriptUpdate)]
