"""The client of the schema registry, cancelled wherever it can be, whatever the registry does: nothing stays."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from bridge.adapters.event_loop import EventLoop
from bridge.adapters.schema_registry import SchemaRegistry
from tests.adapters.test_cancelled_http_server import until
from tests.support.cancellation import Attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]

HEAD_END = b"\r\n\r\n"


class Registry:
    """A registry on a socket. `silent`: it reads requests and answers none. `open`: its connections."""

    def __init__(self, *, silent: bool) -> None:
        self._silent = silent
        self.open: set[asyncio.StreamWriter] = set()
        self.asked = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open.add(writer)
        try:
            while True:
                head = (await reader.readuntil(HEAD_END)).decode().lower()
                length = next(
                    int(line.split(":")[1]) for line in head.splitlines() if line.startswith("content-length")
                )
                await reader.readexactly(length)
                self.asked += 1
                if self._silent:
                    continue
                found = "/versions" in head or "/config/" in head
                body = json.dumps({"id": 7} if found else {"error_code": 40401}).encode()
                status = b"200 OK" if found else b"404 Not Found"
                writer.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open.discard(writer)
            writer.close()


async def register(url: str) -> int:
    async with SchemaRegistry([url], timeout_seconds=60) as client:
        return await client.register("events-value", '"string"')


@pytest.mark.parametrize("make_loop", [EventLoop, asyncio.SelectorEventLoop])
def test_a_registration_that_is_cancelled_at_any_step_leaves_nothing(
    make_loop: type[asyncio.AbstractEventLoop],
) -> None:
    async def scene() -> None:
        loop = asyncio.get_running_loop()
        registry = Registry(silent=False)
        server = await asyncio.start_server(registry.serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert await register(url) == 7
        await until(lambda: not registry.open)
        tasks = asyncio.all_tasks()
        for turns in (0, 1, 2):
            at, hit = 1, True
            while hit:
                attempt = Attempt(at, turns)
                attempt.watch(loop)
                await attempt.outcome(register(url), seconds=2)
                await until(lambda: not registry.open and not asyncio.all_tasks() - tasks)
                at, hit = at + 1, attempt.hit
            assert at > 10
        server.close()
        await server.wait_closed()

    with asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(scene())


def test_a_registration_that_waits_for_an_answer_ends_when_it_is_cancelled() -> None:
    async def scene() -> None:
        registry = Registry(silent=True)
        server = await asyncio.start_server(registry.serve, "127.0.0.1", 0)
        tasks = asyncio.all_tasks()
        task = asyncio.ensure_future(register(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
        await until(lambda: registry.asked == 1)
        task.cancel()
        await asyncio.wait([task], timeout=2)
        assert task.cancelled()
        await until(lambda: not registry.open and not asyncio.all_tasks() - tasks)
        server.close()

    asyncio.run(scene())
