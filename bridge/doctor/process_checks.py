"""Looks at this host: a worker that runs here, files with certificates, and the limits of the process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import TYPE_CHECKING, Final

import aiohttp

from bridge.adapters.process_limits import memory_limit, open_files_limit
from bridge.addresses import joined_address
from bridge.config.security import client_files, uses_tls
from bridge.doctor.examination import Check
from bridge.doctor.results.certificate_ends import file_result
from bridge.doctor.results.check_result import not_checked
from bridge.doctor.results.doctor_codes import NO_WORKER, NOT_CONFIGURED
from bridge.doctor.results.process_room import RoomFacts, memory_result, open_files_result
from bridge.doctor.results.worker_readiness import no_worker, worker_results
from bridge.errors import BridgeError
from bridge.factories import names_of, oauth_context_of, topics_of
from bridge.tls import RenewedContext

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.config import Config
    from bridge.doctor.results.check_result import CheckResult

_SECONDS: Final = 5.0
_TOPIC_SECONDS: Final = 2.0
_ANSWER_BYTES: Final = 1 << 20
_LEAST_BROKERS: Final = 3
_EVERY_ADDRESS: Final = {"*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound


class ProcessChecks:
    """The checks of this host for one installation."""

    def __init__(self, config: Config) -> None:
        """Nothing is read before a check asks."""
        self._config = config

    def checks(self) -> list[Check]:
        """Return them in the order of their lines."""
        return [
            Check("worker", self._worker, _SECONDS),
            Check("certificate files", self._files, _SECONDS),
            Check("process limits", self._limits, _SECONDS),
        ]

    async def _worker(self) -> Sequence[CheckResult]:
        http = self._config.http
        if not http.port:
            text = "http.port is 0: the port of a running worker is not known"
            return [not_checked("worker", NO_WORKER, text)]
        host = _EVERY_ADDRESS.get(http.host, http.host)
        scheme = "http" if http.tls.certificate_file is None else "https"
        url = f"{scheme}://{joined_address(host, http.port)}/readyz"
        try:
            async with aiohttp.ClientSession() as session, session.get(url, ssl=False) as response:
                raw = await response.content.read(_ANSWER_BYTES)
        except (aiohttp.ClientError, OSError):
            return [no_worker(url)]
        try:
            return worker_results(url, json.loads(raw))
        except ValueError:
            return worker_results(url, None)

    async def _files(self) -> Sequence[CheckResult]:
        return await asyncio.to_thread(self._certificate_files)

    def _certificate_files(self) -> list[CheckResult]:
        config, now = self._config, time.time()
        contexts = {
            "Chat Server": config.sources.chat_server.tls.context(),
            "token endpoint": oauth_context_of(config),
            "schema registry": config.schema_registry.context(),
            "UCS": config.sources.ucs.http.context(),
            "HTTP listener": config.http.tls.context(),
        }
        if uses_tls(config.kafka.client):
            contexts = {"Kafka": RenewedContext(client_files(config.kafka.client)), **contexts}
        found: list[CheckResult] = []
        for use, context in contexts.items():
            if context is None:
                continue
            loaded, files = context.current(), context.files
            if files.certificate is not None:
                found.append(file_result(f"certificate for {use}", files.certificate, loaded.certificate_end, now))
            if files.ca is not None:
                found.append(file_result(f"authorities for {use}", files.ca, loaded.authority_end, now))
        return found or [not_checked("files", NOT_CONFIGURED, "the settings name no file with certificates")]

    async def _limits(self) -> Sequence[CheckResult]:
        facts = _room(self._config, await self._shards())
        return [open_files_result(facts, open_files_limit()), memory_result(facts, memory_limit())]

    async def _shards(self) -> int:
        """Return how many there are; where the topics are not there, or do not tell in time, how many are set."""
        announcements = names_of(self._config).announcements
        with contextlib.suppress(BridgeError, OSError, ValueError):  # other lines tell; a TimeoutError is an OSError
            async with asyncio.timeout(_TOPIC_SECONDS):
                if (found := await topics_of(self._config).known_partitions(announcements)) is not None:
                    return found
        return self._config.kafka.partitions


def _room(config: Config, shards: int) -> RoomFacts:
    """Return what so many shards and the settings ask of the process."""
    kafka = config.kafka
    return RoomFacts(
        shards=shards,
        together=kafka.transactions == "worker",
        brokers=max(_LEAST_BROKERS, kafka.bootstrap_servers.count(",") + 1),
        inbox_bytes=config.capture.inbox_bytes,
        history_bytes=config.sources.chat_server.history_bytes,
    )
