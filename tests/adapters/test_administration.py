"""The administrator's requests over HTTP: who may, what follows, and what the log says of it."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from bridge import logs
from bridge.adapters.http.access import AccessTokens
from bridge.adapters.http.administration import AdministrationApi
from bridge.adapters.http.http_server import HttpServer, Listener
from bridge.telemetry import Telemetry
from tests.adapters.test_http import InMemoryBridge

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ADMIN, READER = "a-token-of-the-administrator", "a-token-of-a-reader"
LEVEL, JOINS = "/v1/admin/log-level", "/v1/admin/joins"


class AdministeredBridge(InMemoryBridge):
    """A bridge that remembers what it was told."""

    paused = False

    def log_level(self) -> str:
        return logs.level()

    def set_log_level(self, level: str) -> None:
        logs.set_level(level)

    def joins_paused(self) -> bool:
        return self.paused

    def pause_joins(self, *, paused: bool) -> None:
        self.paused = paused


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    stream = io.StringIO()
    logs.start("info", "json", stream)
    return stream


def run(act: Callable[[aiohttp.ClientSession, AdministeredBridge, Telemetry], Awaitable[None]]) -> None:
    async def main() -> None:
        bridge, telemetry = AdministeredBridge(), Telemetry()
        access = AccessTokens(admin=lambda: ADMIN, read=lambda: READER)
        administration = AdministrationApi(bridge, telemetry.emit)
        server = HttpServer(bridge, Listener(access=access), emit=telemetry.emit, administration=administration)
        await server.start()
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as client:
                await act(client, bridge, telemetry)
        finally:
            await server.stop()

    asyncio.run(main())


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def lines(log: io.StringIO, event: str) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, log.getvalue().splitlines()) if line["event"] == event]


def test_the_level_of_the_log_is_read_and_set_and_each_change_is_one_line_with_the_tokens_name(
    log: io.StringIO,
) -> None:
    async def act(client: aiohttp.ClientSession, _bridge: AdministeredBridge, telemetry: Telemetry) -> None:
        assert await (await client.get(LEVEL, headers=bearer(ADMIN))).json() == {"level": "INFO"}
        for level in ("debug", "ERROR"):
            response = await client.put(LEVEL, json={"level": level}, headers=bearer(ADMIN))
            assert (response.status, await response.json()) == (200, {"level": level.upper()})
            assert logging.getLogger("bridge").level == getattr(logging, level.upper())
        assert b'chatbridge_http_requests_total{code="200",path="/v1/admin/log-level"} 3.0' in telemetry.render()

    run(act)
    found = lines(log, "log_level_set")
    assert [(line["before"], line["after"]) for line in found] == [("INFO", "DEBUG"), ("DEBUG", "ERROR")]
    assert all((line["token"], line["address"]) == ("http.token", "127.0.0.1") for line in found)
    assert ADMIN not in log.getvalue()


def test_joins_are_paused_and_go_on_and_the_log_says_so_even_where_only_errors_are_logged(log: io.StringIO) -> None:
    async def act(client: aiohttp.ClientSession, bridge: AdministeredBridge, _: Telemetry) -> None:
        logs.set_level("ERROR")
        for paused in (True, False):
            response = await client.put(JOINS, json={"paused": paused}, headers=bearer(ADMIN))
            assert (response.status, await response.json()) == (200, {"paused": paused})
            assert bridge.paused is paused
            assert await (await client.get(JOINS, headers=bearer(ADMIN))).json() == {"paused": paused}

    run(act)
    assert [line["paused"] for line in lines(log, "joins_switched")] == [True, False]


@pytest.mark.parametrize("path", [LEVEL, JOINS])
def test_another_token_or_none_may_neither_read_nor_change(path: str, log: io.StringIO) -> None:
    async def act(client: aiohttp.ClientSession, bridge: AdministeredBridge, _: Telemetry) -> None:
        for headers, status in ((bearer(READER), 403), (bearer("wrong"), 401), ({}, 401)):
            assert (await client.get(path, headers=headers)).status == status
            value = {"level": "DEBUG"} if path == LEVEL else {"paused": True}
            assert (await client.put(path, json=value, headers=headers)).status == status
        assert (bridge.paused, logs.level()) == (False, "INFO")

    run(act)
    assert log.getvalue() == ""


@pytest.mark.parametrize("path", [LEVEL, JOINS])
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[", 400),
        (b"[]", 400),
        (b'{"level": "LOUD"}', 400),
        (b'{"level": 10}', 400),
        (b'{"paused": 1}', 400),
        (b'{"paused": true, "level": "DEBUG"}', 400),
        (b" " * 2000, 413),
    ],
)
def test_what_is_no_such_value_is_refused_and_changes_nothing(
    path: str, body: bytes, status: int, log: io.StringIO
) -> None:
    async def act(client: aiohttp.ClientSession, bridge: AdministeredBridge, _: Telemetry) -> None:
        headers = {**bearer(ADMIN), "Content-Type": "application/json"}
        assert (await client.put(path, data=body, headers=headers)).status == status
        assert (await client.put(path, data=b'{"paused": true}', headers=bearer(ADMIN))).status == 415
        assert (bridge.paused, logs.level()) == (False, "INFO")

    run(act)
    assert log.getvalue() == ""
