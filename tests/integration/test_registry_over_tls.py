"""A real schema registry behind TLS: own authority, client certificate, bearer token, several URLs."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from bridge.adapters.event_loop import EventLoop
from bridge.adapters.schema_registry import SchemaRegistry
from bridge.config import load
from bridge.errors import RegistryRefused, RegistryUnavailable
from bridge.sandbox.process import LOOPBACK, free_ports
from tests.support.certificates import Authority
from tests.support.refusing_tls_server import RefusingTlsServer
from tests.support.registry_gate import RegistryGate
from tests.support.tls_address import TlsAddress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "the-token-of-the-registry"
PATH = "/apis/ccompat/v7"
SCHEMA = json.dumps({"type": "record", "name": "R", "fields": [{"name": "a", "type": "string"}]})


@dataclass
class SecuredRegistry:
    """The real registry behind two ports with TLS, and a port where nobody listens."""

    folder: Path
    authority: Authority
    gate: RegistryGate
    first: TlsAddress
    second: TlsAddress
    nobody: int = field(default_factory=lambda: free_ports(1)[0])

    def url(self, *ports: int, host: str = LOOPBACK) -> str:
        return ",".join(f"https://{host}:{port}{PATH}" for port in ports)

    @property
    def flags(self) -> dict[str, Any]:
        """Settings that get in, by their names after `schema_registry.`."""
        token, issued = self.folder / "token", self.authority.issue("client")
        token.write_text(f"{TOKEN}\n", encoding="ascii")
        return {
            "url": self.url(self.nobody, self.first.port, self.second.port),
            "auth.bearer_token_file": token,
            "tls.ca_file": self.authority.file,
            "tls.certificate_file": issued.certificate_file,
            "tls.key_file": issued.key_file,
        }


@pytest.fixture
def secured(registry: str, tmp_path: Path) -> Iterator[SecuredRegistry]:
    authority = Authority(tmp_path)
    base = registry.removesuffix(PATH)
    with RegistryGate(base, f"Bearer {TOKEN}") as gate:
        first, second = TlsAddress(gate.port, authority), TlsAddress(gate.port, authority)
        with first, second:
            yield SecuredRegistry(tmp_path, authority, gate, first, second)


def client(flags: dict[str, Any]) -> SchemaRegistry:
    values = {f"schema_registry.{name}": str(value) for name, value in flags.items()}
    return SchemaRegistry.from_settings(load(None, {}, values).schema_registry)


async def registered(flags: dict[str, Any]) -> int:
    async with client({**flags, "timeout_seconds": "5"}) as registry:
        subject = f"s{uuid.uuid4().hex}-value"
        found = await registry.register(subject, SCHEMA)
        assert await registry.check(subject, SCHEMA) == []
        told = await registry.schema(found)
        assert told is not None
        assert json.loads(told)["name"] == "R"
        return found


def register(*flags: dict[str, Any]) -> list[int | BaseException]:
    """Return the id, or the error, with each of these settings."""

    async def act() -> list[int | BaseException]:
        return await asyncio.gather(*(registered(each) for each in flags), return_exceptions=True)

    with asyncio.Runner(loop_factory=EventLoop) as runner:
        return runner.run(act())


def test_it_is_used_with_its_authority_a_certificate_and_a_token_over_the_url_that_answers(
    secured: SecuredRegistry,
) -> None:
    first, second = register(secured.flags, {**secured.flags, "url": secured.url(secured.second.port)})
    assert isinstance(first, int), first
    assert first == second
    assert secured.gate.refused == 0
    secured.gate.away = True
    [error] = register(secured.flags)
    assert isinstance(error, RegistryUnavailable)
    assert re.search(r"does not answer: .*; .* answered 503: no leader", error.message)


def test_each_wrong_setting_is_named_with_what_to_do(secured: SecuredRegistry, tmp_path: Path) -> None:
    right = {**secured.flags, "url": secured.url(secured.first.port)}
    without = {name: value for name, value in right.items() if name.endswith(("url", "ca_file", "token_file"))}
    (tmp_path / "strange").mkdir()
    strange, wrong_token = Authority(tmp_path / "strange"), tmp_path / "wrong-token"
    wrong_token.write_text("canary-of-a-wrong-token", encoding="ascii")
    expired = TlsAddress(secured.gate.port, secured.authority, expired=True)
    refusing = RefusingTlsServer(secured.authority)
    cases: list[tuple[dict[str, Any], type[RegistryRefused | RegistryUnavailable], str, str]] = [
        ({**right, "tls.ca_file": strange.file}, RegistryUnavailable, "no trusted authority has signed", "ca_file"),
        (
            {**right, "url": secured.url(secured.first.port, host="localhost")},
            RegistryUnavailable,
            "it is for another host",
            "schema_registry.url",
        ),
        ({**right, "url": secured.url(expired.port)}, RegistryUnavailable, "it has expired", "certificate"),
        (
            {**without, "url": secured.url(refusing.port)},
            RegistryUnavailable,
            "the schema registry at",
            "client certificate",
        ),
        ({**right, "url": secured.url(secured.gate.port)}, RegistryUnavailable, "refuses TLS", "http:"),
        ({**right, "auth.bearer_token_file": wrong_token}, RegistryRefused, "answered 401", "permissions"),
        ({**right, "url": f"{right['url']}/wrong"}, RegistryRefused, "no schema registry at", "path"),
    ]
    with expired, refusing:
        found = register(right, *(flags for flags, *_ in cases))
    assert isinstance(found[0], int), found[0]
    for error, (flags, kind, sentence, next_step) in zip(found[1:], cases, strict=True):
        assert isinstance(error, kind), (flags, error)
        assert sentence in error.message, (flags, error.message)
        assert f":{flags['url'].rsplit(':', 1)[1].split('/')[0]}" in error.message
        assert next_step in error.next_step, (flags, error.next_step)
        assert "canary" not in str(error)
