"""The status page of an invented worker, served by the real HTTP server in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Self

from bridge.adapters.http.access import AccessTokens
from bridge.adapters.http.http_server import HttpServer, Listener
from bridge.adapters.http.status_report import StatusApi
from tests.adapters.test_http import InMemoryBridge

if TYPE_CHECKING:
    from types import TracebackType

    from tests.support.invented_status import InventedReports


class ServedPage:
    """Serves on a free port of 127.0.0.1 as long as it is entered. The test changes `bridge` and `reports`."""

    def __init__(self, reports: InventedReports, token: str | None = None, announce: str | None = None) -> None:
        self.bridge = InMemoryBridge()
        self.reports = reports
        access = AccessTokens(
            read=None if token is None else lambda: token, announce=None if announce is None else lambda: announce
        )
        self._server = HttpServer(self.bridge, Listener(access=access), apis=[StatusApi(reports)])
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._server.start(), self._loop).result(10)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.port}/"
