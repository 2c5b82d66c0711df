from __future__ import annotations

import asyncio
import io
import itertools
import json
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from bridge.adapters.http.access import AccessTokens
from bridge.adapters.http.announcement_body import MAX_BODY_BYTES
from bridge.adapters.http.http_server import HttpServer, Listener
from bridge.adapters.http.session_list import AT_ONCE
from bridge.adapters.http.status_page import PAGE_FILES
from bridge.adapters.http.status_view import SessionView
from bridge.errors import AnnouncementsNotWritten, ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence

    from bridge.announcement import Announcement

TOKEN = "a-long-enough-token"
ONE = {"sessionId": "0000SIMA00000001", "host": "chat-1.example", "port": 4800}


class InMemoryBridge:
    """A StatusView whose state a test sets."""

    def __init__(self) -> None:
        self.alive = True
        self.reasons: list[Problem] = []
        self.told: list[Problem] = []
        self.views: list[SessionView] = []
        self.announced: list[Announcement] = []
        self.kafka_takes = 1_000_000

    def live(self) -> bool:
        return self.alive

    def readiness(self) -> list[Problem]:
        return self.reasons

    def warnings(self) -> list[Problem]:
        return self.told

    def sessions(self) -> Iterable[SessionView]:
        return self.views

    async def announce(self, announcements: Sequence[Announcement]) -> None:
        taken = announcements[: self.kafka_takes]
        self.announced += taken
        if len(taken) < len(announcements):
            raise AnnouncementsNotWritten("no broker answers", accepted=len(taken))

    def metrics(self) -> bytes:
        return b"chatbridge_sessions 1\n"


@asynccontextmanager
async def serving(bridge: InMemoryBridge, token: str | None = None) -> AsyncIterator[aiohttp.ClientSession]:
    server = HttpServer(bridge, Listener(access=AccessTokens(admin=None if token is None else lambda: token)))
    await server.start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as client:
            yield client
    finally:
        await server.stop()


def run(
    bridge: InMemoryBridge, act: Callable[[aiohttp.ClientSession], Awaitable[None]], token: str | None = None
) -> None:
    async def main() -> None:
        async with serving(bridge, token) as client:
            await act(client)

    asyncio.run(main())


async def answer(response: aiohttp.ClientResponse) -> tuple[int, Any]:
    return response.status, await response.json()


def test_probes_say_why() -> None:
    bridge = InMemoryBridge()

    async def act(client: aiohttp.ClientSession) -> None:
        assert await answer(await client.get("/livez")) == (200, {"live": True})
        assert await answer(await client.get("/readyz")) == (200, {"ready": True, "reasons": [], "warnings": []})
        bridge.alive, bridge.reasons = False, [Problem("KAFKA_UNAVAILABLE", "Kafka does not answer")]
        assert await answer(await client.get("/livez")) == (503, {"live": False})
        assert await answer(await client.get("/readyz")) == (
            503,
            {
                "ready": False,
                "reasons": [{"code": "KAFKA_UNAVAILABLE", "detail": "Kafka does not answer"}],
                "warnings": [],
            },
        )

    run(bridge, act)


def test_metrics_are_given_in_the_text_form() -> None:
    async def act(client: aiohttp.ClientSession) -> None:
        response = await client.get("/metrics")
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert await response.text() == "chatbridge_sessions 1\n"

    run(InMemoryBridge(), act)


def test_with_a_token_only_probes_and_the_page_itself_are_open() -> None:
    async def act(client: aiohttp.ClientSession) -> None:
        for path in ("/livez", "/readyz", *PAGE_FILES):
            assert (await client.get(path)).status == 200, path
        for path in ("/metrics", "/v1/sessions", "/nothing"):
            response = await client.get(path)
            assert response.status == 401, path
            assert response.headers["WWW-Authenticate"] == "Bearer"
        for wrong in (f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer", "Bearer £"):
            assert (await client.get("/metrics", headers={"Authorization": wrong})).status == 401, wrong
        assert (await client.post("/v1/sessions", json=ONE)).status == 401
        assert (await client.get("/metrics", headers={"Authorization": f"bearer {TOKEN}"})).status == 200

    bridge = InMemoryBridge()
    run(bridge, act, token=TOKEN)
    assert bridge.announced == []


def test_an_open_address_without_a_token_is_refused_before_anything_listens() -> None:
    with pytest.raises(ConfigError, match="token"):
        HttpServer(InMemoryBridge(), Listener(host="0.0.0.0"))  # noqa: S104 - what is refused


def test_a_taken_port_is_a_configuration_error() -> None:
    async def main() -> None:
        first = HttpServer(InMemoryBridge(), Listener())
        await first.start()
        second = HttpServer(InMemoryBridge(), Listener(port=first.port))
        with pytest.raises(ConfigError, match="cannot listen"):
            await second.start()
        await first.stop()

    asyncio.run(main())


def test_one_announcement_is_accepted_once_kafka_has_it() -> None:
    bridge = InMemoryBridge()

    async def act(client: aiohttp.ClientSession) -> None:
        body = {**ONE, "servers": ["chat-2.example:4800"], "password": "p", "tenant": "t", "userData": {"k": 1}}
        assert await answer(await client.post("/v1/sessions", json=body)) == (202, {"accepted": 1})

    run(bridge, act)
    (announced,) = bridge.announced
    assert announced.places() == ["chat-1.example:4800", "chat-2.example:4800"]
    assert (announced.password, announced.tenant, announced.user_data) == ("p", "t", {"k": 1})


def test_a_list_is_accepted_in_its_order() -> None:
    bridge = InMemoryBridge()

    async def act(client: aiohttp.ClientSession) -> None:
        body = [{**ONE, "sessionId": f"s{number}"} for number in range(5)]
        assert await answer(await client.post("/v1/sessions", json=body)) == (202, {"accepted": 5})

    run(bridge, act)
    assert [each.session_id for each in bridge.announced] == ["s0", "s1", "s2", "s3", "s4"]


def test_when_kafka_is_away_the_answer_says_how_much_it_took() -> None:
    bridge = InMemoryBridge()
    bridge.kafka_takes = 1

    async def act(client: aiohttp.ClientSession) -> None:
        response = await client.post("/v1/sessions", json=[ONE, ONE])
        assert await answer(response) == (503, {"error": ["no broker answers"], "accepted": 1})
        assert response.headers["Retry-After"] == "5"

    run(bridge, act)


@pytest.mark.parametrize(
    ("body", "reasons"),
    [
        ({**ONE, "port": "4800"}, ["port: expected a valid integer"]),
        ({**ONE, "port": 0}, ["port: expected a port from 1 to 65535"]),
        ({**ONE, "sessionId": "a b"}, ["sessionId: expected 1 to 64 characters of A-Z a-z 0-9 _ . : ~ -"]),
        ({"host": "h"}, ["sessionId: Field required", "port: Field required"]),
        ([ONE, {**ONE, "servers": ["x"]}], ["[1].servers: entry 1: expected host:port"]),
        ("text", ["expected a valid dictionary or instance of AnnouncementBody"]),
        ({**ONE, "tenant": "t" * 70_000}, ["tenant: expected at most 256 characters"]),
        ({**ONE, "password": "p" * 70_000}, ["an announcement of 70082 bytes; at most 65536 are read"]),
    ],
)
def test_a_refusal_gives_every_reason(body: object, reasons: list[str]) -> None:
    bridge = InMemoryBridge()

    async def act(client: aiohttp.ClientSession) -> None:
        assert await answer(await client.post("/v1/sessions", json=body)) == (400, {"error": reasons})

    run(bridge, act)
    assert bridge.announced == []


@pytest.mark.parametrize(
    "body",
    [
        {**ONE, "passwrod": "s3cret"},
        {**ONE, "host": "s3cret host", "port": "s3cret", "sessionId": "s3cret!", "servers": ["s3cret"]},
        {**ONE, "userData": {"s3cret": {"s3cret": "s3cret"}}, "password": ["s3cret"]},
    ],
)
def test_a_refusal_never_shows_a_value(body: object) -> None:
    async def act(client: aiohttp.ClientSession) -> None:
        response = await client.post("/v1/sessions", json=body)
        assert response.status == 400
        text = await response.text()
        assert "s3cret" not in text
        assert "passwrod" not in text

    run(InMemoryBridge(), act)


def test_bodies_that_are_no_json_too_large_or_of_another_type_are_refused() -> None:
    async def act(client: aiohttp.ClientSession) -> None:
        json_type = {"Content-Type": "application/json"}
        for text in (b"{", b"\xff", b"[" * 100_000, b'{"userData": {"k": "\\ud800"}}', b'{"userData": {"k": NaN}}'):
            response = await client.post("/v1/sessions", data=io.BytesIO(text), headers=json_type)
            assert response.status == 400, text[:20]
        too_large = json.dumps({**ONE, "tenant": "t" * MAX_BODY_BYTES}).encode()
        assert (await client.post("/v1/sessions", data=io.BytesIO(too_large), headers=json_type)).status == 413
        assert (await client.post("/v1/sessions", data=json.dumps(ONE))).status == 415

    run(InMemoryBridge(), act)


def test_sessions_are_listed_filtered_and_limited() -> None:
    bridge = InMemoryBridge()
    bridge.views = [
        SessionView(f"s{number}", 0, "FOLLOWED", "a:1", bool(number % 2), number, 7, 0) for number in range(10)
    ]

    async def act(client: aiohttp.ClientSession) -> None:
        status, body = await answer(await client.get("/v1/sessions?joined=true&limit=2"))
        assert (status, body["total"], [each["sessionId"] for each in body["sessions"]]) == (200, 5, ["s1", "s3"])
        assert body["sessions"][0] == {
            "sessionId": "s1",
            "shard": 0,
            "state": "FOLLOWED",
            "server": "a:1",
            "joined": True,
            "sequence": 1,
            "lastEventId": 7,
            "gaps": 0,
        }
        assert (await answer(await client.get("/v1/sessions?sessionId=s7")))[1]["total"] == 1
        for wrong in ("limit=0", "limit=x", "limit=10001", "colour=red"):
            assert (await client.get(f"/v1/sessions?{wrong}")).status == 400, wrong

    run(bridge, act)


class ManyChats(InMemoryBridge):
    """Counts how many of its chats were looked at."""

    looked_at = 0

    def sessions(self) -> Iterator[SessionView]:
        for one in self.views:
            self.looked_at += 1
            yield one


@pytest.mark.parametrize("query", ["limit=10000", "limit=1", "joined=false", "server=b:1"])
def test_others_have_their_turn_while_many_chats_are_looked_at(query: str) -> None:
    bridge = ManyChats()
    bridge.views = [SessionView(f"s{number}", 0, "FOLLOWED", "a:1", True, 1, 7, 0) for number in range(20 * AT_ONCE)]

    async def act(client: aiohttp.ClientSession) -> None:
        seen = [0]
        asked = asyncio.ensure_future(client.get(f"/v1/sessions?{query}"))
        while not asked.done():
            await asyncio.sleep(0)
            seen.append(bridge.looked_at)
        status, body = await answer(asked.result())
        assert (status, body["total"]) == (200, len(bridge.views) if "limit" in query else 0)
        assert seen[-1] == len(bridge.views)
        assert max(after - before for before, after in itertools.pairwise(seen)) <= AT_ONCE

    run(bridge, act)


def test_the_status_page_loads_nothing_from_elsewhere_and_puts_nothing_in_as_markup() -> None:
    async def act(client: aiohttp.ClientSession) -> None:
        page = await client.get("/")
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
        text = "".join([await (await client.get(path)).text() for path in PAGE_FILES if not path.endswith(".css")])
        assert "//" not in re.sub(r"^// .*$| // .*$", "", text, flags=re.MULTILINE)  # but for comments
        assert "innerHTML" not in text

    run(InMemoryBridge(), act)


def test_every_answer_forbids_caching_and_sniffing() -> None:
    async def act(client: aiohttp.ClientSession) -> None:
        for path, status in (("/livez", 200), ("/nothing", 404), ("/", 200)):
            response = await client.get(path)
            assert response.status == status
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Cache-Control"] == "no-store"
        wrong_method = await client.delete("/v1/sessions")
        assert (wrong_method.status, wrong_method.headers["Allow"]) == (405, "GET,HEAD,POST")

    run(InMemoryBridge(), act)


def test_on_loopback_other_names_in_the_host_header_are_refused() -> None:
    async def act(client: aiohttp.ClientSession) -> None:
        assert (await client.get("/metrics", headers={"Host": "attacker.example"})).status == 421

    run(InMemoryBridge(), act)
