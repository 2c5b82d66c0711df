"""SASL OAUTHBEARER over TLS: tokens of an endpoint with its own authority, checked by a broker, renewed in time."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from bridge.config import load
from bridge.factories import probe_of
from tests.integration.capturing_bridge import QUICK_TRANSACTION_TIMEOUT
from tests.integration.e2e_environment import E2EEnvironment, all_joined, captured, reasons
from tests.support.certificates import Authority
from tests.support.documented_settings import written
from tests.support.oidc import CLIENT_ID, Issuer
from tests.support.processes import wait_for
from tests.support.token_broker import TokenBroker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bridge.adapters.kafka.connection_causes import Cause

SECRET = "a-client-secret-of-the-tests"
SCOPE = "kafka"
SECONDS = 12


class Site:
    """An issuer, a broker that takes its tokens, and the settings of their clients."""

    def __init__(self, folder: Path, issuer: Issuer, authority: Authority, broker: TokenBroker) -> None:
        self.authority = authority
        self.issuer = issuer
        self.broker = broker
        self.secret = folder / "client-secret"
        self.secret.write_text(f"{SECRET}\n")
        self.settings: dict[str, Any] = {
            "kafka.bootstrap_servers": broker.address,
            "kafka.client.security_protocol": "SASL_SSL",
            "kafka.client.ssl_cafile": authority.file,
            "kafka.client.sasl_mechanism": "OAUTHBEARER",
            "kafka.oauth.token_endpoint": issuer.url,
            "kafka.oauth.client_id": CLIENT_ID,
            "kafka.oauth.client_secret_file": self.secret,
            "kafka.oauth.scope": SCOPE,
            "kafka.oauth.tls.ca_file": authority.file,
        }

    def documented(self, folder: Path) -> Path:
        """Return the settings file of docs/secured-kafka.md, for this broker and this issuer."""
        replaced = {
            "kafka.example:9095": self.broker.address,
            "https://login.example/realms/kafka/token": self.issuer.url,
            "client_id: chatbridge": f"client_id: {CLIENT_ID}",
        }
        return written("oauthbearer.yaml", folder, self.authority, client="none", password=SECRET, replaced=replaced)

    def cause(self, **changed: object) -> Cause | None:
        """Return what is wrong with a connection."""
        flags = self.settings | {name.replace("__", "."): value for name, value in changed.items()}
        texts = {name: str(value) for name, value in flags.items() if value is not None}
        return asyncio.run(probe_of(load(None, {}, texts)).cause())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("tokens")
    authority = Authority(folder)
    with Issuer(authority, SECRET, SECONDS) as issuer, pytest.MonkeyPatch.context() as patch:
        broker = TokenBroker(issuer.write_keys(folder / "keys.json"), authority, overrides=QUICK_TRANSACTION_TIMEOUT)
        for name, value in broker.environment.items():
            patch.setenv(name, value)
        with broker:
            yield Site(folder, issuer, authority, broker)


def test_chats_are_captured_with_the_documented_file_while_tokens_expire_and_the_secret_rotates(
    site: Site, tmp_path: Path
) -> None:
    environment = E2EEnvironment(
        site.broker.bootstrap_servers, tmp_path, kafka__transaction_timeout_seconds=10
    ).prepare()
    file = site.documented(tmp_path)
    [secret] = tmp_path.glob("*client-secret")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHATBRIDGE_CONFIG", str(file))  # of the worker, which takes its environment when it starts
        worker = environment.bridge(kafka__bootstrap_servers=site.broker.address, kafka__replication_factor=1)
    with worker as bridge, environment.chats() as chats:
        wait_for(lambda: all_joined(bridge, 10) and captured(bridge) > 100, 40, lambda: f"{reasons(bridge)}")
        assert bridge.metric("chatbridge_certificate_expiry_timestamp_seconds", which="oauth_ca") > time.time()
        granted = site.issuer.asked["granted"]
        site.issuer.secret = "the-secret-that-follows"
        secret.write_text(f"{site.issuer.secret}\n")
        wait_for(lambda: site.issuer.asked["granted"] > granted, 60, "no further token")
        before = captured(bridge)
        wait_for(lambda: bridge.ready and captured(bridge) > before + 50, 30, lambda: f"{reasons(bridge)}")
        environment.finish(chats)
        assert bridge.terminate() == 0
        assert site.issuer.scopes == {SCOPE}
        log = bridge.log.read_text("utf-8")
        assert SECRET not in log
        assert site.issuer.secret not in log
    site.issuer.secret = SECRET


def test_a_simulated_server_announces_with_tokens_and_names_the_cause_without(site: Site, tmp_path: Path) -> None:
    environment = E2EEnvironment(site.broker.bootstrap_servers, tmp_path).prepare()
    few = ("--chats", "2", "--concurrent-chats", "2", "--think-scale", "0", "--finish", "1")

    def simulate(**changed: object) -> subprocess.CompletedProcess[str]:
        settings = {**site.settings, "kafka.topic_prefix": environment.prefix, **changed}
        words = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
        command = [sys.executable, "-m", "bridge", "simulate", "--kafka", *few, *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    done = simulate()
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["announced"] == 2
    (tmp_path / "wrong").write_text("a-wrong-client-secret")
    done = simulate(**{"kafka.oauth.client_secret_file": tmp_path / "wrong"})
    assert done.returncode == 3
    assert "it answers 401 invalid_client" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_is_wrong_with_a_token_that_is_taken(site: Site, tmp_path: Path) -> None:
    assert site.cause() is None
    (tmp_path / "token").write_text(site.issuer.token())
    assert site.cause(kafka__oauth__token_endpoint=None, kafka__oauth__token_file=tmp_path / "token") is None


def test_a_wrong_secret_and_a_foreign_token_are_told_apart(site: Site, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("a-wrong-client-secret")
    cause = site.cause(kafka__oauth__client_secret_file=tmp_path / "wrong")
    assert cause is not None
    assert cause.code == "KAFKA_TOKEN_UNAVAILABLE"
    assert f"no token from {site.issuer.url}: it answers 401 invalid_client" in cause.message
    assert "a-wrong-client-secret" not in str(cause)
    with Issuer(Authority(tmp_path), SECRET, SECONDS) as foreign:
        (tmp_path / "token").write_text(foreign.token())
    cause = site.cause(kafka__oauth__token_endpoint=None, kafka__oauth__token_file=tmp_path / "token")
    assert cause is not None
    assert cause.code == "KAFKA_TOKEN_REFUSED"


def test_an_unknown_authority_of_the_endpoint_is_named_with_the_endpoint(site: Site, tmp_path: Path) -> None:
    cause = site.cause(kafka__oauth__tls__ca_file=Authority(tmp_path).file)
    assert cause is not None
    assert cause.code == "KAFKA_TOKEN_UNAVAILABLE"
    assert site.issuer.url in cause.message
