"""`chatbridge doctor` against an installation where all is well, and against broken ones: it names the right cause."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import NewTopic

from bridge.adapters.kafka.cluster_look import ClusterLook
from bridge.adapters.schema_registry import SchemaRegistry
from bridge.doctor.results.clock_skew import clock_result
from bridge.sandbox import LocalBroker
from bridge.sandbox.broker import LocalCluster
from bridge.sandbox.process import LOOPBACK, free_ports
from tests.integration.healthy_installation import CANARY, PARTITIONS, Installation, doctor, failures, flags_of, of
from tests.support.kafka_tools import alter, create
from tests.support.processes import Bridge, Simulator, wait_for
from tests.support.threaded_server import QuietHandler, ThreadedServer
from tests.support.unique_prefixes import unique_prefix

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOTAL_SECONDS = 32
"""It ends within 30 seconds, and the interpreter has to start."""


@pytest.fixture(scope="module")
def installation(registry: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with ExitStack() as stack:
        cluster = stack.enter_context(LocalCluster(nodes=3))
        yield Installation(cluster, registry, tmp_path_factory.mktemp("installation"), stack)


def test_every_line_about_a_healthy_installation_is_ok(installation: Installation) -> None:
    code, lines = doctor(installation.settings, *installation.chat_server)
    assert [line for line in lines if line["state"] != "ok"] == []
    assert code == 0
    checks = {line["check"] for line in lines}
    assert len(checks) == 15
    assert [line["detail"] for line in lines if line["check"] == "kafka brokers"] == [
        f"{address}, Kafka 4.2" for address in installation.cluster.bootstrap_servers.split(",")
    ]
    [clock] = [line for line in lines if line["check"] == "clock"]
    assert "uncertainty" in clock["detail"]
    [server] = [line for line in lines if line["check"] == "chat server"]
    assert "ClientVersion 106" in server["detail"]


def test_it_joins_no_chat_writes_no_record_and_no_member_joins_the_group(installation: Installation) -> None:
    prefix = unique_prefix()
    settings = installation.elsewhere(prefix)
    code, lines = doctor(settings)
    assert code == 0
    assert {line["code"] for line in lines if line["check"] == "topics"} == {"TOPIC_MISSING"}
    assert {line["code"] for line in lines if line["check"] == "schema registry"} == {"SCHEMA_NOT_REGISTERED"}
    assert {line["code"] for line in lines if line["check"] == "kafka rights"} == {"OK", "NOT_TOLD"}
    again = doctor(settings)[1]
    told = [(line["check"], line["code"]) for line in lines]
    assert [(line["check"], line["code"]) for line in again] == told, "the first examination has changed something"


def test_topics_that_deviate_are_named_with_what_is_wrong(installation: Installation) -> None:
    broker, prefix = installation.cluster.bootstrap_servers, unique_prefix()
    settings = {**installation.elsewhere(prefix), "kafka.manage_topics": "never"}
    for name, count, factor in (
        ("transcript.events", 3, 1),
        ("transcript.sessions", 4, 3),
        ("transcript.quarantine", 3, 3),
        ("capture.checkpoints", 3, 3),
    ):
        create(broker, NewTopic(f"{prefix}chat.{name}.v1", count, factor))
    code, lines = doctor(settings)
    topics = {(line["subject"].removeprefix(prefix), line["code"]) for line in lines if line["check"] == "topics"}
    assert code == 1
    assert topics >= {
        ("chat.transcript.events.v1", "ONE_REPLICA"),
        ("chat.capture.checkpoints.v1", "CLEANUP_POLICY"),
        ("chat.capture.announcements.v1", "TOPIC_MISSING"),
        ("partitions", "PARTITIONS_DIFFER"),
    }
    assert {check for check, _ in failures(lines)} == {"topics"}


def test_a_size_limit_that_deletes_before_the_time_is_named(installation: Installation) -> None:
    events = installation.topic("transcript.events")
    alter(installation.cluster.bootstrap_servers, events, "retention.bytes", "1000")
    try:
        code, lines = doctor(installation.settings)
    finally:
        alter(installation.cluster.bootstrap_servers, events, "retention.bytes", None)
    assert code == 0
    assert events in of(lines, "retention", "SIZE_LIMIT_FIRST")["subject"]


def test_a_consumer_of_others_and_a_worker_id_of_another_host_are_told_from_workers(
    installation: Installation,
) -> None:
    topic = installation.topic("capture.announcements")
    group = f"{installation.prefix}shared"
    consumer = Consumer(
        {"bootstrap.servers": installation.cluster.bootstrap_servers, "group.id": group, "session.timeout.ms": 6000}
    )
    try:
        consumer.subscribe([topic])
        wait_for(lambda: consumer.poll(0.2) or consumer.assignment(), 30, "it does not join")
        code, lines = doctor({**installation.settings, "kafka.group": group})
    finally:
        consumer.close()
    assert code == 1
    assert failures(lines) == {("consumer group", "GROUP_SHARED")}


def test_a_second_process_with_the_worker_id_is_found_by_what_the_first_one_says(
    installation: Installation, tmp_path: Path
) -> None:
    broker, prefix = installation.cluster.bootstrap_servers, f"{installation.prefix}twins."

    def worker(name: str) -> Bridge:
        return Bridge(broker, tmp_path / name, prefix=prefix, worker="same", kafka__partitions=PARTITIONS)

    with worker("first") as first:
        first.wait_ready()
        with worker("second") as second:
            wait_for(lambda: b"WORKER_ID_TAKEN" in first.get("/readyz")[1], 30, "it was not replaced")
            code, lines = doctor(
                {
                    "kafka.bootstrap_servers": broker,
                    "kafka.topic_prefix": prefix,
                    "kafka.group": f"{prefix}bridge",
                    "http.port": first.port,
                    "worker_id": "same",
                }
            )
            second.kill()
        first.kill()
    assert code == 1
    assert ("worker", "WORKER_ID_TAKEN") in failures(lines)


def test_a_registry_with_another_schema_is_told_from_one_that_is_away(installation: Installation) -> None:
    prefix = unique_prefix()
    other = {"type": "record", "name": "TranscriptEvent", "namespace": "org.chatbridge.v1", "fields": []}

    async def register() -> None:
        async with SchemaRegistry([installation.settings["schema_registry.url"]], timeout_seconds=20) as client:
            await client.register(f"{prefix}chat.transcript.events.v1-value", json.dumps(other))

    asyncio.run(register())
    settings = installation.elsewhere(prefix)
    assert failures(doctor(settings)[1]) == {("schema registry", "SCHEMA_INCOMPATIBLE")}
    [port] = free_ports(1)
    away = doctor({**settings, "schema_registry.url": f"http://{LOOPBACK}:{port}"})[1]
    assert failures(away) == {("schema registry", "REGISTRY_UNAVAILABLE")}
    with ThreadedServer(Forbidding) as server:
        refused = doctor({**settings, "schema_registry.url": server.base_url, "schema_registry.auth.user": "u"})[1]
    assert failures(refused) == {("schema registry", "REGISTRY_REFUSED")}
    assert "401" in of(refused, "schema registry", "REGISTRY_REFUSED")["detail"]


class Forbidding(QuietHandler):
    """Knows no user."""

    def do_POST(self) -> None:  # noqa: N802 - the name is the library's
        self.answer(401, b'{"error_code": 401, "message": "no such user"}')


def test_each_fault_of_a_chat_server_is_named(installation: Installation, registry: str, tmp_path: Path) -> None:
    [closed] = free_ports(1)
    plain = {name: value for name, value in installation.settings.items() if ".tls." not in name}
    plain_server = installation.simulator.address
    old = Simulator(tmp_path / "old.log", tmp_path / "old.jsonl", no_traffic=True, client_version=104)
    with old, socket.create_server((LOOPBACK, 0)) as silent:
        silent_server = f"{LOOPBACK}:{silent.getsockname()[1]}"
        servers = {
            f"{LOOPBACK}:{closed}": "SERVER_REFUSES",
            silent_server: "SERVER_SILENT",
            registry.removeprefix("http://").partition("/")[0]: "SERVER_UNREADABLE",
            "no-such-host.invalid:4800": "SERVER_NAME_UNKNOWN",
            installation.chat_server[1]: "SERVER_CLOSES",
            old.address: "CLIENT_VERSION_LOWER",
            plain_server: "OK",
        }
        words = [word for server in servers for word in ("--chat-server", server)]
        lines = doctor(plain, *words)[1]
    told = {line["subject"]: line["code"] for line in lines if line["check"] == "chat server"}
    assert told == servers
    assert failures(doctor(installation.settings, "--chat-server", plain_server)[1]) == {("chat server", "SERVER_TLS")}


def test_a_clock_that_is_wrong_is_measured(installation: Installation) -> None:
    ahead = 3_600.0
    look = ClusterLook(installation.cluster.bootstrap_servers, dict, clock=lambda: time.time() + ahead)
    reading = asyncio.run(look.controller_clock())
    measured = (reading.asked_ms + reading.answered_ms) / 2_000 - reading.told_ms / 1_000
    doubt = (reading.answered_ms - reading.asked_ms) / 2_000
    assert abs(measured - ahead) <= doubt + 0.1, "the nodes run on this machine, with its clock"
    assert clock_result(reading, {}).code == "CLOCK_DIFFERS"


def test_too_few_open_files_are_named_as_text(installation: Installation) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bridge", "doctor", *installation.chat_server, *flags_of(installation.settings)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100)),
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    [at] = [number for number, line in enumerate(lines) if "[OPEN_FILES_LOW]" in line]
    assert "WARNING" in lines[at]
    assert "100 may be open" in lines[at]
    assert "next: raise the limit" in lines[at + 1]
    assert ", 1 warning, 0 failed, 0 not checked" in lines[-1]
    assert CANARY not in done.stdout


def test_limits_of_a_broker_and_a_topic_that_it_cannot_make_are_named() -> None:
    overrides = {"transaction.max.timeout.ms": "30000", "transaction.state.log.replication.factor": "3"}
    with LocalBroker(overrides=overrides) as broker:
        lines = doctor(nowhere() | {"kafka.bootstrap_servers": broker.bootstrap_servers})[1]
    assert failures(lines) == {("broker limits", "BROKER_LIMIT"), ("transactions", "NO_COORDINATOR")}
    assert "kafka.transaction_timeout_seconds" in of(lines, "broker limits", "BROKER_LIMIT")["detail"]


def test_a_broker_that_advertises_an_address_where_nothing_listens_is_named() -> None:
    [port] = free_ports(1)
    with LocalBroker(overrides={"advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}"}) as broker:
        lines = doctor(nowhere() | {"kafka.bootstrap_servers": broker.bootstrap_servers})[1]
    assert failures(lines) == {("kafka brokers", "KAFKA_REFUSES")}
    line = of(lines, "kafka brokers", "KAFKA_REFUSES")
    assert f"{LOOPBACK}:{port}" in line["detail"]
    assert "advertised.listeners" in line["next"]
    assert all(each["code"] == "BLOCKED" for each in lines if each["check"] in {"topics", "clock", "consumer group"})


def test_it_ends_in_time_when_nothing_answers_at_all() -> None:
    with socket.create_server((LOOPBACK, 0)) as silent:
        port = silent.getsockname()[1]
        address = f"{LOOPBACK}:{port}"
        settings = {
            "kafka.bootstrap_servers": address,
            "schema_registry.url": f"http://{address}",
            "http.port": port,
            "http.token": CANARY,
        }
        began = time.monotonic()
        code, lines = doctor(settings, "--chat-server", address)
        assert time.monotonic() - began < TOTAL_SECONDS
    assert code == 1
    assert failures(lines) == {
        ("kafka connection", "KAFKA_SILENT"),
        ("schema registry", "NO_ANSWER"),
        ("chat server", "SERVER_SILENT"),
        ("worker", "NO_ANSWER"),
    }
    assert "because the check `kafka connection` did not succeed" in {line["detail"] for line in lines}


def nowhere() -> dict[str, object]:
    """Return settings with which no worker is found on this machine."""
    [port] = free_ports(1)
    return {"http.port": port, "http.token": CANARY}
