"""What `chatbridge healthcheck` asks, of servers that answer in every way, and of the bridge's own."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from bridge.adapters.http.http_server import HttpServer, Listener
from bridge.adapters.http.liveness import is_live
from bridge.errors import Problem
from bridge.sandbox.process import free_ports
from bridge.tls import TlsFiles
from tests.adapters.test_http import InMemoryBridge
from tests.support.certificates import Authority

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from pathlib import Path

SHORT = 0.2
LONG = 30.0
HERE = "127.0.0.1"


@asynccontextmanager
async def answering(words: bytes, *, then_close: bool = True) -> AsyncIterator[int]:
    """Serve these words to everybody who asks; give the port."""
    asked: list[bytes] = []
    open_ones: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.append(writer)
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(words)
        if then_close:
            writer.close()

    server = await asyncio.start_server(serve, HERE, 0)
    try:
        yield server.sockets[0].getsockname()[1]
        assert [line for line in asked if not line.startswith(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1:")] == []
    finally:
        server.close()
        for writer in open_ones:
            writer.transport.abort()
        await asyncio.sleep(0)  # aborted in the loop's next turn


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", None),
        (b"HTTP/1.0 200\r\n\r\n", None),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "answered 503"),
        (b"HTTP/1.1 421 Misdirected Request\r\n\r\n", "answered 421"),
        (b"SSH-2.0-OpenSSH\r\n", "no HTTP answer"),
        (b"SSH 200\r\n", "no HTTP answer"),
        (b"HTTP/1.1 \x1b[31m\r\n", "no HTTP answer"),
        (b"HTTP/1.1\r\n", "no HTTP answer"),
        (b"", "no HTTP answer"),
        (b"x" * 10_000 + b"\r\n", "no HTTP answer"),
    ],
)
def test_what_counts_is_the_status_of_an_http_answer(words: bytes, problem: str | None) -> None:
    async def main() -> None:
        async with answering(words) as port:
            assert await is_live(HERE, port, tls=False, seconds=LONG) == problem

    asyncio.run(main())


def test_a_worker_that_is_silent_is_not_waited_for() -> None:
    async def main() -> None:
        async with answering(b"", then_close=False) as port:
            assert await is_live(HERE, port, tls=False, seconds=SHORT) == "no answer within 0.2 s"

    asyncio.run(main())


def test_without_a_listener_the_reason_is_named() -> None:
    [port] = free_ports(1)
    assert asyncio.run(is_live(HERE, port, tls=False, seconds=LONG)) is not None


@pytest.mark.parametrize("with_tls", [False, True])
def test_the_bridge_answers_whether_its_process_works(tmp_path: Path, *, with_tls: bool) -> None:
    bridge = InMemoryBridge()
    bridge.reasons = [Problem("KAFKA_UNAVAILABLE", "Kafka does not answer")]  # not ready is not dead

    async def main() -> None:
        server = HttpServer(bridge, Listener(tls=context(tmp_path) if with_tls else None))
        await server.start()
        try:
            assert await is_live(HERE, server.port, tls=with_tls, seconds=LONG) is None
            bridge.alive = False
            assert await is_live(HERE, server.port, tls=with_tls, seconds=LONG) == "answered 503"
            assert await is_live(HERE, server.port, tls=not with_tls, seconds=LONG) is not None
        finally:
            await server.stop()

    asyncio.run(main())


def context(folder: Path) -> ssl.SSLContext:
    issued = Authority(folder).issue("another-name")
    return TlsFiles(certificate=str(issued.certificate_file), key=str(issued.key_file)).server_context()
