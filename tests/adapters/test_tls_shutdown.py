"""EventLoop: closing a TLS connection waits for the other side for at most a second."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
import uvloop

from bridge.adapters.event_loop import TLS_SHUTDOWN_SECONDS, EventLoop
from tests.support.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

AT_MOST = TLS_SHUTDOWN_SECONDS + 1


class ClosingStream(asyncio.Protocol):
    def __init__(self) -> None:
        self.lost = asyncio.Event()

    def connection_lost(self, _: Exception | None) -> None:
        self.lost.set()


@pytest.fixture
def client_context(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority.file))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def server_context(authority: Authority) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server = authority.issue("server")
    context.load_cert_chain(server.certificate_file, server.key_file)
    return context


@contextmanager
def unread_server(context: ssl.SSLContext) -> Iterator[tuple[str, int]]:
    """Give the address of a server that shakes hands and then reads nothing, as a broker whose answer is delayed."""
    listener = socket.create_server(("127.0.0.1", 0))
    held: list[ssl.SSLSocket] = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                held.append(context.wrap_socket(listener.accept()[0], server_side=True))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for each in held:
            each.close()


def seconds_to_close(scene: Callable[[], Coroutine[None, None, tuple[asyncio.BaseTransport, ClosingStream]]]) -> float:
    async def whole() -> float:
        transport, protocol = await scene()
        began = time.monotonic()
        transport.close()
        await protocol.lost.wait()
        return time.monotonic() - began

    with asyncio.Runner(loop_factory=EventLoop) as runner:
        return runner.run(whole())


def test_a_connection(server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> None:
    with unread_server(server_context) as address:

        async def scene() -> tuple[asyncio.BaseTransport, ClosingStream]:
            connected: tuple[asyncio.BaseTransport, ClosingStream] = await asyncio.get_running_loop().create_connection(
                ClosingStream, *address, ssl=client_context
            )
            return connected

        assert seconds_to_close(scene) < AT_MOST


def test_a_connection_that_is_encrypted_later(server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> None:
    with unread_server(server_context) as address:

        async def scene() -> tuple[asyncio.BaseTransport, ClosingStream]:
            loop, protocol = asyncio.get_running_loop(), ClosingStream()
            plain, _ = await loop.create_connection(asyncio.Protocol, *address)
            encrypted = await loop.start_tls(plain, protocol, client_context, server_hostname="127.0.0.1")
            assert encrypted is not None
            return encrypted, protocol

        assert seconds_to_close(scene) < AT_MOST


def test_a_connection_of_a_server(server_context: ssl.SSLContext, client_context: ssl.SSLContext) -> None:
    held: list[ssl.SSLSocket] = []

    async def scene() -> tuple[asyncio.BaseTransport, ClosingStream]:
        loop = asyncio.get_running_loop()
        accepted: asyncio.Future[tuple[asyncio.BaseTransport, ClosingStream]] = loop.create_future()

        class Accepted(ClosingStream):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                accepted.set_result((transport, self))

        server = await loop.create_server(Accepted, "127.0.0.1", 0, ssl=server_context)
        host, port = server.sockets[0].getsockname()

        def connect() -> ssl.SSLSocket:
            return client_context.wrap_socket(socket.create_connection((host, port)), server_hostname=host)

        held.append(await asyncio.to_thread(connect))
        server.close()
        return await accepted

    seconds = seconds_to_close(scene)
    held[0].close()
    assert seconds < AT_MOST


def test_uvloop_itself_waits_longer_which_is_the_reason_for_the_limit(
    server_context: ssl.SSLContext, client_context: ssl.SSLContext
) -> None:
    with unread_server(server_context) as address:

        async def scene() -> None:
            transport, protocol = await asyncio.get_running_loop().create_connection(
                ClosingStream, *address, ssl=client_context
            )
            transport.close()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(2 * TLS_SHUTDOWN_SECONDS):
                    await protocol.lost.wait()
            transport.abort()

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(scene())


def test_an_unencrypted_connection_is_made_as_ever() -> None:
    async def scene() -> tuple[asyncio.BaseTransport, ClosingStream]:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(ClosingStream, "127.0.0.1", 0)
        connected: tuple[asyncio.BaseTransport, ClosingStream] = await loop.create_connection(
            ClosingStream, *server.sockets[0].getsockname()
        )
        server.close()
        return connected

    assert seconds_to_close(scene) < TLS_SHUTDOWN_SECONDS
