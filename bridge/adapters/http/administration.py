"""The administrator's requests: the level of the log, and whether chats are joined, of this process, until it ends.

Each change is one line of the log, whatever its level is: which token, from which address, and what.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final, Protocol

from aiohttp import web

from bridge.adapters.http.access import bearer_token
from bridge.adapters.http.http_facts import JoinsSwitched, LogLevelSet

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.facts import Fact

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")
ADMINISTRATOR: Final = "http.token"
"""The setting of the token that these requests need, as the log names it."""
NO_TOKEN: Final = "none"  # noqa: S105 - there is none
"""What the log names instead where no token is set: on loopback."""
_MOST_BYTES: Final = 1024
_BODY_SECONDS: Final = 10.0
_LEVEL: Final = f'expected {{"level": one of {", ".join(LEVELS)}}}'
_PAUSED: Final = 'expected {"paused": true or false}'


class Administration(Protocol):
    """What the administrator may ask for and change while a worker runs."""

    def log_level(self) -> str:
        """Return the level of the log, one of LEVELS."""

    def set_log_level(self, level: str) -> None:
        """Set it. Lines of libraries stay at WARNING and above: below that they show contents of records (P5)."""

    def joins_paused(self) -> bool:
        """Return whether no joins are sent."""

    def pause_joins(self, *, paused: bool) -> None:
        """Send no joins, or send them again. Chats that are joined stay so, and connections stay open."""


class _BodyUnusable(Exception):
    """The body is not what is expected; the status to answer with, and why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class AdministrationApi:
    """GET and PUT of `/v1/admin/log-level` and `/v1/admin/joins`. Who may use them is decided before."""

    def __init__(self, administration: Administration, emit: Callable[[Fact], None]) -> None:
        """`emit` takes the lines for the log."""
        self._administration = administration
        self._emit = emit

    def routes(self) -> list[web.RouteDef]:
        """Return what to serve."""
        return [
            web.get("/v1/admin/log-level", self._level),
            web.put("/v1/admin/log-level", self._set_level),
            web.get("/v1/admin/joins", self._joins),
            web.put("/v1/admin/joins", self._set_joins),
        ]

    async def _level(self, _: web.Request) -> web.Response:
        return web.json_response({"level": self._administration.log_level()})

    async def _set_level(self, request: web.Request) -> web.Response:
        try:
            given = await _value_of(request, "level", _LEVEL)
        except _BodyUnusable as error:
            return web.json_response({"error": [error.reason]}, status=error.status)
        level = given.upper() if isinstance(given, str) else ""
        if level not in LEVELS:
            return web.json_response({"error": [_LEVEL]}, status=400)
        before = self._administration.log_level()
        self._administration.set_log_level(level)
        self._emit(LogLevelSet(before=before, after=level, **_who(request)))
        return await self._level(request)

    async def _joins(self, _: web.Request) -> web.Response:
        return web.json_response({"paused": self._administration.joins_paused()})

    async def _set_joins(self, request: web.Request) -> web.Response:
        try:
            paused = await _value_of(request, "paused", _PAUSED)
        except _BodyUnusable as error:
            return web.json_response({"error": [error.reason]}, status=error.status)
        if not isinstance(paused, bool):
            return web.json_response({"error": [_PAUSED]}, status=400)
        self._administration.pause_joins(paused=paused)
        self._emit(JoinsSwitched(paused=paused, **_who(request)))
        return await self._joins(request)


def _who(request: web.Request) -> dict[str, str]:
    """Return what the log says of the caller: the name of the token's setting, never the token, and the address."""
    given = bearer_token(request.headers.get("Authorization"))
    return {"token": NO_TOKEN if given is None else ADMINISTRATOR, "address": request.remote or ""}


async def _value_of(request: web.Request, name: str, expected: str) -> Any:
    """Return the one value of a body, which must have the name. Raises _BodyUnusable."""
    if request.content_type != "application/json":  # a form on another site cannot send that type
        raise _BodyUnusable(415, "Content-Type: expected application/json")
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for part in request.content.iter_any():
                body += part
                if len(body) > _MOST_BYTES:
                    raise _BodyUnusable(413, f"at most {_MOST_BYTES} bytes are expected")
    except TimeoutError:
        raise _BodyUnusable(408, f"the body did not arrive within {_BODY_SECONDS:g} s") from None
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise _BodyUnusable(400, "the body is not JSON") from None
    if not isinstance(value, dict) or value.keys() != {name}:
        raise _BodyUnusable(400, expected)
    return value[name]
