"""Servers of tests, in a thread of their own."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

from bridge.sandbox.process import LOOPBACK

if TYPE_CHECKING:
    import ssl
    from socketserver import TCPServer
    from types import TracebackType


class QuietHandler(BaseHTTPRequestHandler):
    """Answers requests, and logs none."""

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class ServingThread:
    """Lets a server serve in a thread of its own as long as it is entered."""

    def __init__(self, server: TCPServer) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class ThreadedServer(ServingThread):
    """Serves on a free port of 127.0.0.1 as long as it is entered; with `tls` it speaks that."""

    def __init__(self, handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None) -> None:
        server = ThreadingHTTPServer((LOOPBACK, 0), handler)
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        super().__init__(server)
        self.base_url = f"{'http' if tls is None else 'https'}://{LOOPBACK}:{server.server_port}"
