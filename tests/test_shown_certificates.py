"""Every file with certificates that the settings can name: a worker shows when it ends, and so does the examination."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bridge.app import _WorkerProcess
from bridge.config import load
from bridge.doctor.process_checks import ProcessChecks
from bridge.meters import CERTIFICATES
from bridge.source_factory import ChatServerSources
from tests.support.certificates import Authority
from tests.support.shown_ends import ends_in

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.doctor.results.check_result import CheckResult

SECTIONS = {
    "oauth": "kafka.oauth.tls",
    "registry": "schema_registry.tls",
    "chat_server": "sources.chat_server.tls",
    "ucs": "sources.ucs.http.tls",
    "http": "http.tls",
}
"""Name in the metric -> section of the settings. Kafka's own files have other names."""
USED_FOR = {"Kafka", "token endpoint", "schema registry", "Chat Server", "UCS", "HTTP listener"}


def settings_of(folder: Path) -> tuple[dict[str, str], dict[str, float]]:
    """Return settings that name all certificates and authorities, and when each of these ends."""
    (folder / "secret").write_text("a-client-secret")
    flags = {
        "kafka.client.security_protocol": "SASL_SSL",
        "kafka.client.sasl_mechanism": "OAUTHBEARER",
        "kafka.oauth.token_endpoint": "https://login.example/token",
        "kafka.oauth.client_id": "bridge",
        "kafka.oauth.client_secret_file": str(folder / "secret"),
        "schema_registry.url": "https://registry.example",
        "sources.chat_server.tls.enabled": "true",
        "sources.ucs.url": "sqlite://",
        "sources.ucs.http.url": "https://ucs.example",
    }
    ends: dict[str, float] = {}
    for days, which in enumerate(("kafka", *SECTIONS), start=1):
        (folder / which).mkdir()
        authority = Authority(folder / which, days=days)
        issued = authority.issue("shown", days=days / 2)
        names = {"ca": authority.file, "certificate": issued.certificate_file, "key": issued.key_file}
        for name, file in names.items():
            short = name.removesuffix("ificate")
            flags[f"{SECTIONS[which]}.{name}_file" if which in SECTIONS else f"kafka.client.ssl_{short}file"] = str(
                file
            )
        ends |= {which: issued.ends.timestamp(), f"{which}_ca": authority.ends.timestamp()}
    del flags["http.tls.ca_file"], ends["http_ca"]  # the listener asks for no certificate
    return flags, ends


def test_a_worker_shows_the_end_of_each_certificate_and_authority(tmp_path: Path) -> None:
    flags, ends = settings_of(tmp_path)

    async def page() -> str:
        return _WorkerProcess(load(None, {}, flags), ChatServerSources)._telemetry.render().decode()

    assert ends_in(asyncio.run(page())) == ends
    assert ends.keys() == set(CERTIFICATES)


def test_the_examination_looks_at_each_of_these_files(tmp_path: Path) -> None:
    flags, ends = settings_of(tmp_path)

    async def found() -> list[CheckResult]:
        [check] = [one for one in ProcessChecks(load(None, {}, flags)).checks() if one.name == "certificate files"]
        return list(await check.ask())

    told = [one.subject for one in asyncio.run(found())]
    assert len(told) == len(ends)
    assert {one.partition(" for ")[2] for one in told} == USED_FOR


def test_limits_of_the_process_are_judged_although_a_file_for_kafka_cannot_be_used(tmp_path: Path) -> None:
    flags, _ = settings_of(tmp_path)
    config = load(None, {}, flags)
    (tmp_path / "kafka" / "authority.pem").write_text("no certificate")

    async def found() -> list[CheckResult]:
        [check] = [one for one in ProcessChecks(config).checks() if one.name == "process limits"]
        return list(await check.ask())

    assert [one.subject for one in asyncio.run(found())] == ["open files", "memory"]
