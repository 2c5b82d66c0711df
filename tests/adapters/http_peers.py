"""A running HTTP server and its peers, which write bytes of their own choice; what the server holds of them."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from bridge.adapters.event_loop import EventLoop
from bridge.adapters.http.guarded_connections import HttpLimits
from bridge.adapters.http.http_server import HttpServer, Listener
from tests.adapters.test_http import ONE, InMemoryBridge

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from bridge.announcement import Announcement

    Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]

GET = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"


class WaitingBridge(InMemoryBridge):
    """Announcements wait until `written` is set. `text` are its metrics."""

    def __init__(self) -> None:
        super().__init__()
        self.written = asyncio.Event()
        self.text = b"chatbridge_sessions 1\n"

    async def announce(self, announcements: Sequence[Announcement]) -> None:
        await super().announce(announcements)
        await self.written.wait()

    def metrics(self) -> bytes:
        return self.text


class Scene:
    """A running server, and its peers."""

    def __init__(self, server: HttpServer, bridge: WaitingBridge) -> None:
        self.server = server
        self.bridge = bridge
        self._peers: list[asyncio.StreamWriter] = []

    @property
    def open(self) -> int:
        assert self.server._connections is not None
        return len(self.server._connections)

    @property
    def held(self) -> int:
        assert self.server._connections is not None
        return self.server._connections.held

    async def peer(self, *parts: bytes) -> Pair:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port, limit=1 << 16)
        self._peers.append(writer)
        writer.writelines(parts)
        return reader, writer

    async def probe(self, path: str = "/livez") -> int:
        """Return the status that a newly connected prober is given."""
        reader, writer = await self.peer(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        )
        async with asyncio.timeout(5):
            answer = await reader.read()
        writer.close()
        return int(answer.split(b" ", 2)[1])

    def end(self) -> None:
        for one in self._peers:
            one.transport.abort()


def play(
    act: Callable[[Scene], Awaitable[None]],
    make_loop: type[asyncio.AbstractEventLoop] = EventLoop,
    **limits: Any,
) -> None:
    """Run a server and `act`; then stop it: nothing of it is left."""

    async def main() -> None:
        before = asyncio.all_tasks()
        bridge = WaitingBridge()
        server = HttpServer(bridge, Listener(), HttpLimits(**limits))
        await server.start()
        scene = Scene(server, bridge)
        try:
            await act(scene)
        finally:
            bridge.written.set()
            await server.stop()
            scene.end()
        assert (scene.open, scene.held) == (0, 0)
        await until(lambda: asyncio.all_tasks() == before)

    with asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(main())


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


async def closed(reader: asyncio.StreamReader) -> None:
    """Wait until the server has closed the connection."""
    async with asyncio.timeout(10):
        with suppress(ConnectionResetError):
            while await reader.read(1 << 16):
                pass


async def answer_of(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """Read one answer: status, headers (names in lower case), body."""
    async with asyncio.timeout(10):
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        return int(first.split(" ")[1]), headers, await reader.readexactly(int(headers["content-length"]))


def post(body: bytes, more: int = 0) -> bytes:
    """Return a request with a body of which `more` bytes are still to come."""
    head = f"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body) + more}\r\n"
    return head.encode() + b"Content-Type: application/json\r\n\r\n" + body


def body_of(size: int) -> bytes:
    """Return a valid body of this many bytes."""
    return json.dumps(ONE).encode().ljust(size)
