"""SASL OAUTHBEARER over TLS: tokens of an endpoint with its own authority, checked by a broker, renewed in time."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from bridge.config import load
from bridge.factories import probe_of
from tests.integration.capturing_bridge import QUICK_TRANSACTION_TIMEOUT
from tests.integration.e2e_environment import (
    E2EEnvironment,
    all_joined,
    captured,
    followed,
    joins_and_leaves,
    reasons,
)
from tests.support.certificates import Authority
from tests.support.documented_settings import written
from tests.support.oidc import CLIENT_ID, Issuer
from tests.support.processes import wait_for
from tests.support.shown_ends import shown_ends
from tests.support.token_broker import TokenBroker

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from bridge.adapters.kafka.connection_causes import Cause
    from tests.support.processes import Bridge

SECRET = "a-client-secret-of-the-tests"
SCOPE = "kafka"
SECONDS = 12
CHATS = 40
"""So many that each worker has some: of ten, one run in sixty had none on the partition of one of them."""


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


@contextmanager
def renewed(file: Path, issuer: Issuer) -> Iterator[list[str]]:
    """Write a new token to a file every few seconds, as a program beside a worker does; yield all of them."""
    written_ones, ended = list[str](), threading.Event()

    def write() -> None:
        written_ones.append(issuer.token())
        file.with_suffix(".next").write_text(written_ones[-1], encoding="ascii")
        file.with_suffix(".next").replace(file)

    def go_on() -> None:
        while not ended.wait(SECONDS / 3):
            write()

    write()
    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield written_ones
    finally:
        ended.set()
        thread.join()


def test_chats_are_captured_while_tokens_of_a_file_and_of_an_endpoint_expire_and_its_secret_rotates(
    site: Site, tmp_path: Path
) -> None:
    """Two workers: one with the documented file and an endpoint, the other with a file of tokens."""
    environment = E2EEnvironment(
        site.broker.bootstrap_servers, tmp_path, kafka__transaction_timeout_seconds=10
    ).prepare()
    documented, token = site.documented(tmp_path), tmp_path / "access-token"
    [secret] = tmp_path.glob("*client-secret")
    issued = site.authority.issue("client-of-the-endpoint")
    of_endpoint: dict[str, Any] = {
        "kafka__bootstrap_servers": site.broker.address,
        "kafka__replication_factor": 1,
        "kafka__oauth__tls__certificate_file": issued.certificate_file,
        "kafka__oauth__tls__key_file": issued.key_file,
    }
    of_file: dict[str, Any] = {
        **{name.replace(".", "__"): value for name, value in site.settings.items() if "oauth" not in name},
        "kafka__oauth__token_file": token,
    }
    with renewed(token, site.issuer) as tokens:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CHATBRIDGE_CONFIG", str(documented))  # of the worker, which takes it when it starts
            worker = environment.bridge(**of_endpoint)
        with worker as first, environment.bridge("worker-2", **of_file) as second:
            both = (first, second)
            wait_for(lambda: all(one.metric("chatbridge_shards") for one in both), 60, lambda: f"{told(both)}")
            with environment.chats(concurrent_chats=CHATS) as chats:
                wait_for(
                    lambda: sum(len(followed(one)) for one in both) == CHATS and all(map(all_joined, both)),
                    40,
                    lambda: f"{told(both)}",
                )
                asked = joins_and_leaves(chats)
                assert shown_ends(first) == {
                    "oauth": issued.ends.timestamp(),
                    **dict.fromkeys(("kafka_ca", "oauth_ca"), site.authority.ends.timestamp()),
                }
                granted, known = site.issuer.asked["granted"], tokens[-1]
                site.issuer.secret = "the-secret-that-follows"
                secret.write_text(f"{site.issuer.secret}\n")
                wait_for(lambda: site.issuer.asked["granted"] > granted, 60, "no further token")
                (tmp_path / "former").write_text(known)
                wait_for(lambda: refuses_token(site, tmp_path / "former"), 30, "a token does not expire")
                before = [captured(one) for one in both]
                wait_for(
                    lambda: all(one.ready and captured(one) > count for one, count in zip(both, before, strict=True)),
                    30,
                    lambda: f"{told(both)}",
                )
                assert joins_and_leaves(chats) == asked
                assert environment.finish(chats).explained == []
            assert [one.terminate() for one in both] == [0, 0]
    assert site.issuer.scopes == {SCOPE}
    log = "".join(one.log.read_text("utf-8") for one in both)
    assert [one for one in (SECRET, site.issuer.secret, *tokens) if one in log] == []
    site.issuer.secret = SECRET


def told(bridges: Iterable[Bridge]) -> list[list[str]]:
    """Return the reasons of workers, none of one that does not listen yet."""
    return [reasons(one) if one.get("/livez")[0] else [] for one in bridges]


def refuses_token(site: Site, file: Path) -> bool:
    """Whether the broker refuses another client with the token in a file."""
    cause = site.cause(kafka__oauth__token_endpoint=None, kafka__oauth__token_file=file)
    return cause is not None and cause.code == "KAFKA_TOKEN_REFUSED"


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
    assert refuses_token(site, tmp_path / "token")


def test_an_unknown_authority_of_the_endpoint_is_named_with_the_endpoint(site: Site, tmp_path: Path) -> None:
    cause = site.cause(kafka__oauth__tls__ca_file=Authority(tmp_path).file)
    assert cause is not None
    assert cause.code == "KAFKA_TOKEN_UNAVAILABLE"
    assert site.issuer.url in cause.message
