"""GET /v1/sessions: the chats of a worker that a query chooses, as JSON.

A look at 20,000 chats at once would keep all other tasks of the worker waiting for a fifth of a second. So it is a look
at a few at a time, for one request after the other: what one has found is in memory until its answer is complete.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.adapters.http.status_view import SessionView, StatusView

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 10_000
AT_ONCE: Final = 200
"""Chats that are looked at before other tasks have their turn: about a millisecond."""
_ENCODER: Final = msgspec.json.Encoder()


class SessionList:
    """Answers with the chats of a view. Who may ask is decided before."""

    def __init__(self, view: StatusView) -> None:
        """`view` tells which there are."""
        self._view = view
        self._turn = asyncio.Lock()

    async def answer(self, request: web.Request) -> web.Response:
        """GET: filters `joined`, `server`, `sessionId` (a prefix); at most `limit` sessions are returned."""
        query = request.query
        if not set(query) <= {"joined", "server", "sessionId", "limit"}:
            return _refusal("query: expected joined, server, sessionId or limit")
        try:
            limit = int(query.get("limit", DEFAULT_LIMIT))
        except ValueError:
            limit = -1
        if not 1 <= limit <= MAX_LIMIT:
            return _refusal(f"limit: expected a whole number from 1 to {MAX_LIMIT}")
        async with self._turn:
            body = await self._listed(query, limit)
        return web.Response(body=body, content_type="application/json", charset="utf-8")

    async def _listed(self, query: Mapping[str, str], limit: int) -> bytes:
        total, shown = 0, list[bytes]()
        for number, each in enumerate(self._view.sessions(), start=1):
            if _matches(each, query):
                total += 1
                if total <= limit:
                    shown.append(_ENCODER.encode(each))
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
        return b'{"total":%d,"sessions":[%b]}' % (total, b",".join(shown))


def _matches(session: SessionView, wanted: Mapping[str, str]) -> bool:
    return (
        wanted.get("joined", "true" if session.joined else "false") == ("true" if session.joined else "false")
        and wanted.get("server", session.server) == session.server
        and session.session_id.startswith(wanted.get("sessionId", ""))
    )


def _refusal(reason: str) -> web.Response:
    return web.json_response({"error": [reason]}, status=400)
