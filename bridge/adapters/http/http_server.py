"""The HTTP server: probes, metrics, the sessions API and the status page.

It accesses the bridge only through a `StatusView`. Probes need no token; everything else requires a bearer token with
the right for it when one is configured. No response and no log line repeats a request body or a token.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, cast

from aiohttp import web

from bridge.adapters.http.access import AccessTokens, HttpRight, bearer_token
from bridge.adapters.http.announcement_body import MAX_BODY_BYTES, BodyRefused, read_announcements
from bridge.adapters.http.guarded_connections import GuardedConnections, HttpLimits
from bridge.adapters.http.http_facts import RequestAnswered
from bridge.adapters.http.listening_sockets import listening_sockets
from bridge.adapters.http.request_rates import RequestRates
from bridge.adapters.http.session_list import SessionList
from bridge.adapters.http.status_page import PAGE_FILES, page_file
from bridge.adapters.http.tls_acceptor import TlsAcceptor
from bridge.errors import AnnouncementsNotWritten, ConfigError
from bridge.waiting import uninterrupted

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Iterable

    from bridge.adapters.http.status_view import StatusView
    from bridge.facts import Fact

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_SHUTDOWN_SECONDS: Final = 2.0
_LINGER_SECONDS: Final = 2.0
"""How long a body that nobody reads is received, so that its sender gets to read the answer."""
_MAX_LINE_BYTES: Final = 4096
_MAX_FIELD_BYTES: Final = 8190
_MAX_FIELDS: Final = 64
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_PROBES: Final = frozenset({"/livez", "/readyz"})
_OPEN_PATHS: Final = _PROBES | PAGE_FILES.keys()
_RIGHTS: Final = {
    ("GET", "/metrics"): HttpRight.METRICS,
    ("GET", "/v1/sessions"): HttpRight.READ,
    ("GET", "/v1/status"): HttpRight.READ,
    ("POST", "/v1/sessions"): HttpRight.ANNOUNCE,
}
"""What a request needs; any other, such as one for a path that does not exist, needs the administrator's token."""
_PER_MINUTE: Final = 60.0
_METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}


@dataclass(slots=True, frozen=True, kw_only=True)
class Listener:
    """Where a server listens, to whom it answers what, and how often.

    `host` `*` is every address of this machine; port 0 selects a free one. Without `tls` there is none. `only_probes`:
    it serves probes and metrics only, and needs no token to be reachable from elsewhere.
    """

    host: str = "127.0.0.1"
    port: int = 0
    tls: ssl.SSLContext | None = None
    access: AccessTokens = field(default_factory=AccessTokens)
    only_probes: bool = False
    requests_per_second: float = 200.0
    failed_tokens_per_minute: float = 20.0


class Api(Protocol):
    """Requests that are answered elsewhere."""

    def routes(self) -> Iterable[web.RouteDef]:
        """Return what to serve."""


class HttpServer:
    """Serves a StatusView on one port, and `apis` beside it."""

    def __init__(
        self,
        view: StatusView,
        listener: Listener,
        limits: HttpLimits | None = None,
        *,
        apis: Iterable[Api] = (),
        emit: Callable[[Fact], None] = lambda _: None,
    ) -> None:
        """`emit` takes what is told of requests. Raises ConfigError for an address that needs a token, without one."""
        if not listener.access.any and listener.host not in _LOOPBACK and not listener.only_probes:
            raise ConfigError("http.token: required when http.host is not loopback")
        self._view = view
        self._sessions = SessionList(view)
        self._apis = apis
        self._emit = emit
        self.listener = listener
        self._port = listener.port
        self._limits = limits or HttpLimits()
        self._requests = RequestRates(listener.requests_per_second, 2 * listener.requests_per_second)
        per_minute = listener.failed_tokens_per_minute
        self._failures = RequestRates(per_minute / _PER_MINUTE, max(1.0, per_minute))
        self._runner: web.AppRunner | None = None
        self._servers: list[asyncio.Server] = []
        self._connections: GuardedConnections | None = None
        self._handshakes: TlsAcceptor | None = None

    @property
    def port(self) -> int:
        """The port that the server listens on; after `start` never 0."""
        return self._port

    async def start(self) -> None:
        """Listen. Raises ConfigError when the address cannot be used."""
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        if not self.listener.only_probes:
            app.router.add_get("/v1/sessions", self._sessions.answer)
            app.router.add_post("/v1/sessions", self._announce)
            for api in self._apis:
                app.router.add_routes(api.routes())
            for path, name in PAGE_FILES.items():
                app.router.add_get(path, page_file(name))
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=_SHUTDOWN_SECONDS,
            keepalive_timeout=self._limits.request_seconds,
            lingering_time=_LINGER_SECONDS,
            max_line_size=_MAX_LINE_BYTES,
            max_field_size=_MAX_FIELD_BYTES,
            max_headers=_MAX_FIELDS,
        )
        try:
            await self._runner.setup()
            self._connections = GuardedConnections(self._limits, cast("web.Server", self._runner.server))
            await uninterrupted(self._listen(self._connections))  # cancelled halfway, asyncio goes on listening
        except OSError as error:
            await self.stop()
            raise ConfigError(
                f"http: cannot listen on {self.listener.host}:{self._port}: {error.strerror}",
                next_step="set http.host and http.port to a free address",
            ) from error
        except BaseException:  # cancelled
            await self.stop()
            raise

    async def _listen(self, connections: GuardedConnections) -> None:
        loop, listener = asyncio.get_running_loop(), self.listener
        sockets = await listening_sockets(listener.host, self._port)
        self._port = sockets[0].getsockname()[1]
        if listener.tls is None:
            self._servers += [await loop.create_server(connections, sock=one) for one in sockets]
        else:
            self._handshakes = TlsAcceptor(listener.tls, connections.most, connections)
            self._handshakes.listen(sockets)

    async def stop(self) -> None:
        """Stop listening; requests in progress are cancelled after seconds. A cancellation is raised at the end."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await uninterrupted(self._close(runner))

    async def _close(self, runner: web.AppRunner) -> None:
        for server in self._servers:
            server.close()
        if self._handshakes is not None:
            await self._handshakes.close()
        await runner.cleanup()
        if self._connections is not None:
            await self._connections.abort_all()  # those whose clients do not read, which aiohttp waits for

    # --- authorisation ----------------------------------------------------------------------------------------------

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        connection = self._connections.of(request) if self._connections is not None else None
        if connection is None:
            return await self._counted(request, handler)
        connection.begin_answer()
        try:
            response = await self._counted(request, handler)
        finally:
            more = connection.end_answer(request)
        if more:
            response.force_close()
        return response

    async def _counted(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = await self._answer(request, handler)
        except Exception:  # a defect, which aiohttp answers with 500
            self._emit(RequestAnswered.of(request.path, 500))
            raise
        self._emit(RequestAnswered.of(request.path, response.status))
        return response

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        try:
            response = await handler(request)
        except web.HTTPException as error:  # not found, method not allowed, body too large
            response = _problem(error.status, [error.reason])
            if "Allow" in error.headers:
                response.headers["Allow"] = error.headers["Allow"]
        response.headers.update(_HEADERS)
        return response

    def _refusal(self, request: web.Request) -> web.Response | None:
        # An orchestrator's probes have no credentials, and no limit: it would end a process that does not answer.
        now, address = asyncio.get_running_loop().time(), request.remote or ""
        if request.path not in _PROBES:
            wait = self._requests.wait(address, now)
            if wait:
                return _too_many("too many requests from this address", wait)
            self._requests.take(address, now)
        access = self.listener.access
        if not access.any and self.listener.host in _LOOPBACK:
            # A web page could still reach it under its own host name (DNS rebinding).
            host = (request.url.host or "").lower()
            return None if host in _LOOPBACK else _problem(421, ["without a token only loopback host names are served"])
        # The files of the status page contain nothing secret.
        if request.path in _OPEN_PATHS or (access.open_metrics and request.path == "/metrics"):
            return None
        return self._refusal_by_token(request, address, now)

    def _refusal_by_token(self, request: web.Request, address: str, now: float) -> web.Response | None:
        given = bearer_token(request.headers.get("Authorization"))
        if given is not None:
            wait = self._failures.wait(address, now)
            if wait:
                return _too_many("too many wrong tokens from this address", wait)
            rights = self.listener.access.rights_of(given)
            method = "GET" if request.method == "HEAD" else request.method
            if _RIGHTS.get((method, request.path), HttpRight.ADMINISTER) in rights:
                return None
            if rights:
                return _problem(403, ["this token has no right to do that"])
            self._failures.take(address, now)
        refusal = _problem(401, ["a bearer token is required"])
        refusal.headers["WWW-Authenticate"] = "Bearer"
        return refusal

    # --- probes and metrics ----------------------------------------------------------------------------------------

    async def _livez(self, _: web.Request) -> web.Response:
        live = self._view.live()
        return _json(200 if live else 503, {"live": live})

    async def _readyz(self, _: web.Request) -> web.Response:
        reasons = [asdict(reason) for reason in self._view.readiness()]
        warnings = [asdict(warning) for warning in self._view.warnings()]
        return _json(503 if reasons else 200, {"ready": not reasons, "reasons": reasons, "warnings": warnings})

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self._view.metrics(), headers={"Content-Type": _METRICS_TYPE})

    # --- announcements ---------------------------------------------------------------------------------------------

    async def _announce(self, request: web.Request) -> web.Response:
        """POST one announcement or a list: 202 once Kafka has acknowledged all of them (P3)."""
        if request.content_type != "application/json":  # a form on another site cannot send that type
            return _problem(415, ["Content-Type: expected application/json"])
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                body = await self._read_body(request)
        except TimeoutError:
            return _problem(408, [f"the body did not arrive within {self._limits.body_seconds:g} s"])
        if body is None:
            refusal = _problem(503, ["too many requests at once"], accepted=0)
            refusal.headers["Retry-After"] = "1"
            return refusal
        try:
            announcements = read_announcements(body)
        except BodyRefused as error:
            return _problem(400, error.problems)
        try:
            await self._view.announce(announcements)
        except AnnouncementsNotWritten as error:
            # Announcements that were written stay; announcing them again has no effect.
            refusal = _problem(503, [error.message], accepted=error.accepted)
            refusal.headers["Retry-After"] = "5"
            return refusal
        return _json(202, {"accepted": len(announcements)})

    async def _read_body(self, request: web.Request) -> bytes | None:
        """Return the body; None when the bodies of all requests together are too large now."""
        body = bytearray()
        async for part in request.content.iter_any():
            if self._connections is not None and self._connections.bodies_refused:
                return None
            body += part
            if len(body) > MAX_BODY_BYTES:
                raise web.HTTPRequestEntityTooLarge(MAX_BODY_BYTES, len(body))
        return bytes(body)


def _json(status: int, value: object) -> web.Response:
    return web.json_response(value, status=status)


def _too_many(reason: str, seconds: float) -> web.Response:
    refusal = _problem(429, [reason])
    refusal.headers["Retry-After"] = str(math.ceil(seconds))
    return refusal


def _problem(status: int, reasons: list[str], **more: object) -> web.Response:
    return _json(status, {"error": reasons, **more})
