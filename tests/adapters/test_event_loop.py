"""EventLoop: a write to a closed connection raises an OSError, which aiokafka handles."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING

import pytest
import uvloop

from bridge.adapters.event_loop import EventLoop

if TYPE_CHECKING:
    from collections.abc import Callable


class ReadingProtocol(asyncio.Protocol):
    def __init__(self) -> None:
        self.lost = asyncio.Event()

    def connection_lost(self, _: Exception | None) -> None:
        self.lost.set()


def written_after_the_end(make_loop: Callable[[], asyncio.AbstractEventLoop]) -> BaseException | None:
    """Write to a connection that the server has reset."""

    async def scene() -> BaseException | None:
        listener = socket.create_server(("127.0.0.1", 0))
        loop = asyncio.get_running_loop()
        transport, reader = await loop.create_connection(ReadingProtocol, *listener.getsockname())
        peer, _ = listener.accept()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        listener.close()
        await reader.lost.wait()
        try:
            transport.write(b"anybody there?")
        except (OSError, RuntimeError) as error:
            return error
        return None

    with asyncio.Runner(loop_factory=make_loop) as runner:
        return runner.run(scene())


def test_it_is_an_oserror() -> None:
    assert isinstance(written_after_the_end(EventLoop), ConnectionResetError)


def test_it_would_be_a_runtime_error_and_the_reason_for_this_loop_is_still_there() -> None:
    assert isinstance(written_after_the_end(uvloop.new_event_loop), RuntimeError)


def test_all_else_of_the_transport_is_its_own() -> None:
    async def scene() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(asyncio.Protocol, *listener.getsockname())
        peer, _ = listener.accept()
        transport.write(b"here")
        assert await asyncio.to_thread(peer.recv, 4) == b"here"
        assert transport.get_extra_info("peername") == listener.getsockname()
        transport.close()
        assert transport.is_closing()
        peer.close()
        listener.close()

    with asyncio.Runner(loop_factory=EventLoop) as runner:
        runner.run(scene())


@pytest.mark.parametrize("make_loop", [EventLoop, uvloop.new_event_loop])
def test_whoever_cannot_connect_is_told_as_ever(make_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def scene() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            free = listener.getsockname()
        await asyncio.get_running_loop().create_connection(asyncio.Protocol, *free)

    with asyncio.Runner(loop_factory=make_loop) as runner, pytest.raises(ConnectionRefusedError):
        runner.run(scene())
