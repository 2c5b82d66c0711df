"""Two workers on a Kafka of their own, watched by a Prometheus with the alerts of deploy/prometheus.

The windows of the rules are shortened by FACTOR.
"""

from __future__ import annotations

import json
import os
import urllib.request
from contextlib import ExitStack
from typing import TYPE_CHECKING, ClassVar, Final, Self

from sqlalchemy import text

from bridge.adapters.kafka.partitioner import partition_of
from bridge.sandbox import LocalBroker
from bridge.sandbox.process import free_ports
from tests.integration.capturing_bridge import QUICK_TRANSACTION_TIMEOUT, SHORT_KAFKA_TIMEOUTS
from tests.integration.e2e_environment import PARTITIONS, E2EEnvironment, followed
from tests.sources.ucs.interaction_table import InteractionTable
from tests.support.certificates import Authority
from tests.support.kafka_tools import write
from tests.support.processes import Bridge, wait_for
from tests.watching.alert_rules import shortened
from tests.watching.faulty_worker import MEMORY_LIMIT_FILE
from tests.watching.prometheus_server import PrometheusServer

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

AUTHORITY_FILE: Final = "authority.pem"
FACTOR: Final = 60
"""A minute of a rule is a second here."""
WORKERS: Final = ("worker-1", "worker-2")
AMPLE_MEMORY: Final = 4 << 30
CHATS: Final = 12
CLOSED_PORT: Final = 1
_SETTINGS: Final = {
    **SHORT_KAFKA_TIMEOUTS,
    "kafka__session_timeout_seconds": 10,
    "capture__inbox_bytes": 1 << 20,
    "sources__chat_server__register_timeout_seconds": 2,
    "sources__chat_server__join_timeout_seconds": 2,
    "sources__chat_server__reconnect_attempts": 2,
}


class WatchedWorker(Bridge):
    """A worker on the port that Prometheus scrapes, with TLS and what `faulty_worker` adds."""

    program: ClassVar[list[str]] = ["-m", "tests.watching.faulty_worker"]

    def __init__(self, bootstrap_servers: str, log: Path, *, prefix: str, worker: str, **settings: object) -> None:
        super().__init__(bootstrap_servers, log, prefix=prefix, worker=worker, **settings)
        self.port = int(str(settings["http__port"]))

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"


class WatchedFleet:
    """A context manager. `workers` by name; `environment` is that of their topics and processes.

    Whoever asks the workers, Prometheus and curl included, finds their authority through the environment: SSL_CERT_FILE
    has to be AUTHORITY_FILE of the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broker = LocalBroker(overrides=QUICK_TRANSACTION_TIMEOUT)
        self.workers: dict[str, Bridge] = {}
        self.ports = dict(zip(WORKERS, free_ports(len(WORKERS)), strict=True))
        self.memory_limit = folder / MEMORY_LIMIT_FILE
        self.set_memory_limit(AMPLE_MEMORY)
        self.authority = Authority(folder)
        assert os.environ.get("SSL_CERT_FILE") == str(folder / AUTHORITY_FILE) == str(self.authority.file)
        self._certificate = self.authority.issue("worker", days=60)
        self.interactions = InteractionTable(f"sqlite:///{folder}/ucs.db")
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.broker)
            tls = {
                "http__tls__certificate_file": self._certificate.certificate_file,
                "http__tls__key_file": self._certificate.key_file,
            }
            ucs = {"sources__ucs__url": self.interactions.url, "sources__ucs__poll_seconds": 1}
            self.environment = E2EEnvironment(self.broker.bootstrap_servers, self.folder, **_SETTINGS, **tls, **ucs)
            self.environment.prepare()
            stack.callback(self._kill_workers)
            targets = [f"127.0.0.1:{port}" for port in self.ports.values()]
            # Before the workers: a rate is that of what happens after the first look.
            self.prometheus = stack.enter_context(PrometheusServer(self.folder, shortened(FACTOR), targets))
            for name in WORKERS:
                self.start(name)
            self.wait_ready()
            self._open_shards_again()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def _open_shards_again(self) -> None:
        """Let the first worker open shards after Prometheus has looked at it; it may have opened others before."""
        first, second = WORKERS
        opened = f'chatbridge_shard_open_seconds_count{{instance="127.0.0.1:{self.ports[first]}"}}'
        wait_for(lambda: self.prometheus.query(opened), 30, "Prometheus has not looked at the first worker")
        before = self.workers[first].metric("chatbridge_shard_open_seconds_count")
        with self.workers[second] as leaving:
            assert leaving.terminate() == 0
        wait_for(
            lambda: self.workers[first].metric("chatbridge_shard_open_seconds_count") > before,
            30,
            "the first worker opens no shard of the second one",
        )
        self.start(second)
        self.wait_ready()

    def start(self, name: str) -> None:
        """Start a worker on its port."""
        self.workers[name] = self.environment.bridge(name, make=WatchedWorker, http__port=self.ports[name])

    def kill(self, name: str) -> None:
        """End a worker with SIGKILL."""
        self.workers[name].kill()

    def wait_ready(self) -> None:
        for worker in self.workers.values():
            worker.wait_ready()

    def watch_chats(self) -> None:
        """Start chats that begin and end all the time, and wait until some have ended."""
        chats = self.environment.simulator(concurrent_chats=CHATS, events_per_second=24, mean_events=40)
        self._stack.enter_context(chats)
        wait_for(lambda: self.total("chatbridge_chats_closed_total") > 3, 60, "no chat ends")

    def total(self, metric: str, **labels: str) -> float:
        """Return the sum of a metric over all workers."""
        return sum(worker.metric(metric, **labels) for worker in self.workers.values())

    def announce(self, names: list[str], *, subject: str = "") -> None:
        """Announce chats at a port of 127.0.0.1 at which nobody listens."""
        said = {"host": "127.0.0.1", "port": CLOSED_PORT, "userData": {"Subject": subject}}
        self.announce_raw({name: json.dumps({"sessionId": name, **said}).encode() for name in names})

    def announce_raw(self, records: dict[str, bytes]) -> None:
        write(self.environment.broker, self.environment.topic("announcements"), records)

    def shard_of(self, worker: str) -> int:
        """Return one shard that a worker has: that of a chat of it."""
        return int(followed(self.workers[worker])[0]["shard"])

    def put(self, worker: str, path: str, value: object) -> None:
        """Send a PUT of the administrator."""
        request = urllib.request.Request(self.workers[worker].url + path, json.dumps(value).encode(), method="PUT")
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200

    def set_memory_limit(self, limit: int) -> None:
        """Set what the workers take for their memory limit, in bytes."""
        self.memory_limit.write_text(str(limit), encoding="ascii")

    def replace_certificate(self, days: float) -> None:
        """Put another certificate in the place of the one in the settings of the workers."""
        other = self.authority.issue("other", days=days)
        self._certificate.key_file.write_bytes(other.key_file.read_bytes())
        self._certificate.certificate_file.write_bytes(other.certificate_file.read_bytes())

    def rename_interactions(self, name: str, other: str) -> None:
        """Give the table of UCS another name."""
        with self.interactions.engine.begin() as connection:
            connection.execute(text(f"ALTER TABLE {name} RENAME TO {other}"))

    def _kill_workers(self) -> None:
        for worker in self.workers.values():
            worker.kill()


def names_in_shard(stem: str, shard: int, count: int) -> list[str]:
    """Return session ids of one shard."""
    every = (f"{stem}{number:08}" for number in range(100 * count))
    return [name for name in every if partition_of(name.encode(), PARTITIONS) == shard][:count]
