"""Tokens and their rights, TLS, the listener of probes, and the limits on requests and wrong tokens."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from bridge.adapters.event_loop import EventLoop
from bridge.adapters.http.access import AccessTokens, HttpRight
from bridge.adapters.http.guarded_connections import HttpLimits
from bridge.adapters.http.http_server import HttpServer, Listener
from bridge.adapters.http.listening_sockets import listening_sockets
from bridge.adapters.http.request_rates import RequestRates, source_of
from bridge.adapters.http.status_page import PAGE_FILES
from bridge.config import load
from bridge.errors import ConfigError
from bridge.sandbox.process import LOOPBACK
from bridge.secrets_watch import SecretsWatch
from bridge.telemetry import Telemetry
from bridge.tls import RenewedContext, TlsFiles
from bridge.worker_factories import listeners_of
from tests.adapters.test_http import ONE, InMemoryBridge
from tests.support.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine
    from pathlib import Path

TOKENS = {name: f"the-token-of-{name}-here" for name in ("admin", "read", "announce", "metrics")}
ACCESS = AccessTokens(
    admin=lambda: TOKENS["admin"],
    read=lambda: TOKENS["read"],
    announce=lambda: TOKENS["announce"],
    metrics=lambda: TOKENS["metrics"],
)


@asynccontextmanager
async def served(listener: Listener, **client: Any) -> AsyncIterator[aiohttp.ClientSession]:
    server = HttpServer(InMemoryBridge(), listener)
    await server.start()
    scheme = "http" if listener.tls is None else "https"
    host = "127.0.0.1" if listener.host in {"*", "0.0.0.0"} else listener.host  # noqa: S104 - compared
    try:
        async with aiohttp.ClientSession(f"{scheme}://{host}:{server.port}", **client) as session:
            yield session
    finally:
        await server.stop()


def run(scene: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=EventLoop) as runner:
        runner.run(scene)


def port_of(client: aiohttp.ClientSession) -> int:
    assert client._base_url is not None
    assert client._base_url.port is not None
    return client._base_url.port


def by(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    ("name", "read", "announce", "metrics"),
    [("admin", 200, 202, 200), ("read", 200, 403, 403), ("announce", 403, 202, 403), ("metrics", 403, 403, 200)],
)
def test_a_token_gives_its_right_and_no_other(name: str, read: int, announce: int, metrics: int) -> None:
    async def act() -> None:
        async with served(Listener(access=ACCESS)) as client:
            headers = by(TOKENS[name])
            assert (await client.get("/v1/sessions", headers=headers)).status == read
            assert (await client.head("/v1/sessions", headers=headers)).status == read
            assert (await client.post("/v1/sessions", json=ONE, headers=headers)).status == announce
            assert (await client.get("/metrics", headers=headers)).status == metrics
            nothing = await client.get("/nothing", headers=headers)
            assert nothing.status == (404 if name == "admin" else 403)

    run(act())


def test_without_a_token_only_probes_and_open_metrics_are_answered() -> None:
    async def act() -> None:
        async with served(Listener(access=ACCESS)) as client:
            assert (await client.get("/metrics")).status == 401
        async with served(Listener(access=AccessTokens(admin=ACCESS.admin, open_metrics=True))) as client:
            assert (await client.get("/metrics")).status == 200
            assert (await client.get("/readyz")).status == 200
            assert (await client.get("/v1/sessions")).status == 401

    run(act())


def test_the_same_token_twice_gives_both_rights() -> None:
    access = AccessTokens(read=lambda: TOKENS["read"], metrics=lambda: TOKENS["read"])
    assert access.rights_of(TOKENS["read"]) == {HttpRight.READ, HttpRight.METRICS}
    assert access.rights_of("") == frozenset()


def test_the_listener_of_probes_serves_nothing_else_and_needs_no_token() -> None:
    async def act() -> None:
        everywhere = Listener(host="0.0.0.0", only_probes=True)  # noqa: S104 - what is tested
        async with served(everywhere) as client:
            assert (await client.get("/livez")).status == 200
            assert (await client.get("/readyz")).status == 200
            assert (await client.get("/metrics")).status == 401
            assert (await client.post("/v1/sessions", json=ONE)).status == 401
        async with served(Listener(access=ACCESS, only_probes=True)) as client:
            assert (await client.get("/metrics", headers=by(TOKENS["metrics"]))).status == 200
            for path in ("/v1/sessions", *PAGE_FILES):
                assert (await client.get(path, headers=by(TOKENS["admin"]))).status == 404, path

    run(act())


def test_wrong_tokens_are_limited_per_address_and_probes_never() -> None:
    async def act() -> None:
        async with served(Listener(access=ACCESS, failed_tokens_per_minute=5)) as client:
            codes = [(await client.get("/metrics", headers=by("wrong" * 5))).status for _ in range(7)]
            assert codes == [401] * 5 + [429] * 2
            refused = await client.get("/metrics", headers=by(TOKENS["metrics"]))
            assert refused.status == 429, "whoever guesses must not learn that a guess is right"
            assert 1 <= int(refused.headers["Retry-After"]) <= 12
            assert (await client.get("/livez", headers=by("wrong" * 5))).status == 200

    run(act())


def test_requests_are_limited_per_address_and_probes_never() -> None:
    async def act() -> None:
        async with served(Listener(requests_per_second=0.01)) as client:
            assert (await client.get("/metrics")).status == 429
        async with served(Listener(requests_per_second=1)) as client:
            codes = [(await client.get("/metrics")).status for _ in range(5)]
            assert codes[:2] == [200, 200]
            assert 429 in codes
            for _ in range(20):
                assert (await client.get("/readyz")).status == 200

    run(act())


def test_a_rate_is_kept_over_time_and_each_source_has_its_own() -> None:
    rates = RequestRates(per_second=2, most=4)
    for _ in range(4):
        assert rates.wait("192.0.2.1", 10.0) == 0
        rates.take("192.0.2.1", 10.0)
    assert rates.wait("192.0.2.1", 10.0) == 0.5
    assert rates.wait("192.0.2.2", 10.0) == 0
    assert rates.wait("192.0.2.1", 10.5) == 0
    rates.take("192.0.2.1", 10.5)
    assert rates.wait("192.0.2.1", 10.5) == 0.5
    assert rates.wait("192.0.2.1", 1000.0) == 0


def test_the_addresses_that_are_remembered_are_bounded() -> None:
    rates = RequestRates(per_second=1, most=1)
    for number in range(10_000):
        rates.take(f"192.0.{number // 256}.{number % 256}", 0.0)
    assert len(rates) == 4096


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_a_source_is_an_ipv4_address_or_an_ipv6_network(address: str, source: str) -> None:
    assert source_of(address) == source


def test_tokens_are_read_again_from_their_files(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("the-first-token-here\n")
    config = load(None, {}, {"http.metrics_token_file": str(file), "http.port": "0"})
    watch = SecretsWatch(Telemetry())
    [listener] = listeners_of(config, watch)

    async def act() -> None:
        async with served(listener) as client:
            assert (await client.get("/metrics", headers=by("the-first-token-here"))).status == 200
            file.write_text("the-second-token-here\n")
            assert (await client.get("/metrics", headers=by("the-first-token-here"))).status == 401
            assert (await client.get("/metrics", headers=by("the-second-token-here"))).status == 200
            file.write_text("short\n")
            assert (await client.get("/metrics", headers=by("short"))).status == 401
            assert (await client.get("/metrics", headers=by("the-second-token-here"))).status == 200

    run(act())
    assert [secret.kind for secret in watch.secrets] == ["http_metrics_token"]


def tls_of(authority: Authority) -> RenewedContext:
    issued = authority.issue("server")
    files = TlsFiles(certificate=str(issued.certificate_file), key=str(issued.key_file))
    return RenewedContext(files, server=True)


def test_a_listener_with_tls_takes_its_certificate_from_the_file_at_each_connection(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = ssl.create_default_context(cafile=authority.file)

    async def shown(client: aiohttp.ClientSession) -> str:
        return await asyncio.to_thread(
            ssl.get_server_certificate, (LOOPBACK, port_of(client)), ca_certs=str(authority.file)
        )

    async def act() -> None:
        async with served(Listener(tls=tls_of(authority))) as client:
            before = await shown(client)
            assert (await client.get("/livez", ssl=context)).status == 200
            renewed = authority.issue("server")
            assert renewed.certificate_file.exists()
            assert renewed.key_file.exists()
            assert (await shown(client)).strip() == renewed.certificate_file.read_text().strip() != before.strip()

    run(act())


def test_plain_text_to_a_listener_with_tls_is_closed_and_harms_nobody(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = ssl.create_default_context(cafile=authority.file)

    async def act() -> None:
        async with served(Listener(tls=tls_of(authority))) as client:
            reader, writer = await asyncio.open_connection(LOOPBACK, port_of(client))
            writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            said = await reader.read()
            assert b"HTTP" not in said
            writer.close()
            assert (await client.get("/livez", ssl=context)).status == 200

    run(act())


def test_connections_that_never_begin_tls_are_bounded_and_others_are_served(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = ssl.create_default_context(cafile=authority.file)

    async def act() -> None:
        server = HttpServer(InMemoryBridge(), Listener(tls=tls_of(authority)), HttpLimits(connections=3))
        await server.start()
        silent = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(10)]
        async with aiohttp.ClientSession() as client:
            answer = await client.get(f"https://127.0.0.1:{server.port}/livez", ssl=context)
            assert answer.status == 200
        assert server._handshakes is not None
        assert server._handshakes.handshakes <= 3
        await server.stop()
        assert server._handshakes.handshakes == 0
        for reader, writer in silent:
            with suppress(OSError):
                assert await reader.read() == b""
            writer.close()

    run(act())


def test_every_address_in_both_families_has_the_same_port() -> None:
    async def act() -> None:
        sockets = await listening_sockets("*", 0)
        try:
            assert len({one.getsockname()[1] for one in sockets}) == 1
            families = {one.family for one in sockets}
            assert socket.AF_INET in families
            if socket.has_ipv6:
                for one in sockets:
                    target = "127.0.0.1" if one.family == socket.AF_INET else "::1"
                    socket.create_connection((target, one.getsockname()[1]), 5).close()
        finally:
            for one in sockets:
                one.close()

    run(act())


def test_an_ipv6_address_alone_is_served() -> None:
    async def act() -> None:
        server = HttpServer(InMemoryBridge(), Listener(host="::1"))
        await server.start()
        async with aiohttp.ClientSession() as client:
            assert (await client.get(f"http://[::1]:{server.port}/metrics")).status == 200
        await server.stop()

    run(act())


def test_every_address_is_not_loopback() -> None:
    with pytest.raises(ConfigError, match="token"):
        HttpServer(InMemoryBridge(), Listener(host="*"))
    with pytest.raises(ConfigError, match=r"http\.token"):
        load(None, {}, {"http.host": "*"})
    assert load(None, {}, {"http.host": "*", "http.read_token": TOKENS["read"]}).http.host == "*"
