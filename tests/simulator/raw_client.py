"""A minimal protocol client for tests: sends given requests and keeps every message received."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

from bridge.chatserver.decoded import Unreadable
from bridge.chatserver.messages import (
    EventError,
    EventRegistered,
    EventSessionInfo,
    EventStatus,
    Pong,
    RequestJoin,
    RequestRegister,
)
from bridge.chatserver.psdk_json import client_wire
from bridge.simulator.protocol.server import ChatServer, ServerSettings
from bridge.transcript.events import CLIENT, MessageText
from tests.simulator.simulator_harness import CHAT, person

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from bridge.chatserver.messages import Request
    from bridge.simulator.protocol.observers import RequestObserver
    from bridge.transcript.events import ChatEvent, Item

TEST_TIMEOUT_SECONDS = 20.0
T = TypeVar("T")


def run_test(steps: Coroutine[object, object, T], seconds: float = TEST_TIMEOUT_SECONDS) -> T:
    """Run one test's steps, for at most so many seconds."""

    async def bounded() -> T:
        async with asyncio.timeout(seconds):
            try:
                return await steps
            finally:
                await TestClient.all_ended()

    return asyncio.run(bounded())


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition; `run_test` bounds how long."""
    while not condition():  # noqa: ASYNC110 - the condition sets no event
        await asyncio.sleep(0.002)


class TestClient(asyncio.Protocol):
    """One connection. `received` are all messages, `wire_errors` the unreadable lines."""

    __test__ = False  # pytest: not a test class
    connected: ClassVar[list[TestClient]] = []

    def __init__(self) -> None:
        self.received: list[object] = []
        self.wire_errors: list[Unreadable] = []
        self.ended = False
        self.end_error: Exception | None = None
        self._wire = client_wire(inbound=64 << 20)
        self._references = 0
        self.transport: asyncio.Transport | None = None

    @classmethod
    async def connect(cls, port: int) -> TestClient:
        _, client = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return client

    @classmethod
    async def all_ended(cls) -> None:
        """Close all connections and wait for their end."""
        for client in cls.connected:
            client.close()
        await until(lambda: all(client.ended for client in cls.connected))
        cls.connected.clear()

    @classmethod
    async def monitor(
        cls, port: int, version: int = 106, user_type: str = "SUPERVISOR", nickname: str = "bridge"
    ) -> TestClient:
        client = await cls.connect(port)
        await client.ask(RequestRegister(nickname, user_type, f"{nickname}-1", client_version=version, reference_id=0))
        return client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of asyncio's
        self.connected.append(self)

    def data_received(self, data: bytes) -> None:
        for line in self._wire.feed(data):
            if isinstance(line, Unreadable):
                self.wire_errors.append(line)
            else:
                assert not line.damaged
                self.received.append(line.message)

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended, self.end_error = True, exc

    def say(self, request: Request) -> None:
        self.send_raw(self._wire.encode(request))

    def send_raw(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)

    async def ask(self, request: Request) -> object:
        """Send a request that has a reference id, and wait for its answer."""
        before = len(self.received)
        self.say(request)
        answers: list[object] = []

        def answered() -> bool:
            answers[:] = [
                message
                for message in self.received[before:]
                if getattr(message, "reference_id", None) == request.reference_id
                or isinstance(message, EventRegistered)
            ]
            return bool(answers)

        await until(lambda: answered() or self.ended)
        if not answers:
            raise ConnectionResetError("the connection ended before the answer")
        return answers[0]

    async def join(self, session_id: str, *data: Item, visibility: str = "VIP") -> EventSessionInfo | EventError:
        self._references += 1
        answer = await self.ask(RequestJoin(self._references, session_id, visibility, list(data)))
        assert isinstance(answer, EventSessionInfo | EventError)
        return answer

    def close(self) -> None:
        assert self.transport is not None
        self.transport.close()

    def infos(self) -> list[EventSessionInfo]:
        return [message for message in self.received if isinstance(message, EventSessionInfo)]

    def events(self, session_id: str) -> list[ChatEvent]:
        """Return all events of a chat in the order of their arrival."""
        return [
            event
            for info in self.infos()
            if info.chat_transcript.session_id == session_id
            for event in info.chat_transcript.chat_event_list
        ]

    def pongs(self) -> int:
        return sum(isinstance(message, Pong) for message in self.received)

    async def flex(self, request: Request) -> EventStatus:
        answer = await self.ask(request)
        assert isinstance(answer, EventStatus)
        return answer


@asynccontextmanager
async def serving(
    settings: ServerSettings | None = None, request_observer: RequestObserver | None = None
) -> AsyncIterator[ChatServer]:
    """Run a server on a free port."""
    server = ChatServer(settings or ServerSettings(), seed=7, request_observer=request_observer)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def open_chat(server: ChatServer, session_id: str = CHAT) -> None:
    """Open a session with a customer `C`."""
    server.apply(server.sessions.open(person("C", CLIENT), server.clock(), session_id=session_id))


def send_text(server: ChatServer, text: str = "hello", session_id: str = CHAT) -> None:
    """Add a message of the customer."""
    server.apply(server.sessions.send_message(session_id, "C", MessageText(text), server.clock()))
