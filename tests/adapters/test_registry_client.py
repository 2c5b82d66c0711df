"""The registry client against a server of the test: credentials and certificates of the moment, and wrong paths."""

from __future__ import annotations

import asyncio
import base64
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from bridge.adapters.schema_registry import SchemaRegistry
from bridge.config import load
from bridge.errors import ConfigError, RegistryRefused, RegistryUnavailable
from bridge.sandbox.process import LOOPBACK, free_ports
from tests.support.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine
    from pathlib import Path
    from typing import Any


class ServedRegistry:
    """Answers with what is set, and notes the credentials that it is shown."""

    def __init__(self, status: int = 200, body: object = None) -> None:
        self.status = status
        self.body = {"id": 7} if body is None else body
        self.shown: list[str | None] = []

    @asynccontextmanager
    async def url(self, authority: Authority | None = None) -> AsyncIterator[str]:
        """Listen; with an authority, with TLS and wanting client certificates of it."""
        context = None
        if authority is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(authority.issue("registry").store_file)
            context.load_verify_locations(authority.file)
            context.verify_mode = ssl.CERT_REQUIRED
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, LOOPBACK, 0, ssl_context=context)
        await site.start()
        try:
            yield f"{'http' if context is None else 'https'}://{LOOPBACK}:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        self.shown.append(request.headers.get("Authorization"))
        if isinstance(self.body, str):
            return web.Response(status=self.status, text=self.body)
        return web.json_response(self.body, status=self.status)


def client(url: str, **flags: str) -> SchemaRegistry:
    values = {f"schema_registry.{name.replace('__', '.')}": value for name, value in flags.items()}
    return SchemaRegistry.from_settings(load(None, {}, {"schema_registry.url": url, **values}).schema_registry)


def run(scene: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scene)


@pytest.mark.parametrize("body", ["<html>Not Found</html>", {"error_code": 404, "message": "HTTP 404 Not Found"}, {}])
def test_a_wrong_path_is_neither_compatible_nor_unknown_nor_registered(body: object) -> None:
    async def act() -> None:
        served = ServedRegistry(404, body)
        async with served.url() as url, client(f"{url}/wrong") as registry:
            for call in (registry.check("s", "{}"), registry.schema(1), registry.register("s", "{}")):
                with pytest.raises(RegistryRefused, match=r"no schema registry at .*/wrong"):
                    await call

    run(act())


@pytest.mark.parametrize("code", [40401, 40402, 40403])
def test_what_the_registry_does_not_know_is_told_from_a_wrong_path(code: int) -> None:
    async def act() -> None:
        served = ServedRegistry(404, {"error_code": code, "message": "not found"})
        async with served.url() as url, client(url) as registry:
            assert await registry.check("s", "{}") == []
            assert await registry.schema(1) is None

    run(act())


def test_credentials_are_those_of_the_file_at_each_request(tmp_path: Path) -> None:
    password, token = tmp_path / "password", tmp_path / "token"
    password.write_text("first-password\n")
    token.write_text("first-token\n")

    async def act() -> None:
        served = ServedRegistry()
        async with served.url() as url:
            async with client(url, auth__user="u", auth__password_file=str(password)) as registry:
                await registry.register("s", "{}")
                password.write_text("second-password\n")
                await registry.register("s", "{}")
            async with client(url, auth__bearer_token_file=str(token)) as registry:
                await registry.register("s", "{}")
                token.write_text("second-token\n")
                await registry.register("s", "{}")
        basic = [base64.b64encode(f"u:{word}-password".encode()).decode() for word in ("first", "second")]
        assert served.shown == [*(f"Basic {one}" for one in basic), "Bearer first-token", "Bearer second-token"]

    run(act())


def test_a_registry_that_wants_certificates_is_reached_with_those_of_the_files(tmp_path: Path) -> None:
    former, following = Authority(tmp_path, "former"), Authority(tmp_path, "following")
    names = ("ca", "certificate", "key")
    flags = {f"tls__{name}_file": str(tmp_path / f"{name}.pem") for name in names}

    def mount(authority: Authority) -> None:
        issued = authority.issue("client")
        for name, source in zip(names, (authority.file, issued.certificate_file, issued.key_file), strict=True):
            (tmp_path / f"{name}.pem").write_bytes(source.read_bytes())

    async def act() -> None:
        served = ServedRegistry()
        mount(former)
        async with served.url(former) as url, client(url, **flags) as registry:
            assert await registry.register("s", "{}") == 7
        async with served.url(following) as url, client(url, timeout_seconds="1", **flags) as registry:
            with pytest.raises(RegistryUnavailable):
                await registry.register("s", "{}")
            mount(following)
            assert await registry.register("s", "{}") == 7

    run(act())


def test_several_urls_are_tried_in_turn_and_the_one_that_answered_comes_first_from_then_on() -> None:
    async def act() -> None:
        failing, answering = ServedRegistry(500, {"message": "no leader"}), ServedRegistry()
        nobody = f"http://{LOOPBACK}:{free_ports(1)[0]}"
        async with (
            failing.url() as first,
            answering.url() as second,
            client(f"{nobody},{first}, {second}/") as registry,
        ):
            for _ in range(3):
                assert await registry.register("s", "{}") == 7
            assert (len(failing.shown), len(answering.shown)) == (1, 3)
            answering.status = 503
            failing.status, failing.body = 200, {"id": 8}
            assert await registry.register("s", "{}") == 8

    run(act())


def test_a_refusal_is_an_answer_and_the_next_url_is_not_asked() -> None:
    async def act() -> None:
        refusing, other = ServedRegistry(409, {"message": "incompatible"}), ServedRegistry()
        async with refusing.url() as first, other.url() as second, client(f"{first},{second}") as registry:
            with pytest.raises(RegistryRefused, match="incompatible"):
                await registry.register("s", "{}")
        assert other.shown == []

    run(act())


def test_when_no_url_answers_each_is_named() -> None:
    async def act() -> None:
        ports = free_ports(2)
        async with client(",".join(f"http://{LOOPBACK}:{port}" for port in ports)) as registry:
            with pytest.raises(RegistryUnavailable) as told:
                await registry.schema(1)
        assert all(f"{LOOPBACK}:{port} does not answer" in told.value.message for port in ports)
        assert told.value.next_step

    run(act())


def test_urls_are_given_with_commas_or_as_a_list(tmp_path: Path) -> None:
    file = tmp_path / "bridge.yaml"
    file.write_text("schema_registry:\n  url: [https://one:8081, http://two:8081/apis/ccompat/v7]\n")
    expected = ("https://one:8081", "http://two:8081/apis/ccompat/v7")
    assert load(file, {}, {}).schema_registry.urls == expected
    flags = {"schema_registry.url": ", ".join(expected)}
    assert load(None, {}, flags).schema_registry.urls == expected
    assert load(None, {}, flags).schema_registry.context() is not None
    assert load(None, {}, {}).schema_registry.urls == ()


@pytest.mark.parametrize("url", ["http://a,", "http://a,b:8081", "http://a,http://u:p@b", ",http://a"])
def test_each_url_of_several_has_to_be_one(url: str) -> None:
    with pytest.raises(ConfigError, match=r"schema_registry\.url"):
        client(url)


def test_a_user_and_a_token_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match="either user or bearer_token"):
        client("http://registry:1", auth__user="u", auth__bearer_token="t")
