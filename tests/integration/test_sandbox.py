"""The sandbox: its servers behave like real ones, and end with this process."""

from __future__ import annotations

import asyncio
import json
import os
import select
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bridge.errors import EnvironmentFault
from bridge.sandbox import LocalBroker, LocalCluster, kafka_or_local, registry_or_local
from bridge.sandbox.metadata import brokers_known_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SECOND_RECORD = b"second"
FIRST_VERSION = {"type": "record", "name": "Sample", "fields": [{"name": "a", "type": "string"}]}
COMPATIBLE = {
    **FIRST_VERSION,
    "fields": [*FIRST_VERSION["fields"], {"name": "b", "type": "int", "default": 0}],
}
INCOMPATIBLE = {**FIRST_VERSION, "fields": [{"name": "a", "type": "int"}]}


@pytest.fixture
def own_broker() -> Iterator[LocalBroker]:
    """Give a broker that the test may kill."""
    with LocalBroker() as started:
        yield started


async def create_topic(bootstrap_servers: str, *, replicas: int = 1) -> str:
    topic = f"sandbox-{uuid.uuid4().hex}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=replicas)])
    finally:
        await admin.close()
    return topic


async def produce_in_transaction(bootstrap_servers: str, topic: str, *values: bytes, commit: bool = True) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers, transactional_id=uuid.uuid4().hex, compression_type="zstd"
    )
    await producer.start()
    try:
        await producer.begin_transaction()
        for value in values:
            await producer.send_and_wait(topic, value)
        await (producer.commit_transaction() if commit else producer.abort_transaction())
    finally:
        await producer.stop()


async def consume(bootstrap_servers: str, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap_servers,
        group_id=uuid.uuid4().hex,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    await consumer.start()
    try:
        async with asyncio.timeout(30):
            return [(await consumer.getone()).value for _ in range(count)]
    finally:
        await consumer.stop()


def ask(method: str, url: str, body: object = None) -> tuple[int, Any]:
    request = urllib.request.Request(
        url,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/vnd.schemaregistry.v1+json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, json.load(refusal)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not become true in 30 s"
        time.sleep(0.02)


def wait_for_the_end_of(pid: int) -> bool:
    """Return whether the process ended within ten seconds."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], 10)[0])
    finally:
        os.close(descriptor)


def test_a_consumer_reads_what_was_committed_and_not_what_was_aborted(broker: str) -> None:
    async def scenario() -> list[bytes]:
        topic = await create_topic(broker)
        await produce_in_transaction(broker, topic, b"aborted", commit=False)
        await produce_in_transaction(broker, topic, b"first", SECOND_RECORD)
        return await consume(broker, topic, 2)

    assert asyncio.run(scenario()) == [b"first", SECOND_RECORD]


def test_a_killed_broker_comes_back_on_its_port_with_its_data(own_broker: LocalBroker) -> None:
    address, first_pid = own_broker.bootstrap_servers, own_broker.pid
    topic = asyncio.run(create_topic(address))
    asyncio.run(produce_in_transaction(address, topic, b"first"))
    own_broker.kill()
    assert wait_for_the_end_of(first_pid)
    own_broker.restart()
    assert own_broker.bootstrap_servers == address
    assert own_broker.pid != first_pid
    asyncio.run(produce_in_transaction(address, topic, SECOND_RECORD))
    assert asyncio.run(consume(address, topic, 2)) == [b"first", SECOND_RECORD]


def test_a_paused_broker_accepts_connections_but_does_not_answer(own_broker: LocalBroker) -> None:
    host, port = own_broker.bootstrap_servers.split(":")
    own_broker.pause()
    assert brokers_known_to(host, int(port), 0.5) == 0
    own_broker.resume()
    wait_for(lambda: brokers_known_to(host, int(port), 1) == 1)


def test_a_broker_dies_and_leaves_no_files_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, tempfile, bridge.sandbox\n"
        "tempfile.tempdir = sys.argv[1]\n"
        "broker = bridge.sandbox.LocalBroker()\n"
        "broker.start()\n"
        "print(broker.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        broker_pid = int(parent.stdout.readline())
        assert list(tmp_path.iterdir())
        parent.kill()
    assert wait_for_the_end_of(broker_pid)
    wait_for(lambda: not list(tmp_path.iterdir()))


def test_a_stopped_broker_leaves_no_process_and_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    broker = LocalBroker()
    broker.start()
    pid = broker.pid
    broker.stop()
    broker.stop()
    assert wait_for_the_end_of(pid)
    assert not list(tmp_path.iterdir())


def test_a_setting_that_kafka_refuses_is_named_in_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with (
        pytest.raises(EnvironmentFault, match=r"log\.segment\.bytes"),
        LocalBroker(overrides={"log.segment.bytes": "x"}),
    ):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.faults
def test_three_nodes_serve_on_when_one_is_killed() -> None:
    with LocalCluster(nodes=3) as cluster:
        topic = asyncio.run(create_topic(cluster.bootstrap_servers, replicas=3))
        asyncio.run(produce_in_transaction(cluster.bootstrap_servers, topic, b"first"))
        cluster.nodes[1].kill()
        asyncio.run(produce_in_transaction(cluster.bootstrap_servers, topic, SECOND_RECORD))
        assert asyncio.run(consume(cluster.bootstrap_servers, topic, 2)) == [b"first", SECOND_RECORD]
        cluster.nodes[1].restart()
        assert cluster.nodes[1].running


def test_the_registry_serves_a_schema_by_its_id_and_keeps_its_subject_compatible(registry: str) -> None:
    subject = f"sandbox-{uuid.uuid4().hex}-value"
    config = f"{registry}/config/{subject}"
    versions = f"{registry}/subjects/{subject}/versions"
    check = f"{registry}/compatibility/subjects/{subject}/versions"

    assert ask("PUT", config, {"compatibility": "BACKWARD_TRANSITIVE"})[0] == 200
    status, registered = ask("POST", versions, {"schema": json.dumps(FIRST_VERSION)})
    assert status == 200
    status, served = ask("GET", f"{registry}/schemas/ids/{registered['id']}")
    assert (status, json.loads(served["schema"])) == (200, FIRST_VERSION)
    assert ask("POST", check, {"schema": json.dumps(COMPATIBLE)}) == (200, {"is_compatible": True})
    assert ask("POST", check, {"schema": json.dumps(INCOMPATIBLE)}) == (200, {"is_compatible": False})
    assert ask("POST", versions, {"schema": json.dumps(INCOMPATIBLE)})[0] == 409


def test_an_address_in_the_environment_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "kafka.invalid:9092")
    monkeypatch.setenv("SCHEMA_REGISTRY_URL", "http://registry.invalid")
    monkeypatch.setattr("subprocess.Popen", None)
    with kafka_or_local() as bootstrap_servers, registry_or_local() as url:
        assert (bootstrap_servers, url) == ("kafka.invalid:9092", "http://registry.invalid")
