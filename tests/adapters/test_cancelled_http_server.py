"""The HTTP server, whose start and stop are cancelled wherever they can be: it listens no more and no task is left."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from bridge.adapters.http import http_server
from bridge.adapters.http.http_server import HttpServer, Listener
from tests.adapters.test_http import InMemoryBridge
from tests.support.cancellation import Attempt

if TYPE_CHECKING:
    from collections.abc import Callable


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def everything_ended(tasks: set[asyncio.Task[object]]) -> None:
    await until(lambda: not asyncio.all_tasks() - tasks)


async def refuses(port: int) -> None:
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


def test_a_stop_that_is_cancelled_has_closed_every_connection_when_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "_SHUTDOWN_SECONDS", 0.2)

    async def scene() -> None:
        loop, at, hit = asyncio.get_running_loop(), 1, True
        tasks = asyncio.all_tasks()
        while hit:
            attempt = Attempt(at, 0)
            attempt.watch(loop)
            server = HttpServer(InMemoryBridge(), Listener())
            await server.start()
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n")
            writer.write(b"Content-Type: application/json\r\n\r\n[")  # the rest of the body never comes
            await until(lambda: bool(asyncio.all_tasks() - tasks))  # the server reads the request
            await attempt.outcome(server.stop(), seconds=2)
            await refuses(server.port)
            await reader.read()
            writer.close()
            await everything_ended(tasks)
            at, hit = at + 1, attempt.hit
        assert at > 3

    asyncio.run(scene())


def test_a_start_that_is_cancelled_leaves_nothing() -> None:
    async def scene() -> None:
        loop, at, hit = asyncio.get_running_loop(), 1, True
        tasks = asyncio.all_tasks()
        while hit:
            attempt = Attempt(at, 0)
            attempt.watch(loop)
            server = HttpServer(InMemoryBridge(), Listener())
            await attempt.outcome(server.start(), seconds=6)
            assert attempt.hit == (server._runner is None)
            await server.stop()
            await everything_ended(tasks)
            at, hit = at + 1, attempt.hit
        assert at > 2

    asyncio.run(scene())
