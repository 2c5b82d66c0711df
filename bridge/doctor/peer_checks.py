"""Asks the schema registry and Chat Servers, and looks at the certificates that all servers show."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bridge.adapters.schema_registry import SchemaRegistry
from bridge.adapters.tls_chain import shown_chain
from bridge.addresses import split_address
from bridge.certificate_dates import end_of
from bridge.chatserver.connection_settings import ConnectionSettings
from bridge.chatserver.psdk_json import client_wire
from bridge.config.security import uses_tls
from bridge.doctor.examination import Check
from bridge.doctor.results.certificate_ends import chain_result
from bridge.doctor.results.chat_servers import server_result
from bridge.doctor.results.check_result import not_checked
from bridge.doctor.results.doctor_codes import NO_ANSWER, NOT_CONFIGURED
from bridge.doctor.results.registered_schemas import SubjectState, subject_result
from bridge.records.avro import Schemas, schema_folder
from bridge.registry_factory import registered_subjects_of
from bridge.sources.chat_server.registration_probe import try_registration
from bridge.sources.chat_server.transport import TcpTransports

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bridge.config import Config
    from bridge.doctor.results.check_result import CheckResult

_REGISTRY_SECONDS: Final = 12.0
_SERVER_SECONDS: Final = 12.0
_STEP_SECONDS: Final = 5.0
_CHAIN_SECONDS: Final = 6.0
_HTTPS_PORT: Final = 443


class PeerChecks:
    """The checks of the registry and of Chat Servers for one installation."""

    def __init__(self, config: Config, chat_servers: Sequence[str]) -> None:
        """`chat_servers` are addresses host:port. Nothing connects before a check asks."""
        self._config = config
        self._chat_servers = tuple(chat_servers)

    def checks(self) -> list[Check]:
        """Return them in the order of their lines."""
        return [
            Check("server certificates", self._chains, _CHAIN_SECONDS + 1),
            Check("schema registry", self._registry, _REGISTRY_SECONDS),
            Check("chat server", self._servers, _SERVER_SECONDS),
        ]

    async def _registry(self) -> Sequence[CheckResult]:
        settings = self._config.schema_registry
        if not settings.urls:
            text = "schema_registry.url is not set: records carry their schemas' fingerprints"
            return [not_checked("schema registry", NOT_CONFIGURED, text)]
        schemas = Schemas(schema_folder())
        subjects = registered_subjects_of(self._config)
        async with SchemaRegistry.from_settings(settings) as registry:
            return [subject_result(await _state(registry, name, schemas.text(it))) for name, it in subjects.items()]

    async def _servers(self) -> Sequence[CheckResult]:
        gateway = self._config.sources.chat_server.gateway
        if not self._chat_servers:
            text = "no address is given: they come with announcements"
            step = "name one: --chat-server HOST:PORT" + ("" if gateway is None else "; the gateway is asked for it")
            return [not_checked("chat server", NOT_CONFIGURED, text, step)]
        return await asyncio.gather(*(self._server(address) for address in self._chat_servers))

    async def _server(self, address: str) -> CheckResult:
        settings = self._config.sources.chat_server
        tls = settings.tls.context()
        seconds = min(settings.register_timeout_seconds, _STEP_SECONDS)
        outcome = await try_registration(
            ConnectionSettings(
                nickname=settings.nickname,
                person_id=settings.person_id,
                server=address,
                client_version=settings.client_version,
                target=None if settings.gateway is None else address,
                register_timeout=seconds,
            ),
            TcpTransports(gateway=settings.gateway, timeout=seconds, tls=tls),
            client_wire(settings.inbound_frame_bytes),
        )
        subject = address if settings.gateway is None else f"{address} through {settings.gateway}"
        return server_result(subject, outcome, settings.client_version, tls=tls is not None)

    async def _chains(self) -> Sequence[CheckResult]:
        found = await asyncio.gather(*(self._chain(*each) for each in self._places()))
        return found or [not_checked("TLS", NOT_CONFIGURED, "the settings use TLS with no server")]

    def _places(self) -> Iterable[tuple[str, str]]:
        """Return (address, how to renew) of each server that is asked by TLS."""
        config, source = self._config, self._config.sources.chat_server
        places: list[tuple[str, str]] = []
        if uses_tls(config.kafka.client):
            brokers = (each.strip() for each in config.kafka.bootstrap_servers.split(","))
            places += [(address, "renew the certificate on the broker") for address in brokers]
        for url in config.schema_registry.urls:
            parts = urlsplit(url)
            if parts.scheme == "https" and parts.hostname is not None:
                host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
                places.append((f"{host}:{parts.port or _HTTPS_PORT}", "renew the certificate of the registry"))
        if source.tls.enabled:
            servers = self._chat_servers if source.gateway is None else (source.gateway,)
            places += [(address, "renew the certificate of the Chat Server or gateway") for address in servers]
        return dict(places).items()

    async def _chain(self, address: str, renew: str) -> CheckResult:
        try:
            async with asyncio.timeout(_CHAIN_SECONDS):
                chain = await shown_chain(*split_address(address))
            return chain_result(address, [end_of(one) for one in chain], time.time(), renew)
        except (OSError, EOFError, ValueError):
            text = "no certificate was seen: the connection fails"
            return not_checked(address, NO_ANSWER, text, "see what the check of this server says")


async def _state(registry: SchemaRegistry, subject: str, schema: str) -> SubjectState:
    schema_id = await registry.registered(subject, schema)
    reasons = () if schema_id is not None else tuple(await registry.check(subject, schema))
    return SubjectState(subject, schema_id, await registry.compatibility(subject), reasons)
