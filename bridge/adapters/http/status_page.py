"""The files of the status page, which contain nothing secret."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Final

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PAGE_FILES: Final = {
    "/": "status.html",
    "/status.js": "status.js",
    "/report.js": "report.js",
    "/status.css": "status.css",
}
"""Path -> name of the file."""
_KINDS: Final = {"html": "text/html", "js": "text/javascript", "css": "text/css"}


def page_file(name: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Return what answers with a file of the page."""
    kind = _KINDS[name.rpartition(".")[2]]

    async def serve(_: web.Request) -> web.StreamResponse:
        text = (resources.files("bridge.adapters.http") / "page" / name).read_text("utf-8")
        return web.Response(text=text, content_type=kind, charset="utf-8")

    return serve
