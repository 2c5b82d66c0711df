"""GET /v1/status: who may read it, its parameters and its form; the page's files, which need nothing from elsewhere."""

from __future__ import annotations

import asyncio
import re
from importlib import resources
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from bridge.adapters.http.access import AccessTokens
from bridge.adapters.http.http_server import HttpServer, Listener
from bridge.adapters.http.status_page import PAGE_FILES
from bridge.adapters.http.status_report import QueryRefused, StatusApi, chat_query
from bridge.meters import HTTP_PATHS
from bridge.overview.chat_list import ChatQuery
from tests.adapters.test_http import InMemoryBridge
from tests.support.invented_status import InventedReports

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

TOKENS = {name: f"the-token-of-{name}-here" for name in ("admin", "read", "announce", "metrics")}
ACCESS = AccessTokens(
    admin=lambda: TOKENS["admin"],
    read=lambda: TOKENS["read"],
    announce=lambda: TOKENS["announce"],
    metrics=lambda: TOKENS["metrics"],
)


def served(act: Callable[[aiohttp.ClientSession, InventedReports], Awaitable[None]], *, access: AccessTokens) -> None:
    async def main() -> None:
        reports = InventedReports()
        server = HttpServer(InMemoryBridge(), Listener(access=access), apis=[StatusApi(reports)])
        await server.start()
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as client:
                await act(client, reports)
        finally:
            await server.stop()

    asyncio.run(main())


def test_the_right_to_read_is_enough_and_necessary() -> None:
    async def act(client: aiohttp.ClientSession, reports: InventedReports) -> None:
        wanted = {None: 401, "a-wrong-token-of-16": 401, TOKENS["announce"]: 403, TOKENS["metrics"]: 403}
        wanted |= {TOKENS["read"]: 200, TOKENS["admin"]: 200}
        for token, status in wanted.items():
            headers = {} if token is None else {"Authorization": f"Bearer {token}"}
            assert (await client.get("/v1/status", headers=headers)).status == status
        assert len(reports.asked) == 2

    served(act, access=ACCESS)


def test_the_report_is_json_in_camel_case_with_the_chats_that_were_asked_for() -> None:
    async def act(client: aiohttp.ClientSession, reports: InventedReports) -> None:
        path = "/v1/status?search=chat-a&state=joined&sort=age&order=desc&offset=20&limit=10"
        response = await client.get(path)
        report: dict[str, Any] = await response.json()
        assert response.headers["Content-Type"] == "application/json; charset=utf-8"
        assert response.headers["Cache-Control"] == "no-store"
        assert list(report) == [
            "now", "health", "identity", "figures", "history", "shards", "servers", "chats", "problems",
        ]  # fmt: skip
        assert set(report["chats"]["rows"][0]) == {
            "sessionId", "shard", "state", "server", "startedAt", "records", "gaps",
        }  # fmt: skip
        assert (len(report["chats"]["rows"]), report["chats"]["offset"]) == (10, 20)
        [query] = reports.asked
        assert query == ChatQuery(search="chat-a", state="joined", sort="age", descending=True, offset=20, limit=10)

    served(act, access=AccessTokens())


@pytest.mark.parametrize(
    "query",
    [
        {"other": "1"},
        {"search": "x" * 301},
        {"state": "FOLLOWED"},
        {"sort": "password"},
        {"order": "up"},
        {"offset": "-1"},
        {"offset": "99999999999999999999"},
        {"limit": "0"},
        {"limit": "501"},
        {"limit": "1e2"},
        {"limit": "\u0661"},
    ],
)
def test_a_wrong_parameter_is_refused_and_not_repeated(query: dict[str, str]) -> None:
    with pytest.raises(QueryRefused) as caught:
        chat_query(query)
    [value] = query.values()
    assert value not in str(caught.value) or value in {"0", "501"}

    async def act(client: aiohttp.ClientSession, reports: InventedReports) -> None:
        response = await client.get("/v1/status", params=query)
        assert (response.status, await response.json()) == (400, {"error": [str(caught.value)]})
        assert reports.asked == []

    served(act, access=AccessTokens())


def test_no_parameters_are_the_first_page_of_all() -> None:
    assert chat_query({}) == ChatQuery()
    assert chat_query({"search": " a "}).search == "a"


def test_without_a_source_of_reports_and_on_the_listener_of_probes_there_is_no_report() -> None:
    async def statuses(server: HttpServer) -> list[int]:
        await server.start()
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as client:
                return [(await client.get(path)).status for path in ("/v1/status", "/")]
        finally:
            await server.stop()

    assert asyncio.run(statuses(HttpServer(InMemoryBridge(), Listener()))) == [404, 200]
    probes = HttpServer(InMemoryBridge(), Listener(only_probes=True), apis=[StatusApi(InventedReports())])
    assert asyncio.run(statuses(probes)) == [404, 404]


def test_the_page_needs_nothing_from_elsewhere_and_has_no_inline_script_or_style() -> None:
    folder = resources.files("bridge.adapters.http") / "page"
    html = (folder / "status.html").read_text("utf-8")
    assert re.findall(r"<style|\sstyle=|\son\w+=|<script(?! src=)", html) == []
    linked = re.findall(r'(?:src|href)="([^"#]+)"', html)
    assert set(linked) - PAGE_FILES.keys() <= {"/readyz", "/metrics"}
    assert PAGE_FILES.keys() - set(linked) == {"/"}
    assert set(PAGE_FILES) < set(HTTP_PATHS)
