"""The HTTP interfaces of UCS on one port of the loopback interface: Context Services 8.5, and UCS 9.1's URI form.

What they answer is read from the tables. Faults are answered instead, a given number of times; every fault is one that
clients have met: a portal's page, status 200 with an error inside, an answer that breaks off, and so on.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
from aiohttp import web

from bridge.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.simulator.ucs.ucs_table import UcsTable

AnswerShape = Literal["array", "object"]
UCS_HTTP_FAULTS: Final = (
    "html-page",
    "error-inside",
    "half-json",
    "401",
    "403",
    "404",
    "500",
    "slow",
    "huge",
    "redirect",
    "other-origin",
    "html-transcript",
)
_PAGE: Final = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>"
_HUGE_BYTES: Final = 256 << 20
_CHUNK: Final = b" " * (1 << 20)
_ELSEWHERE: Final = "http://ucs.example.invalid/interactions/0000000000000000/structured_text"
_STATUSES: Final = frozenset(("401", "403", "404", "500"))


class UcsHttpInterfaces:
    """The server. `asked` counts requests, refused ones among them."""

    def __init__(
        self,
        tables: Sequence[UcsTable],
        *,
        shape: AnswerShape = "array",
        user: str | None = None,
        password: str = "",
    ) -> None:
        """`tables`: the main one, and the archive if there is one. With a `user` basic authentication is required.

        `shape` is that of Context Services' answer: its description has both.
        """
        self._tables = list(tables)
        self._shape = shape
        self._authorization: str | None = None
        if user is not None:
            self._authorization = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
        self._faults: dict[str, int] = {}
        self._runner: web.AppRunner | None = None
        self._address = ""
        self._stopping = asyncio.Event()
        self.asked = 0

    async def start(self, port: int = 0) -> int:
        """Listen on 127.0.0.1 and return the port; 0 chooses one."""
        app = web.Application(middlewares=[self._guarded])
        app.add_routes(
            [
                web.get("/interactions/{id}", self._interaction),
                web.get("/interactions/{id}/structured_text", self._structured_text),
                web.get("/ucs/v1/OMInteractions/GetInteractionContent", self._content),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        address: tuple[str, int] = self._runner.addresses[0]
        self._address = f"http://127.0.0.1:{address[1]}"
        return address[1]

    async def stop(self) -> None:
        """Stop listening."""
        self._stopping.set()
        if self._runner is not None:
            await self._runner.cleanup()

    def answer_instead(self, fault: str, times: int) -> None:
        """Answer the next `times` requests with a fault. Raises UsageError for an unknown one."""
        if fault not in UCS_HTTP_FAULTS:
            raise UsageError(f"unknown fault; known are {', '.join(UCS_HTTP_FAULTS)}")
        self._faults[fault] = times

    def heal(self) -> None:
        """Remove all faults."""
        self._faults.clear()

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked += 1
        fault = next((name for name in self._faults if _concerns(name, request)), None)
        if fault is not None:
            self._faults[fault] -= 1
            if not self._faults[fault]:
                del self._faults[fault]
            answered = await self._faulty(fault, request, handler)
            if answered is not None:
                return answered
        given = request.headers.get("Authorization", "")
        if self._authorization is not None and not hmac.compare_digest(given.encode(), self._authorization.encode()):
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="UCS"'})
        response: web.StreamResponse = await handler(request)
        return response

    async def _faulty(self, fault: str, request: web.Request, handler: Any) -> web.StreamResponse | None:
        if fault == "huge":
            return await self._huge(request)
        if fault == "slow":
            await self._stopping.wait()  # there is no answer as long as the server runs
            return None
        if fault == "half-json":
            whole = await handler(request)
            return web.Response(body=whole.body[: len(whole.body) // 2], content_type=whole.content_type)
        return _answer_of(fault)

    async def _huge(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for _ in range(_HUGE_BYTES // len(_CHUNK)):
            await response.write(_CHUNK)
        return response

    async def _row(self, session_id: str, tables: Sequence[UcsTable]) -> dict[str, Any] | None:
        for table in tables:
            row = await asyncio.to_thread(table.row, session_id)
            if row is not None:
                return row
        return None

    async def _interaction(self, request: web.Request) -> web.Response:
        session_id = request.match_info["id"]
        row = await self._row(session_id, self._tables)
        if row is None:
            return _json({"error": "no such interaction"}, 404)
        place = f"{self._address}/interactions/{session_id}"
        answer: dict[str, Any] = {
            "interaction_id": session_id,
            "status": row["status"],
            "media_type": row["mediatypeid"],
            "start_date": _time(row["startdate"]),
            "end_date": _time(row["enddate"]),
            "text": f"{place}/plain_text",
            "udata": {},
        }
        if row["structuredtext"] is not None:
            answer["structured_text"] = f"{place}/structured_text"
        return _json([answer] if self._shape == "array" else answer)

    async def _structured_text(self, request: web.Request) -> web.Response:
        row = await self._row(request.match_info["id"], self._tables)
        if row is None or row["structuredtext"] is None:
            return _json({"error": "no such content"}, 404)
        return web.Response(text=row["structuredtext"], content_type="text/xml", charset="utf-8")

    async def _content(self, request: web.Request) -> web.Response:
        session_id = request.query.get("InteractionId", "")
        tables = self._tables[1:] if request.query.get("DataSource") == "Archive" else self._tables[:1]
        row = await self._row(session_id, tables)
        if row is None:
            return _json({"ErrorCode": 404, "ErrorDescription": "The interaction does not exist"}, 404)
        attributes = {"Id": session_id, "Status": row["status"], "MediaTypeId": row["mediatypeid"]}
        attributes |= {"StartDate": _time(row["startdate"]), "EndDate": _time(row["enddate"])}
        content = {"StructuredText": row["structuredtext"], "StructTextMimeType": row["structtextmimetype"]}
        return _json({"InteractionAttributes": attributes, "InteractionContent": {**content, "Text": None}})


def _answer_of(fault: str) -> web.Response:
    """Return the answer that a fault is, whatever was asked."""
    match fault:
        case "error-inside":
            return _json({"ErrorCode": 510, "ErrorDescription": "The request could not be processed"})
        case "redirect":
            return web.Response(status=302, headers={"Location": _ELSEWHERE})
        case "other-origin":
            return _json({"media_type": "chat", "structured_text": _ELSEWHERE, "udata": {}})
    status = int(fault) if fault in _STATUSES else 200
    return web.Response(status=status, text=_PAGE, content_type="text/html")


def _concerns(fault: str, request: web.Request) -> bool:
    """Whether a fault is one of this request: some are of the transcript's own address, or of the interaction's."""
    of_text = request.path.endswith("/structured_text")
    return of_text if fault == "html-transcript" else not of_text


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.replace(tzinfo=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")
