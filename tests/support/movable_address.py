"""A port of this machine that leads to another: a name whose address changes."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Final, Self

from bridge.sandbox.process import LOOPBACK, free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

_CHUNK_BYTES: Final = 16 * 1024
SECONDS: Final = 30


class MovableAddress:
    """One port of this machine that leads to whichever port it is told: a name whose address changes."""

    def __init__(self, target: int, *, host: str = LOOPBACK, port: int | None = None) -> None:
        """`host` is an address of this machine; `port` is a free one by default."""
        self.host = host
        self.port = free_ports(1)[0] if port is None else port
        self.target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(SECONDS)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, self.host, self.port)

    async def _end(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(OSError), contextlib.closing(writer):
            there, back = await asyncio.open_connection(LOOPBACK, self.target)
            with contextlib.closing(back):
                await asyncio.gather(_copy(reader, back), _copy(there, writer, self._comes))

    async def _comes(self, data: bytes) -> None:
        """Return when data of the target may be passed on."""


async def _copy(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    comes: Callable[[bytes], Coroutine[None, None, None]] | None = None,
) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK_BYTES):
            if comes is not None:
                await comes(data)
            writer.write(data)
            await writer.drain()
    writer.close()
