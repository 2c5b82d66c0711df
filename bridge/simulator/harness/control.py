"""An HTTP API to control a simulator from another process. Loopback only, without authentication.

GET /sessions, GET /stats, POST /stop-traffic, and POST /faults/<name> with a JSON object:
drop {connection?, reset?}, play-dead {connection?}, refuse {request, errorId}, delay {seconds}, heal {},
drop-after-joins {seconds}, log-out {errorId, named?}, remove-supervisors {},
send-raw {text | base64, connection?}, ucs-http {fault, times?} (of the HTTP interfaces of UCS),
restart {downSeconds?, ...plan}, fail-over {...plan} (to the standby),
where a plan is {loseLast?, continueIds?, agentsReturn?, mask?}. A fail-over is announced unless {announce: false}.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final, Protocol

import msgspec
from aiohttp import web

from bridge.errors import UsageError
from bridge.simulator.harness.fault_injector import FaultInjector
from bridge.simulator.model.restoration import RestorePlan

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bridge.simulator.protocol.server import ChatServer


_MOST_BYTES: Final = 16 << 20  # send-raw must be able to send a line that exceeds every client's limit


class Controlled(Protocol):
    """What the API controls: the simulation."""

    @property
    def server(self) -> ChatServer:
        """The server that has the chats; after a fail-over the standby."""

    def stats(self) -> dict[str, object]:
        """Return the figures of the run so far."""

    def stop_traffic(self) -> None:
        """Start no more chats; those that are open are played to their end."""

    def answer_for_ucs(self, fault: str, times: int) -> None:
        """Answer the next requests to the HTTP interfaces of UCS with a fault."""

    async def fail_over(self, plan: RestorePlan, *, announce: bool) -> str:
        """Kill the server that has the chats and restore them on the standby; return its address."""


class _Plan(msgspec.Struct, rename="camel"):
    lose_last: int = 0
    continue_ids: bool = True
    agents_return: bool = True
    mask: bool = False
    down_seconds: float = 0.0
    announce: bool = True

    def plan(self) -> RestorePlan:
        return RestorePlan(self.lose_last, self.continue_ids, self.agents_return, self.mask)


class _Drop(msgspec.Struct, rename="camel"):
    connection: int | None = None
    reset: bool = True


class _PlayDead(msgspec.Struct, rename="camel"):
    connection: int | None = None


class _Refuse(msgspec.Struct, rename="camel"):
    request: str
    error_id: int


class _Delay(msgspec.Struct, rename="camel"):
    seconds: float


class _LogOut(msgspec.Struct, rename="camel"):
    error_id: int
    named: bool = True


class _UcsFault(msgspec.Struct, rename="camel"):
    fault: str
    times: int = 1


class _Raw(msgspec.Struct, rename="camel"):
    text: str | None = None
    base64: str | None = None
    connection: int | None = None


class ControlApi:
    """The HTTP server of the API."""

    def __init__(self, controlled: Controlled) -> None:
        """Nothing listens before `start`."""
        self._controlled = controlled
        self._runner: web.AppRunner | None = None

    async def start(self, port: int) -> int:
        """Listen on 127.0.0.1 and return the port; 0 chooses one."""
        app = web.Application(client_max_size=_MOST_BYTES)
        app.add_routes(
            [
                web.get("/sessions", self._sessions),
                web.get("/stats", self._stats),
                web.post("/stop-traffic", self._stop_traffic),
                web.post("/faults/{name}", self._fault),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        address: tuple[str, int] = self._runner.addresses[0]
        return address[1]

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _sessions(self, _: web.Request) -> web.Response:
        sessions = self._controlled.server.sessions.by_id.values()
        return _json(
            [
                {
                    "sessionId": session.session_id,
                    "startAt": session.start_at,
                    "events": len(session.events),
                    "nextId": session.next_id,
                    "parties": len(session.parties),
                    "monitored": session.monitored,
                    "asynchronous": session.asynchronous,
                }
                for session in sessions
            ]
        )

    async def _stats(self, _: web.Request) -> web.Response:
        return _json(self._controlled.stats())

    async def _stop_traffic(self, _: web.Request) -> web.Response:
        self._controlled.stop_traffic()
        return _json({})

    async def _fault(self, request: web.Request) -> web.Response:
        fault = _FAULTS.get(request.match_info["name"])
        if fault is None:
            raise web.HTTPNotFound(text=f"unknown fault; known are {', '.join(sorted(_FAULTS))}\n")
        try:
            return _json(await fault(self._controlled, await request.read() or b"{}"))
        except msgspec.MsgspecError as error:
            raise web.HTTPBadRequest(text=f"{error}\n") from None
        except UsageError as error:
            raise web.HTTPConflict(text=f"{error}\n") from None


def _json(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")


async def _drop(controlled: Controlled, body: bytes) -> object:
    body_fields = msgspec.json.decode(body, type=_Drop)
    return {"connections": FaultInjector(controlled.server).drop(body_fields.connection, reset=body_fields.reset)}


async def _play_dead(controlled: Controlled, body: bytes) -> object:
    body_fields = msgspec.json.decode(body, type=_PlayDead)
    return {"connections": FaultInjector(controlled.server).stop_responding(body_fields.connection)}


async def _refuse(controlled: Controlled, body: bytes) -> object:
    body_fields = msgspec.json.decode(body, type=_Refuse)
    FaultInjector(controlled.server).refuse(body_fields.request, body_fields.error_id)
    return {}


async def _delay(controlled: Controlled, body: bytes) -> object:
    FaultInjector(controlled.server).delay_answers(msgspec.json.decode(body, type=_Delay).seconds)
    return {}


async def _drop_after_joins(controlled: Controlled, body: bytes) -> object:
    FaultInjector(controlled.server).drop_after_joins(msgspec.json.decode(body, type=_Delay).seconds)
    return {}


async def _log_out(controlled: Controlled, body: bytes) -> object:
    body_fields = msgspec.json.decode(body, type=_LogOut)
    return {"errors": FaultInjector(controlled.server).log_out(body_fields.error_id, named=body_fields.named)}


async def _remove_supervisors(controlled: Controlled, body: bytes) -> object:
    del body
    return {"parties": FaultInjector(controlled.server).remove_supervisors()}


async def _send_raw(controlled: Controlled, body: bytes) -> object:
    body_fields = msgspec.json.decode(body, type=_Raw)
    data = base64.b64decode(body_fields.base64) if body_fields.base64 is not None else (body_fields.text or "").encode()
    return {"connections": FaultInjector(controlled.server).send_raw(data, body_fields.connection)}


async def _ucs_http(controlled: Controlled, body: bytes) -> object:
    body_fields = msgspec.json.decode(body, type=_UcsFault)
    controlled.answer_for_ucs(body_fields.fault, body_fields.times)
    return {}


async def _heal(controlled: Controlled, body: bytes) -> object:
    del body
    FaultInjector(controlled.server).heal()
    return {}


async def _restart(controlled: Controlled, body: bytes) -> object:
    body_fields = msgspec.json.decode(body, type=_Plan)
    saved = await FaultInjector(controlled.server).restart(body_fields.plan(), down_seconds=body_fields.down_seconds)
    return {"sessions": len(saved)}


async def _fail_over(controlled: Controlled, body: bytes) -> object:
    body_fields = msgspec.json.decode(body, type=_Plan)
    return {"listening": await controlled.fail_over(body_fields.plan(), announce=body_fields.announce)}


_FAULTS: dict[str, Callable[[Controlled, bytes], Awaitable[object]]] = {
    "drop": _drop,
    "play-dead": _play_dead,
    "refuse": _refuse,
    "delay": _delay,
    "drop-after-joins": _drop_after_joins,
    "log-out": _log_out,
    "remove-supervisors": _remove_supervisors,
    "send-raw": _send_raw,
    "ucs-http": _ucs_http,
    "heal": _heal,
    "restart": _restart,
    "fail-over": _fail_over,
}
