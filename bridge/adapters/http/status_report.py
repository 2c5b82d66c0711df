"""GET /v1/status: the report that the status page shows, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import msgspec
from aiohttp import web

from bridge.overview.chat_list import CHAT_STATES, SORT_KEYS, ChatQuery

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.overview.worker_report import StatusReport

DEFAULT_ROWS: Final = 50
MOST_ROWS: Final = 500
_MOST_OFFSET: Final = 10_000_000
_MOST_CHARACTERS: Final = 300
_ORDERS: Final = ("asc", "desc")
_ENCODER: Final = msgspec.json.Encoder()


class ReportSource(Protocol):
    """What makes the report."""

    async def report(self, query: ChatQuery) -> StatusReport:
        """Return it, with the chats that are wanted, within seconds: it may ask Kafka for the group."""


class QueryRefused(ValueError):
    """The parameters of a request are not ones of /v1/status; the message names what is expected."""


def chat_query(given: Mapping[str, str]) -> ChatQuery:
    """Return which chats a request wants. Raises QueryRefused; its message does not repeat what was given."""
    if not set(given) <= {"search", "state", "sort", "order", "offset", "limit"}:
        raise QueryRefused("query: expected search, state, sort, order, offset or limit")
    search = given.get("search", "").strip()
    if len(search) > _MOST_CHARACTERS:
        raise QueryRefused(f"search: expected at most {_MOST_CHARACTERS} characters")
    state = given.get("state", "")
    if state and state not in CHAT_STATES:
        raise QueryRefused(f"state: expected one of {', '.join(CHAT_STATES)}")
    sort = given.get("sort", "state")
    if sort not in SORT_KEYS:
        raise QueryRefused(f"sort: expected one of {', '.join(SORT_KEYS)}")
    order = given.get("order", "asc")
    if order not in _ORDERS:
        raise QueryRefused("order: expected asc or desc")
    return ChatQuery(
        search=search,
        state=state,
        sort=sort,
        descending=order == "desc",
        offset=_number(given, "offset", 0, least=0, most=_MOST_OFFSET),
        limit=_number(given, "limit", DEFAULT_ROWS, least=1, most=MOST_ROWS),
    )


def _number(given: Mapping[str, str], name: str, default: int, *, least: int, most: int) -> int:
    text = given.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and least <= int(text) <= most):
        raise QueryRefused(f"{name}: expected a whole number from {least} to {most}")
    return int(text)


class StatusApi:
    """GET /v1/status. Who may use it is decided before."""

    def __init__(self, reports: ReportSource) -> None:
        """`reports` makes the answers."""
        self._reports = reports

    def routes(self) -> list[web.RouteDef]:
        """Return what to serve."""
        return [web.get("/v1/status", self._report)]

    async def _report(self, request: web.Request) -> web.Response:
        try:
            query = chat_query(request.query)
        except QueryRefused as error:
            return web.json_response({"error": [str(error)]}, status=400)
        report = await self._reports.report(query)
        return web.Response(body=_ENCODER.encode(report), content_type="application/json", charset="utf-8")
