"""The HTTP side: probes, metrics, the sessions API and a status page.

It knows the bridge only as a `BridgeView`. Probes answer everyone who can connect; everything else wants the bearer
token when one is set. No answer and no log line repeats a body that was sent.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from dataclasses import asdict, dataclass
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol

from aiohttp import web
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from bridge import announcement as rules
from bridge.announcement import Announcement
from bridge.errors import ConfigError, KafkaUnavailable, UnreadableAnnouncement

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MAX_BODY_BYTES: Final = 1 << 20
MAX_ANNOUNCEMENTS: Final = 1_000
DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 10_000
_MAX_PROBLEMS: Final = 20
_SHUTDOWN_SECONDS: Final = 2.0
_BODY_SECONDS: Final = 30.0
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_OPEN_PATHS: Final = frozenset({"/livez", "/readyz", "/", "/status.js", "/status.css"})
_METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}


@dataclass(slots=True, frozen=True)
class SessionView:
    """One chat that is followed, as the API shows it: no text, no nickname, no user data.

    `state` is a word of the capture; `server` (host:port) is where it is joined right now, None when it is not.
    `sequence` counts its records, `gaps` those of them that say that something is missing.
    """

    session_id: str
    shard: int
    state: str
    server: str | None
    joined: bool
    sequence: int
    last_event_id: int | None
    gaps: int


class StatusView(Protocol):
    """What the HTTP side needs to know of the bridge. All but `announce` answer at once."""

    def live(self) -> bool:
        """Tell whether the process is worth keeping; False makes an orchestrator restart it."""

    def readiness(self) -> list[str]:
        """Return why the bridge is not ready; nothing when it is."""

    def sessions(self) -> Iterable[SessionView]:
        """Return the chats that are followed here."""

    async def announce(self, announcement: Announcement) -> None:
        """Write an announcement; on return Kafka has it. Raises KafkaUnavailable."""

    def metrics(self) -> bytes:
        """Return the metrics in Prometheus' text form."""


def _without(problem_of: Callable[[Any], str]) -> AfterValidator:
    def check(value: Any) -> Any:
        problem = problem_of(value)
        if problem:
            raise ValueError(problem)
        return value

    return AfterValidator(check)


class AnnouncementBody(BaseModel):
    """An announcement as it is posted.

    Unlike on the topic an unknown field is an error: a typing mistake in `password` would otherwise only show as a
    join that is refused.
    """

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, strict=True, allow_inf_nan=False)

    session_id: Annotated[str, _without(rules.session_id_problem)]
    host: Annotated[str, _without(rules.host_problem)]
    port: Annotated[int, _without(rules.port_problem)]
    servers: Annotated[list[str], _without(rules.servers_problem)] = []
    password: str | None = None
    tenant: Annotated[str | None, _without(rules.tenant_problem)] = None
    user_data: dict[str, str | int | float | bool] = {}
    announced_at: int | None = None


_BODY: Final = TypeAdapter(Annotated[list[AnnouncementBody], Field(max_length=MAX_ANNOUNCEMENTS)])


class HttpServer:
    """Serves a BridgeView on one address."""

    def __init__(self, view: StatusView, *, host: str, port: int, token: str | None) -> None:
        """Port 0 takes a free one. Raises ConfigError for an open address without a token."""
        if token is None and host not in _LOOPBACK:
            raise ConfigError("http.token: required when http.host is not loopback")
        self._view = view
        self._host = host
        self._port = port
        self._token = token.encode() if token is not None else None
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        """The port that is served; once started, never 0."""
        return self._port

    async def start(self) -> None:
        """Listen. Raises ConfigError when the address cannot be used."""
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[self._guard])
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/v1/sessions", self._list)
        app.router.add_post("/v1/sessions", self._announce)
        for path, name in (("/", "status.html"), ("/status.js", "status.js"), ("/status.css", "status.css")):
            app.router.add_get(path, _page(name))
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=_SHUTDOWN_SECONDS)
        await self._runner.setup()
        try:
            site = web.TCPSite(self._runner, self._host, self._port)
            await site.start()
        except OSError as error:
            await self.stop()
            raise ConfigError(
                f"http: cannot listen on {self._host}:{self._port}: {error.strerror}",
                next_step="set http.host and http.port to a free address",
            ) from error
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening, and end the requests under way within seconds."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    # --- who may ---------------------------------------------------------------------------------------------------

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        try:
            response = await handler(request)
        except web.HTTPException as error:  # routing: not found, method not allowed; or a body beyond the limit
            response = _problem(error.status, [error.reason])
            if "Allow" in error.headers:
                response.headers["Allow"] = error.headers["Allow"]
        response.headers.update(_HEADERS)
        return response

    def _refusal(self, request: web.Request) -> web.Response | None:
        if self._token is None:
            # Bound to loopback; a page in a browser may still get here under a name of its own (DNS rebinding).
            host = (request.url.host or "").lower()
            return None if host in _LOOPBACK else _problem(421, ["this address answers to loopback names only"])
        # Probes come from an orchestrator that has no secrets, and the page's own files hold none.
        if request.path in _OPEN_PATHS:
            return None
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(
            given.strip().encode("utf-8", "surrogateescape"), self._token
        ):
            return None
        refusal = _problem(401, ["a bearer token is required"])
        refusal.headers["WWW-Authenticate"] = "Bearer"
        return refusal

    # --- probes and metrics ----------------------------------------------------------------------------------------

    async def _livez(self, _: web.Request) -> web.Response:
        live = self._view.live()
        return _json(200 if live else 503, {"live": live})

    async def _readyz(self, _: web.Request) -> web.Response:
        reasons = self._view.readiness()
        return _json(503 if reasons else 200, {"ready": not reasons, "reasons": reasons})

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self._view.metrics(), headers={"Content-Type": _METRICS_TYPE})

    # --- sessions --------------------------------------------------------------------------------------------------

    async def _list(self, request: web.Request) -> web.Response:
        """Answer GET: `joined`, `server`, `sessionId` (its beginning) filter; `limit` bounds."""
        if not set(request.query) <= {"joined", "server", "sessionId", "limit"}:
            return _problem(400, ["query: expected joined, server, sessionId or limit"])
        try:
            limit = int(request.query.get("limit", DEFAULT_LIMIT))
        except ValueError:
            limit = -1
        if not 1 <= limit <= MAX_LIMIT:
            return _problem(400, [f"limit: expected a whole number from 1 to {MAX_LIMIT}"])
        chosen = [each for each in self._view.sessions() if _matches(each, request)]
        shown = [{to_camel(name): value for name, value in asdict(each).items()} for each in chosen[:limit]]
        return _json(200, {"total": len(chosen), "sessions": shown})

    async def _announce(self, request: web.Request) -> web.Response:
        """Answer POST: 202 once Kafka has every announcement of the body, one or a list."""
        if request.content_type != "application/json":  # what a form of another site cannot send
            return _problem(415, ["Content-Type: expected application/json"])
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                body = await request.read()
        except TimeoutError:
            return _problem(408, [f"the body did not arrive within {_BODY_SECONDS:g} s"])
        try:
            announcements = _read(body)
        except _BodyRefused as error:
            return _problem(400, error.problems)
        for done, announcement in enumerate(announcements):
            try:
                await self._view.announce(announcement)
            except KafkaUnavailable as error:
                # What was written stays written; announcing it again is harmless.
                refusal = _problem(503, [error.message], accepted=done)
                refusal.headers["Retry-After"] = "5"
                return refusal
        return _json(202, {"accepted": len(announcements)})


class _BodyRefused(Exception):
    def __init__(self, problems: list[str]) -> None:
        super().__init__()
        self.problems = problems


def _read(body: bytes) -> list[Announcement]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise _BodyRefused(["the body is not JSON"]) from None
    many = isinstance(value, list)
    try:
        bodies = _BODY.validate_python(value if many else [value])
    except ValidationError as error:
        raise _BodyRefused(_reasons(error, many=many)) from None
    found: list[Announcement] = []
    for at, each in enumerate(bodies):
        one = Announcement(**dict(each))
        try:
            rules.encode(one)  # here and not at Kafka, so that a list is refused as a whole
        except UnreadableAnnouncement as error:
            raise _BodyRefused([f"[{at}]: {error.message}" if many else error.message]) from None
        found.append(one)
    return found


def _reasons(error: ValidationError, *, many: bool) -> list[str]:
    """Say where and what is expected; never the value that was sent."""
    lines: list[str] = []
    for each in error.errors(include_url=False, include_input=False, include_context=False)[:_MAX_PROBLEMS]:
        first, *rest = each["loc"] or ("",)
        # Below userData the path holds what a caller named; the field is enough.
        where = ".".join(str(part) for part in rest[:1])
        if each["type"] == "extra_forbidden":
            where, text = (
                "",
                "a field that is not known; known are "
                + ", ".join(to_camel(name) for name in AnnouncementBody.model_fields),
            )
        else:
            text = each["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
        place = ([f"[{first}]"] if many and first != "" else []) + ([where] if where else [])
        lines.append(": ".join([".".join(place), text]) if place else text)
    return list(dict.fromkeys(lines))


def _matches(session: SessionView, request: web.Request) -> bool:
    wanted = request.query
    return (
        wanted.get("joined", "true" if session.joined else "false") == ("true" if session.joined else "false")
        and wanted.get("server", session.server) == session.server
        and session.session_id.startswith(wanted.get("sessionId", ""))
    )


def _json(status: int, value: object) -> web.Response:
    return web.json_response(value, status=status)


def _problem(status: int, reasons: list[str], **more: object) -> web.Response:
    return _json(status, {"error": reasons, **more})


def _page(name: str) -> Handler:
    kind = {"html": "text/html", "js": "text/javascript", "css": "text/css"}[name.rpartition(".")[2]]

    async def serve(_: web.Request) -> web.StreamResponse:
        text = (resources.files("bridge.adapters.http") / "page" / name).read_text("utf-8")
        return web.Response(text=text, content_type=kind, charset="utf-8")

    return serve
