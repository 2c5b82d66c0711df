"""Ten ways in which a Kafka cannot be used: ten sentences with host, setting or file, and next step; no secret."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from bridge.config import load
from bridge.factories import probe_of
from bridge.sandbox.process import LOOPBACK, free_ports
from tests.integration.e2e_environment import captured, environment_on, reasons
from tests.support.certificates import Authority
from tests.support.processes import wait_for
from tests.support.secured_broker import PASSWORD, SecuredBroker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bridge.adapters.kafka.connection_causes import Cause
    from bridge.adapters.kafka.connection_probe import ConnectionProbe

CANARY = "canary-5ecret-5ecret"
"""A password that is wrong; it must not occur in anything that is printed."""
Client = dict[str, Any]
Fault = Callable[[SecuredBroker, "Path"], tuple[str, Client]]


def wrong_password(broker: SecuredBroker, folder: Path) -> tuple[str, Client]:
    secret = folder / "kafka-password"
    secret.write_text(CANARY, encoding="ascii")
    client = {name: value for name, value in broker.scram.items() if name != "sasl_plain_password"}
    return broker.address("SECURED"), {**client, "sasl_plain_password_file": str(secret)}


def unknown_authority(broker: SecuredBroker, folder: Path) -> tuple[str, Client]:
    return broker.address("SECURED"), {**broker.scram, "ssl_cafile": str(Authority(folder, "stranger").file)}


def wrong_host_name(broker: SecuredBroker, _: Path) -> tuple[str, Client]:
    return broker.address("SECURED", "localhost"), broker.scram


def expired(broker: SecuredBroker, _: Path) -> tuple[str, Client]:
    return broker.address("EXPIRED"), broker.mutual


def certificate_wanted(broker: SecuredBroker, _: Path) -> tuple[str, Client]:
    return broker.address("MUTUAL"), {"security_protocol": "SSL", "ssl_cafile": str(broker.authority.file)}


def plaintext_to_tls(broker: SecuredBroker, _: Path) -> tuple[str, Client]:
    return broker.address("SECURED"), {**broker.scram, "security_protocol": "SASL_PLAINTEXT"}


def tls_to_plaintext(broker: SecuredBroker, _: Path) -> tuple[str, Client]:
    return broker.bootstrap_servers, broker.scram


def wrong_mechanism(broker: SecuredBroker, _: Path) -> tuple[str, Client]:
    return broker.address("SECURED"), {**broker.scram, "sasl_mechanism": "PLAIN", "sasl_plain_password": CANARY}


def silent_broker(broker: SecuredBroker, _: Path) -> tuple[str, Client]:
    return f"{LOOPBACK}:{SILENT_PORT}", broker.scram


def refused_connection(broker: SecuredBroker, _: Path) -> tuple[str, Client]:
    [port] = free_ports(1)
    return f"{LOOPBACK}:{port}", broker.scram


[SILENT_PORT] = free_ports(1)
FAULTS: dict[str, tuple[Fault, str, tuple[str, ...]]] = {
    "KAFKA_PASSWORD_REFUSED": (wrong_password, "user bridge", ("kafka-password", "SCRAM-SHA-512")),
    "KAFKA_AUTHORITY_UNKNOWN": (unknown_authority, "no authority", ("stranger.pem", "ssl_cafile")),
    "KAFKA_NAME_MISMATCH": (wrong_host_name, "certificate for 127.0.0.1, not for localhost", ("bootstrap_servers",)),
    "KAFKA_CERTIFICATE_EXPIRED": (expired, "expired on", ("renew",)),
    "KAFKA_WANTS_CERTIFICATE": (certificate_wanted, "wants a client certificate", ("ssl_certfile",)),
    "KAFKA_USES_TLS": (plaintext_to_tls, "uses TLS", ("SASL_PLAINTEXT", "security_protocol")),
    "KAFKA_WITHOUT_TLS": (tls_to_plaintext, "does not use TLS", ("SASL_SSL", "security_protocol")),
    "KAFKA_MECHANISM_UNKNOWN": (wrong_mechanism, "does not offer PLAIN; it offers SCRAM-SHA-512", ("sasl_mechanism",)),
    "KAFKA_SILENT": (silent_broker, "does not answer", ("firewalls",)),
    "KAFKA_REFUSES": (refused_connection, "refuses the connection", ("bootstrap_servers",)),
}
"""Code -> what is wrong, the middle of its sentence, and words of the sentence or the next step."""


@pytest.fixture(scope="module", autouse=True)
def silence() -> Iterator[None]:
    """Listen, and answer nothing."""
    with socket.create_server((LOOPBACK, SILENT_PORT)):
        yield


def flags_of(servers: str, client: Client) -> dict[str, str]:
    return {
        "kafka.bootstrap_servers": servers,
        **{f"kafka.client.{name}": str(value) for name, value in client.items()},
    }


def probe(servers: str, client: Client) -> ConnectionProbe:
    return probe_of(load(None, {}, flags_of(servers, client)))


def found(servers: str, client: Client) -> Cause | None:
    return asyncio.run(probe(servers, client).cause())


@pytest.fixture(scope="module")
def causes(
    secured_broker: SecuredBroker, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[str, Cause | None]]:
    """Give, for each fault, the address and what was found; all are looked into at the same time."""

    async def find() -> dict[str, tuple[str, Cause | None]]:
        places = {code: fault(secured_broker, tmp_path_factory.mktemp(code)) for code, (fault, _, _) in FAULTS.items()}
        results = await asyncio.gather(*(probe(*place).cause() for place in places.values()))
        return {code: (servers, cause) for (code, (servers, _)), cause in zip(places.items(), results, strict=True)}

    return asyncio.run(find())


@pytest.mark.parametrize("code", FAULTS)
def test_each_fault_is_named_with_its_host_and_what_to_do(
    causes: dict[str, tuple[str, Cause | None]], code: str
) -> None:
    _, sentence, words = FAULTS[code]
    servers, cause = causes[code]
    assert cause is not None
    assert cause.code == code
    assert servers in cause.message
    assert sentence in cause.message
    assert [word for word in words if word not in str(cause)] == []
    assert cause.next_step
    assert CANARY not in str(cause)
    assert PASSWORD not in str(cause)


def test_ten_faults_have_ten_sentences_even_without_their_hosts(causes: dict[str, tuple[str, Cause | None]]) -> None:
    sentences = {cause.message.replace(servers, "HOST") for servers, cause in causes.values() if cause is not None}
    assert len(sentences) == len(FAULTS) == 10


def test_the_date_of_an_expired_certificate_is_that_of_the_certificate(secured_broker: SecuredBroker) -> None:
    cause = found(secured_broker.address("EXPIRED"), secured_broker.mutual)
    assert cause is not None
    ends = secured_broker.expired.ends
    assert f"expired on {ends:%b} {ends.day:2} {ends:%H:%M:%S %Y} GMT" in cause.message


@pytest.mark.parametrize("way", ["SECURED", "MUTUAL", "plaintext"])
def test_nothing_is_wrong_with_a_connection_that_works(secured_broker: SecuredBroker, way: str) -> None:
    servers, client = {
        "SECURED": (secured_broker.address("SECURED"), secured_broker.scram),
        "MUTUAL": (secured_broker.address("MUTUAL"), secured_broker.mutual),
        "plaintext": (secured_broker.bootstrap_servers, {}),
    }[way]
    assert found(servers, client) is None
    assert found(f"{LOOPBACK}:1,{servers}", client) is None, "one server that answers is enough"


def test_a_listener_that_asks_for_a_user_or_does_not_is_told_apart(secured_broker: SecuredBroker) -> None:
    wants = found(secured_broker.address("OPEN"), {})
    assert wants is not None
    assert (wants.code, "SCRAM-SHA-512" in wants.next_step) == ("KAFKA_WANTS_SASL", True)
    without = found(secured_broker.bootstrap_servers, {**secured_broker.scram, "security_protocol": "SASL_PLAINTEXT"})
    assert without is not None
    assert without.code == "KAFKA_WITHOUT_SASL"


@pytest.fixture(scope="module")
def ended(
    secured_broker: SecuredBroker, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[str, subprocess.CompletedProcess[str]]]:
    """Give, for each fault, the address and a command that it ended; two at a time, for most of it is waiting."""

    def end(code: str) -> tuple[str, subprocess.CompletedProcess[str]]:
        servers, client = FAULTS[code][0](secured_broker, tmp_path_factory.mktemp(code))
        words = [f"{name}={value}" for name, value in flags_of(servers, client).items()]
        words.append("kafka.client.request_timeout_ms=2000")
        done = subprocess.run(
            [sys.executable, "-m", "bridge", "topics", "plan", *(word for each in words for word in ("--set", each))],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return servers, done

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(FAULTS, pool.map(end, FAULTS), strict=True))


@pytest.mark.parametrize("code", FAULTS)
def test_a_command_ends_with_the_cause_and_prints_no_secret(
    ended: dict[str, tuple[str, subprocess.CompletedProcess[str]]], code: str
) -> None:
    servers, done = ended[code]
    assert done.returncode == 3
    first, second = [line for line in done.stderr.splitlines() if line.startswith(("chatbridge: ", "  next: "))]
    assert first.startswith(f"chatbridge: {code}: ")
    assert servers in first
    assert FAULTS[code][1] in first
    assert len(second) > len("  next: ")
    assert CANARY not in done.stdout + done.stderr


def test_a_running_bridge_names_a_new_cause_once_and_says_when_it_is_over(
    secured_broker: SecuredBroker, tmp_path: Path
) -> None:
    secret = tmp_path / "kafka-password"
    secret.write_text(PASSWORD, encoding="ascii")
    environment = environment_on(secured_broker, tmp_path, kafka__transaction_timeout_seconds=10)
    del environment.settings["kafka__client__sasl_plain_password"]
    with environment.bridge(kafka__client__sasl_plain_password_file=secret) as bridge, environment.chats():
        wait_for(lambda: captured(bridge) > 100, 40, "nothing is captured")
        secured_broker.set_password(CANARY)
        secured_broker.restart()  # old connections stay authenticated otherwise
        try:
            wait_for(
                lambda: any(
                    each.startswith("KAFKA_PASSWORD_REFUSED: ") and "refuses the user bridge" in each
                    for each in reasons(bridge)
                ),
                40,
                lambda: f"reported: {reasons(bridge)}",
            )
            assert str(secret) in " ".join(reasons(bridge))
        finally:
            secured_broker.set_password(PASSWORD)
        bridge.wait_ready()
        wait_for(
            lambda: "kafka_problem_ended code=KAFKA_PASSWORD_REFUSED" in log(bridge.log), 20, "its end is not said"
        )
        assert log(bridge.log).count("kafka_problem_began code=KAFKA_PASSWORD_REFUSED") == 1
        printed = log(bridge.log) + " ".join(reasons(bridge))
        assert PASSWORD not in printed


def log(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_a_registry_address_with_credentials_is_refused_without_showing_them() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bridge", "config", "--set", f"schema_registry.url=http://u:{CANARY}@registry:8081"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "schema_registry.url" in done.stderr
    assert CANARY not in done.stdout + done.stderr
