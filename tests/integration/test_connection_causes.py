"""Ten ways in which a Kafka cannot be used: ten sentences with host, setting or file, and next step; no secret."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bridge.config import load
from bridge.factories import probe_of
from bridge.sandbox.process import LOOPBACK
from tests.integration.connection_faults import (
    CANARIES,
    CANARY,
    FAULTS,
    KEY_CANARY,
    SILENT_PORT,
    TOKEN_CANARY,
    TOKENS,
    flags_of,
    locked,
)
from tests.integration.e2e_environment import E2EEnvironment, captured, environment_on, reasons
from tests.support.processes import Bridge, wait_for
from tests.support.secured_broker import PASSWORD, SecuredBroker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bridge.adapters.kafka.connection_causes import Cause
    from bridge.adapters.kafka.connection_probe import ConnectionProbe
    from tests.integration.connection_faults import Client

TRIED_AGAIN = 2
"""Attempts to use Kafka after the cause was named, in which it must not be told again."""


@pytest.fixture(scope="module", autouse=True)
def silence() -> Iterator[None]:
    """Listen, and answer nothing."""
    with socket.create_server((LOOPBACK, SILENT_PORT)):
        yield


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
    assert planted_in(str(cause)) == []


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
        flags = {**flags_of(servers, client), **TOKENS, "kafka.client.request_timeout_ms": "2000"}
        words = [f"{name}={value}" for name, value in flags.items()]
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
    assert planted_in(done.stdout + done.stderr) == []


@dataclass
class CutOffWorker:
    """What a worker said that cannot use Kafka: `reasons` of `/readyz` at the end, `asked` all answers to it."""

    servers: str
    reasons: list[str]
    asked: str
    log: str
    exit_code: int


@pytest.fixture(scope="module")
def cut_off(secured_broker: SecuredBroker, tmp_path_factory: pytest.TempPathFactory) -> dict[str, CutOffWorker]:
    """Give a worker for each fault, all at the same time: it has named the cause and gone on trying for a while."""
    with ExitStack() as stack:
        running: dict[str, tuple[str, Bridge]] = {}
        asked: dict[str, str] = {}
        for code, (fault, _, _) in FAULTS.items():
            folder = tmp_path_factory.mktemp(code)
            servers, client = fault(secured_broker, folder)
            flags = {**flags_of(servers, client), **TOKENS, "kafka.client.request_timeout_ms": "2000"}
            settings = {name.replace(".", "__"): value for name, value in flags.items()}
            bridge = Bridge(servers, folder / "log", prefix=f"{code}.", worker="cut-off", **settings)
            bridge.headers = {"Authorization": f"Bearer {TOKEN_CANARY}"}
            running[code] = (servers, stack.enter_context(bridge))

        def named(code: str) -> bool:
            told = running[code][1].get("/readyz")[1].decode()
            asked[code] = asked.get(code, "") + told
            return f'"{code}"' in told

        def errors(code: str) -> float:
            return running[code][1].metric("chatbridge_kafka_errors_total")

        for code in FAULTS:
            wait_for(lambda: named(code), 60, lambda: f"{code} is not named: {asked[code][-500:]}")  # noqa: B023 - called here
        before = {code: errors(code) for code in FAULTS}
        for code in FAULTS:  # the silent broker, with its time-outs, is that for which all the others go on
            wait_for(lambda: errors(code) >= before[code] + TRIED_AGAIN, 60, f"{code}: it does not try again")  # noqa: B023
            assert named(code)
        told = {code: reasons(bridge) for code, (_, bridge) in running.items()}
        for _, bridge in running.values():
            bridge.send(signal.SIGTERM)
        return {
            code: CutOffWorker(servers, told[code], asked[code], *ended_with(bridge))
            for code, (servers, bridge) in running.items()
        }


def ended_with(bridge: Bridge) -> tuple[str, int]:
    """Wait for the end of a worker; return its log and its exit code."""
    code = bridge.wait(40)
    return log(bridge.log), code


@pytest.mark.parametrize("code", FAULTS)
def test_a_worker_names_the_cause_in_readyz_and_once_in_its_log_and_prints_no_secret(
    cut_off: dict[str, CutOffWorker], code: str
) -> None:
    _, sentence, words = FAULTS[code]
    worker = cut_off[code]
    (cause,) = [reason for reason in worker.reasons if reason.startswith("KAFKA_") and code in reason]
    assert cause.startswith(f"{code}: ")
    assert worker.servers in cause
    assert sentence in cause
    assert [word for word in words if word not in cause] == []
    (began,) = [line for line in worker.log.splitlines() if "kafka_problem_began" in line]
    assert f"code={code}" in began
    assert sentence in began
    assert planted_in(worker.log + worker.asked + " ".join(worker.reasons)) == []
    assert "Traceback" not in worker.log
    assert worker.exit_code == 0


def planted_in(text: str) -> list[str]:
    """Return the secrets that are in a text."""
    return [secret for secret in (*CANARIES, PASSWORD) if secret in text]


def test_chats_are_captured_with_a_key_whose_password_is_in_a_file(
    secured_broker: SecuredBroker, tmp_path: Path
) -> None:
    client = secured_broker.mutual | locked(secured_broker, tmp_path, KEY_CANARY)
    with pytest.raises(TypeError, match="Password was not given"):
        load_pem_private_key((tmp_path / "locked-key.pem").read_bytes(), None)
    secret = tmp_path / "key-password"
    secret.write_text(f"{client.pop('ssl_password')}\n", encoding="ascii")
    flags = flags_of(secured_broker.address("MUTUAL"), client | {"ssl_password_file": secret})
    environment = E2EEnvironment(
        secured_broker.bootstrap_servers, tmp_path, **{name.replace(".", "__"): value for name, value in flags.items()}
    )
    secured_broker.grant(environment.prefix)
    with environment.bridge() as bridge, environment.chats(concurrent_chats=3) as chats:
        wait_for(lambda: captured(bridge) > 30, 40, lambda: f"nothing is captured: {reasons(bridge)}")
        environment.finish(chats)
        assert bridge.terminate() == 0
        assert planted_in(log(bridge.log)) == []


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
