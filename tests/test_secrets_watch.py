from __future__ import annotations

import asyncio
import gc
import logging
from typing import TYPE_CHECKING

from aiokafka.client import AIOKafkaClient

from bridge.adapters.kafka.open_clients import OpenClients
from bridge.config import load
from bridge.factories import oauth_context_of
from bridge.meters import CERTIFICATES
from bridge.secret_files import secret_in
from bridge.secrets_watch import SecretsWatch
from bridge.telemetry import Telemetry
from bridge.tls import RenewedContext, TlsFiles
from tests.support.certificates import Authority

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    found = [(record.message, record.__dict__["fields"]) for record in caplog.records]
    caplog.clear()
    return [(name, " ".join(fields.values())) for name, fields in found]


def test_a_change_is_applied_and_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bridge")
    file = tmp_path / "secret"
    file.write_text("first")
    secret, applied = secret_in(str(file)), list[str]()
    watch = SecretsWatch(Telemetry())
    watch.add("kafka_password", secret, lambda: applied.append(secret()))
    watch.add("none", None)
    watch.check()
    assert (applied, lines(caplog)) == ([], [])
    file.write_text("second")
    assert secret() == "second", "read by another first"
    watch.check()
    watch.check()
    assert applied == ["second"]
    assert lines(caplog) == [("secret_read_again", "kafka_password")]


def test_what_cannot_be_used_is_told_once_per_reason(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bridge")
    file = tmp_path / "secret"
    file.write_text("first")
    watch = SecretsWatch(Telemetry())
    watch.add("http_token", secret_in(str(file)))
    file.write_text("")
    for _ in range(3):
        watch.check()
    assert lines(caplog) == [("secret_unusable", "http_token the file is empty")]
    file.unlink()
    watch.check()
    assert lines(caplog) == [("secret_unusable", "http_token No such file or directory")]
    file.write_text("first")
    watch.check()
    watch.check()
    assert lines(caplog) == [("secret_read_again", "http_token")]


def test_the_metric_names_the_certificates_that_are_set_with_their_ends(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    issued = authority.issue("client")
    telemetry = Telemetry()
    watch = SecretsWatch(telemetry)
    files = TlsFiles(ca=str(authority.file), certificate=str(issued.certificate_file), key=str(issued.key_file))
    watch.add_context("kafka", RenewedContext(files))
    watch.add_context("registry", None)
    telemetry.watch_certificates(watch.certificate_ends)
    name = "chatbridge_certificate_expiry_timestamp_seconds"
    found = [line for line in telemetry.render().decode().splitlines() if line.startswith(name)]
    assert [line.split()[0] for line in found] == [f'{name}{{which="kafka"}}', f'{name}{{which="kafka_ca"}}']
    assert float(found[0].split()[1]) == issued.ends.timestamp()


def test_the_certificates_of_the_token_endpoint_are_watched_where_tokens_are_used(tmp_path: Path) -> None:
    authority, issued = Authority(tmp_path), Authority(tmp_path, "other").issue("client")
    (tmp_path / "secret").write_text("a-client-secret")
    settings = {
        "kafka.oauth.token_endpoint": "https://login.example/token",
        "kafka.oauth.client_id": "bridge",
        "kafka.oauth.client_secret_file": str(tmp_path / "secret"),
        "kafka.oauth.tls.ca_file": str(authority.file),
        "kafka.oauth.tls.certificate_file": str(issued.certificate_file),
        "kafka.oauth.tls.key_file": str(issued.key_file),
    }
    tokens = {"kafka.client.security_protocol": "SASL_PLAINTEXT", "kafka.client.sasl_mechanism": "OAUTHBEARER"}
    assert oauth_context_of(load(None, {}, settings)) is None
    watch = SecretsWatch(Telemetry())
    watch.add_context("oauth", oauth_context_of(load(None, {}, settings | tokens)))
    assert watch.certificate_ends().keys() == {"oauth", "oauth_ca"}
    assert watch.certificate_ends()["oauth"] == issued.ends.timestamp()
    assert watch.certificate_ends().keys() < set(CERTIFICATES)


def test_open_clients_get_a_new_password_and_closed_ones_are_forgotten() -> None:
    async def act() -> None:
        clients = OpenClients()
        client = AIOKafkaClient(
            security_protocol="SASL_PLAINTEXT", sasl_plain_username="bridge", sasl_plain_password="first"
        )
        clients.add(client)
        clients.take_password("second")
        assert vars(client)["_sasl_plain_password"] == "second"
        await client.close()
        del client
        gc.collect()
        assert len(clients) == 0

    asyncio.run(act())
