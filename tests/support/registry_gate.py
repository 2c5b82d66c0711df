"""What stands before a schema registry in production: it asks for credentials, and passes on what has them."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections import Counter
from typing import TYPE_CHECKING, Self

from tests.support.threaded_server import QuietHandler, ThreadedServer

if TYPE_CHECKING:
    from collections.abc import Collection
    from types import TracebackType

_HEADERS = ("Accept", "Content-Type")


class RegistryGate:
    """A port before the registry at `url`.

    `taken` are the Authorization headers that it takes, `passed` counts the requests with each of them; `away`: it
    answers 503.
    """

    def __init__(self, url: str, *taken: str) -> None:
        self.taken: Collection[str] = taken
        self.away = False
        self.passed: Counter[str] = Counter()
        self.refused = 0
        gate = self

        class _Passes(QuietHandler):
            protocol_version = "HTTP/1.1"  # connections stay open, as in production

            def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
                self.answer(*gate.answer(url, self))

            do_POST = do_PUT = do_GET  # noqa: N815 - likewise

        self._server = ThreadedServer(_Passes)
        self.port = int(self._server.base_url.rsplit(":", 1)[1])

    def answer(self, url: str, asked: QuietHandler) -> tuple[int, bytes]:
        """Return status and body of the registry's answer, or of the gate's own."""
        body = asked.rfile.read(int(asked.headers.get("Content-Length", 0)))
        if self.away:
            return 503, b'{"error_code": 50301, "message": "no leader"}'
        authorization = asked.headers.get("Authorization", "")
        if authorization not in self.taken:
            self.refused += 1
            return 401, b'{"error_code": 40101, "message": "Unauthorized"}'
        headers = {name: asked.headers[name] for name in _HEADERS if name in asked.headers}
        request = urllib.request.Request(url + asked.path, body or None, headers, method=asked.command)
        self.passed[authorization] += 1
        try:
            with urllib.request.urlopen(request, timeout=30) as found:
                return found.status, found.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, trace)
