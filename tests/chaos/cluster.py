"""The processes of a chaos run: brokers, three workers, two Chat Servers with a standby each."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import suppress
from datetime import datetime
from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING, Any, Self

from bridge.sandbox import LocalCluster
from bridge.writer_factory import ids_of_worker
from tests.chaos.mutant_worker import MutantWorker
from tests.chaos.plan import CHAT_SERVERS, SHARDS, WORKERS
from tests.chaos.traced_worker import TracedWorker
from tests.evidence.judged_log import SignedLog
from tests.support.kafka_tools import AUTHORIZER
from tests.support.processes import Bridge, Simulator, wait_for
from tests.support.secured_broker import SecuredCluster

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

TOPIC = "chat.capture.announcements.v1"
EVENTS_TOPIC = "chat.transcript.events.v1"
READY_SECONDS = 90.0
FINISH_SECONDS = 25
EVENTS_PER_SECOND = 35  # per Chat Server
CONCURRENT_CHATS = 20
YOUNG_SECONDS = 5.0
_POLL_SECONDS = 0.5
_SAMPLE_SECONDS = 1.0
_SETTINGS = {
    "kafka.partitions": SHARDS,
    "kafka.session_timeout_seconds": 10,
    "sources.chat_server.ping_after_seconds": 5,
    "sources.chat_server.pong_timeout_seconds": 5,
    "sources.chat_server.register_timeout_seconds": 5,
    "sources.chat_server.join_timeout_seconds": 5,
    "sources.chat_server.reconnect_attempts": 40,
    "sources.chat_server.reconnect_delay_seconds": 2,
    "evidence.anchor_seconds": 10,
}


class ExpectationFailed(Exception):
    """Something did not recover in time or did not behave as it must."""


class ChaosCluster:
    """A context manager. `folder` keeps logs, ledgers and journals."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        *,
        brokers: int = 1,
        transactions: str = "worker",
        tls: bool = False,
        patience: float = 1.0,
        left_out: str | None = None,
        traced: bool = False,
    ) -> None:
        """`tls`: workers and commands use TLS with client certificates; the oracle, which is no part of them, not.

        `patience`: how many times as long it is waited as on a machine without other work. `left_out`: a step of the
        hand-over that workers do not take. `traced`: workers write down what they ask Kafka for, in `traces`.
        """
        self.patience = patience
        self.traces = folder / "traces" if traced else None
        self._make_worker: Callable[..., Bridge] = Bridge if left_out is None else partial(MutantWorker, left_out)
        if self.traces is not None:
            self.traces.mkdir()
            self._make_worker = partial(TracedWorker, self.traces, left_out)
        self.transactions = transactions
        self._of_workers = cycle(("worker", "shard") if transactions == "both" else (transactions,))
        self.tls = tls
        self.folder = folder
        self.seed = seed
        self.prefix = f"chaos{seed}."
        # Several brokers with an authorizer would need authentication among themselves.
        self.kafka: LocalCluster = (
            SecuredCluster(nodes=brokers)
            if tls
            else LocalCluster(nodes=brokers, overrides=AUTHORIZER if brokers == 1 else None)
        )
        self.workers: dict[int, Bridge] = {}
        self.servers: dict[int, Simulator] = {}
        self.leaving: list[Simulator] = []
        self.summaries: list[dict[str, Any]] = []
        self.ledgers: list[Path] = []
        self.journals: list[Path] = []
        self.used_up: set[int] = set()
        self.kafka_was_unavailable = False  # since the last recovery
        self.refusals_before: dict[
            int, float
        ] = {}  #: worker -> `refusals` when the writes in progress began to be refused
        self.peaks: dict[int, int] = {}
        self._generation = 0
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._sample, name="memory", daemon=True)

    @property
    def client(self) -> dict[str, Any]:
        """The settings with which workers and commands connect to Kafka."""
        if not isinstance(self.kafka, SecuredCluster):
            return {"kafka.bootstrap_servers": self.kafka.bootstrap_servers}
        own = {f"kafka.client.{name}": value for name, value in self.kafka.mutual.items()}
        return {"kafka.bootstrap_servers": self.kafka.address("MUTUAL"), **own}

    @property
    def log(self) -> SignedLog:
        """The log of certificates, with the keys that sign it."""
        return SignedLog(self.kafka.bootstrap_servers, self.prefix, self.folder, self.client)

    @property
    def group(self) -> str:
        """The consumer group of the workers, with which their transactional ids begin."""
        return f"{self.prefix}bridge"

    def refusals(self) -> dict[int, float]:
        """Return how many transactions failed, or shards could not be opened, in each worker that runs."""
        return {
            number: worker.metric("chatbridge_transactions_total", outcome="failed")
            + worker.metric("chatbridge_shard_changes_total", change="not_opened")
            for number, worker in self.workers.items()
        }

    def transactional_ids(self, shard: int) -> list[str]:
        """Return the ids that may commit to a shard; with one transaction per worker, those of one of the workers."""
        of_shard, of_worker = [f"{self.group}-{shard}"], ids_of_worker(self.group, f"worker-{1 + shard % WORKERS}")
        return {"shard": of_shard, "worker": of_worker, "both": of_shard + of_worker}[self.transactions]

    def __enter__(self) -> Self:
        self.kafka.start()
        try:
            if isinstance(self.kafka, SecuredCluster):
                self.kafka.grant(self.prefix)
            self.log.new_key()
            for number in range(1, WORKERS + 1):
                self.start_worker(number)
            self.wait_ready()
            for number in range(1, CHAT_SERVERS + 1):
                self.start_server(number)
        except BaseException:
            self._end()
            raise
        self._watch.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._end()

    # --- starting ---------------------------------------------------------------------------------------------------

    def start_worker(self, number: int) -> None:
        log = self.folder / f"worker-{number}.log"
        self.workers[number] = self._make_worker(
            self.kafka.bootstrap_servers,
            log,
            prefix=self.prefix,
            worker=f"worker-{number}",
            **_SETTINGS,
            **self.client,
            **{"kafka.transactions": next(self._of_workers)},
            **self.log.settings,
        )

    def start_server(self, number: int) -> None:
        self._generation += 1
        name = f"chat-server-{number}-{self._generation}"
        journal = self.folder / f"{name}.journal"
        ledger = self.folder / f"{name}.jsonl"
        self.servers[number] = Simulator(
            self.folder / f"{name}.log",
            ledger,
            journal=journal,
            kafka=self.kafka.bootstrap_servers,
            kafka_topic=self.prefix + TOPIC,
            seed=self.seed * 1_000 + self._generation,
            mean_events=150,
            finish=FINISH_SECONDS,
            passwords=True,
            standby=True,
            events_per_second=EVENTS_PER_SECOND,
            concurrent_chats=CONCURRENT_CHATS,
        )
        self.ledgers.append(ledger)
        self.journals.append(journal)

    def renew(self) -> None:
        """Replace Chat Servers whose standby is used up; their open chats are still played to their end."""
        for number in sorted(self.used_up):
            self.leaving.append(self.servers[number])
            self.servers[number].send(signal.SIGTERM)
            self.start_server(number)
        self.used_up.clear()
        for former in [one for one in self.leaving if not one.running]:
            self.leaving.remove(former)
            self.summaries.append(former.summary(1))

    # --- waiting -----------------------------------------------------------------------------------------------------

    def wait_ready(self) -> None:
        seconds = self.patience * READY_SECONDS
        deadline = time.monotonic() + seconds
        while unready := [number for number, one in self.workers.items() if not one.ready]:
            if time.monotonic() > deadline:
                why = {number: self.workers[number].get("/readyz")[1].decode() for number in unready}
                raise ExpectationFailed(f"not ready {seconds:g} s after the last fault: {why}")
            time.sleep(_POLL_SECONDS)

    def wait_followed(self) -> None:
        """Wait until every open chat that is not new has a silent monitor, and a worker reports it as joined."""
        seconds = self.patience * READY_SECONDS
        deadline = time.monotonic() + seconds
        while alone := self._unfollowed():
            if time.monotonic() > deadline:
                raise ExpectationFailed(f"not followed {seconds:g} s after the last fault: {alone[:10]}")
            time.sleep(_POLL_SECONDS)

    def _unfollowed(self) -> list[str]:
        joined = {one["sessionId"] for worker in self.workers.values() for one in worker.sessions() if one["joined"]}
        old = time.time() - YOUNG_SECONDS
        alone: list[str] = []
        for server in [*self.servers.values(), *self.leaving]:
            try:
                open_chats = server.open_chats()
            except OSError:  # ending, or not up again
                alone += [] if server in self.leaving else [server.ledger.name]
                continue
            alone += [
                chat["sessionId"]
                for chat in open_chats
                if datetime.fromisoformat(chat["startAt"]).timestamp() < old
                and not (chat["monitored"] and chat["sessionId"] in joined)
            ]
        return alone

    def finish(self) -> None:
        """Let all chats and then the Chat Servers end."""
        servers = [*self.servers.values(), *self.leaving]
        for server in self.servers.values():  # to those that are leaving, a second one would mean at once
            server.send(signal.SIGTERM)
        self.summaries += [server.summary(FINISH_SECONDS + self.patience * 60) for server in servers]
        self.servers.clear()
        self.leaving.clear()

    def heal(self) -> None:
        """Resume and restart what an aborted run may have left stopped, so that the topics can be compared."""
        for node in self.kafka.nodes:
            node.resume()
            if not node.running:
                node.restart()
        for one in [*self.workers.values(), *self.servers.values()]:
            one.send(signal.SIGCONT)

    def terminate_workers(self) -> dict[int, int]:
        """Send SIGTERM to every worker; return the exit codes."""
        for worker in self.workers.values():
            worker.send(signal.SIGTERM)
        return {number: worker.wait(self.patience * 60) for number, worker in self.workers.items()}

    # --- internals ---------------------------------------------------------------------------------------------------

    def _sample(self) -> None:
        while not self._over.wait(_SAMPLE_SECONDS):
            for number, worker in list(self.workers.items()):
                with suppress(OSError, StopIteration):  # it may just have ended
                    self.peaks[number] = max(self.peaks.get(number, 0), worker.rss_bytes())

    def _end(self) -> None:
        self._over.set()
        if self._watch.is_alive():
            self._watch.join()
        for one in [*self.workers.values(), *self.servers.values(), *self.leaving]:
            one.kill()
        self.kafka.stop()


def wait_until_ended(worker: Bridge, seconds: float) -> int:
    """Wait for the end of a worker after SIGTERM; return its exit code."""
    wait_for(lambda: not worker.running, seconds, "a worker did not end after SIGTERM")
    return worker.wait(1)
