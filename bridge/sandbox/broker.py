"""Apache Kafka on this machine: one node, or a small cluster, in KRaft mode with every node in both roles."""

from __future__ import annotations

import base64
import os
import shutil
import tempfile
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from bridge.sandbox.jars import ClassArchive, JavaProgram, java
from bridge.sandbox.node import Node
from bridge.sandbox.process import LOOPBACK, start_on_free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

BOOTSTRAP_VARIABLE = "KAFKA_BOOTSTRAP_SERVERS"

KAFKA = JavaProgram("Apache Kafka 4.2", "pom-kafka.xml", megabytes=45)

_LOG4J = Path(__file__).with_name("log4j2-kafka.xml")

# Measured on two cores, formatting included: 4.2 s with Java's defaults, 3.0 s with the quick compiler and
# the serial collector, 1.5 s with the class archive too.
_JVM_OPTIONS = ["-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData"]

# Sized for one machine and for tests: few internal partitions, no waiting for further group members, and a
# killed broker is fenced after 3 s, not 9 s: a restarted one cannot register before.
_SETTINGS = {
    "auto.create.topics.enable": "false",
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "3000",
    "group.initial.rebalance.delay.ms": "0",
    "log.cleaner.dedupe.buffer.size": str(16 << 20),  # the default uses 128 MB of the heap
    "offsets.topic.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "4",
}


class LocalCluster:
    """Apache Kafka with `nodes` brokers, all of them controllers too, on 127.0.0.1, in a temporary directory.

    A context manager, or `start()` and `stop()`. All methods block.

    Args:
        nodes: 1, or 3 for tests that stop a broker (a majority must remain).
        overrides: broker settings that replace or extend those chosen here.
    """

    def __init__(self, *, nodes: int = 1, overrides: Mapping[str, str] | None = None) -> None:
        self._count = nodes
        self._overrides = dict(overrides or {})
        self._root: Path | None = None
        self.nodes: list[Node] = []  #: in the order of their numbers, from 1; empty while stopped

    @property
    def bootstrap_servers(self) -> str:
        """The addresses of all nodes, as Kafka clients take them."""
        return ",".join(f"{LOOPBACK}:{node.port}" for node in self.nodes)

    def start(self) -> None:
        """Download Kafka if it is not there yet, start every node, and return when each knows all the others.

        Raises:
            EnvironmentFault: no Java, no Maven, no download, or a broker that does not come up.
        """
        program = KAFKA.fetch()
        start_on_free_ports(lambda ports: self._start(program, ports), self.stop, count=2 * self._count)

    def stop(self) -> None:
        """End every node and remove the directory. Safe to repeat."""
        for node in self.nodes:
            node.release()
        self.nodes = []
        if self._root is not None:
            shutil.rmtree(self._root, ignore_errors=True)
            self._root = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self, program: Path, ports: list[int]) -> None:
        self._root = root = Path(tempfile.mkdtemp(prefix="chatbridge-kafka-"))
        archive = ClassArchive(program, root)
        command = [
            java(),
            *_JVM_OPTIONS,
            f"-Djava.io.tmpdir={root}",  # the compression codecs unpack native libraries there
            f"-Dlog4j2.configurationFile={_LOG4J}",
            "-cp",
            f"{program}/*",
        ]
        self.nodes = [
            Node(number, root, pair, command, archive)
            for number, pair in enumerate(zip(ports[::2], ports[1::2], strict=True), start=1)
        ]
        voters = ",".join(f"{node.number}@{LOOPBACK}:{node.controller_port}" for node in self.nodes)
        # A leading "-" would look like an option to the formatter, so the first letter is always the same.
        cluster_id = "A" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]
        for node in self.nodes:
            node.begin_format(cluster_id, self._settings(node, voters))
        for node in self.nodes:
            node.finish_format()
        for node in self.nodes:
            node.launch(record=node.number == 1)
        for node in self.nodes:
            node.wait_for_brokers(self._count)

    def _settings(self, node: Node, voters: str) -> dict[str, str]:
        replicas = min(self._count, 3)
        in_sync = max(1, replicas - 1)
        return {
            "process.roles": "broker,controller",
            "node.id": str(node.number),
            "controller.quorum.voters": voters,
            "listeners": f"PLAINTEXT://{LOOPBACK}:{node.port},CONTROLLER://{LOOPBACK}:{node.controller_port}",
            "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{node.port}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(node.directory / "data"),
            "default.replication.factor": str(replicas),
            "min.insync.replicas": str(in_sync),
            "offsets.topic.replication.factor": str(replicas),
            "share.coordinator.state.topic.replication.factor": str(replicas),
            "share.coordinator.state.topic.min.isr": str(in_sync),
            "transaction.state.log.replication.factor": str(replicas),
            "transaction.state.log.min.isr": str(in_sync),
            **_SETTINGS,
            **self._overrides,
        }


class LocalBroker(LocalCluster):
    """Apache Kafka with a single broker, which tests can kill, restart, pause and resume."""

    def __init__(self, *, overrides: Mapping[str, str] | None = None) -> None:
        super().__init__(nodes=1, overrides=overrides)

    @property
    def pid(self) -> int:
        """The process id of the broker."""
        return self.nodes[0].pid

    def kill(self) -> None:
        """End the broker with SIGKILL; its data stays for `restart()`."""
        self.nodes[0].kill()

    def restart(self) -> None:
        """Bring the broker back on its port and data, after ending it in order if it runs."""
        self.nodes[0].restart()

    def pause(self) -> None:
        """Stop the broker with SIGSTOP: connections stay open and nothing answers."""
        self.nodes[0].pause()

    def resume(self) -> None:
        """End a `pause()`."""
        self.nodes[0].resume()


@contextmanager
def kafka_or_local(*, overrides: Mapping[str, str] | None = None) -> Iterator[str]:
    """Give the bootstrap servers of `KAFKA_BOOTSTRAP_SERVERS`, or of a broker started for the block."""
    if given := os.environ.get(BOOTSTRAP_VARIABLE):
        yield given
        return
    with LocalBroker(overrides=overrides) as broker:
        yield broker.bootstrap_servers
