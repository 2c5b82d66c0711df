"""An end-to-end environment for one test: a topic prefix, a folder, processes, and queries of what they did."""

from __future__ import annotations

import asyncio
import json
import logging
from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import msgspec

from bridge.adapters.kafka.required_topics import TopicShape
from bridge.adapters.kafka.topic_manager import TopicManager, TopicNames
from bridge.records.avro import QUARANTINED_INPUT, SESSION_RECORD, TRANSCRIPT_EVENT, Schemas, schema_folder
from bridge.simulator.harness.ledger import LedgerLine, read_ledger
from tests.support.non_interference import interference
from tests.support.oracle import LedgerComparison, closed_sessions, compare_with_ledger, read_all
from tests.support.processes import Bridge, Simulator, wait_for
from tests.support.secured_broker import SecuredCluster
from tests.support.threaded_server import QuietHandler, ThreadedServer
from tests.support.unique_prefixes import unique_prefix
from tests.support.wanted_topics import wanted
from tests.support.written_values import WrittenValues, unframed

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.sandbox import LocalCluster

PARTITIONS = 3
CUSTOMER = "customer"
"""Nickname of a test's own client, whose requests must not be attributed to the bridge."""
JITTER = 2
"""Joins that may be delayed from one second into the next on a busy machine."""
FIGURES = logging.getLogger("figures")
"""Logs what tests measure; shown with `--log-cli-level=info`."""
ENDLESS_CHAT = 10**9
"""Events per chat: it does not end before the simulator is stopped."""
SCHEMAS = Schemas(schema_folder())
_LINE = msgspec.json.Decoder(LedgerLine)
SCHEMA_OF = {"events": TRANSCRIPT_EVENT, "sessions": SESSION_RECORD, "quarantine": QUARANTINED_INPUT}
SHORT_LINK_TIMEOUTS = {
    "sources__chat_server__register_timeout_seconds": 1,
    "sources__chat_server__join_timeout_seconds": 2,
    "sources__chat_server__ping_after_seconds": 1,
    "sources__chat_server__pong_timeout_seconds": 1,
    "sources__chat_server__reconnect_delay_seconds": 1,
}


class E2EEnvironment:
    """`bridge` and `simulator` start processes; `finish` ends the chats and compares Kafka with the ledgers."""

    def __init__(self, broker: str, folder: Path, **settings: object) -> None:
        """`settings` are those of all bridges of this environment.

        A test whose bridges have a registry, or are of another version, replaces `values`.
        """
        self.broker = broker
        self.folder = folder
        self.settings = settings
        self.prefix = unique_prefix()
        self.values = WrittenValues()

    def prepare(self) -> Self:
        """Create the topics, for tests that announce chats before the first bridge has started."""
        shape = TopicShape(PARTITIONS, 1, 1_000_000, 7 * 86_400, 3 * 86_400)
        asyncio.run(TopicManager(self.broker, {}, wanted(TopicNames(self.prefix), shape)).apply())
        return self

    def bridge(self, worker: str = "worker-1", *, make: type[Bridge] = Bridge, **settings: object) -> Bridge:
        """Start a worker; `make` is its class, for tests with a bridge that is defective on purpose."""
        all_settings = {"kafka__partitions": PARTITIONS, **self.settings, **settings}
        return make(self.broker, self.folder / f"{worker}.log", prefix=self.prefix, worker=worker, **all_settings)

    def simulator(self, name: str = "chat-server", *, announce: bool = True, **flags: object) -> Simulator:
        """Start a Chat Server that writes a journal and announces to Kafka, unless the flags say otherwise."""
        defaults: dict[str, object] = {"journal": self.journal(name), "finish": 2}
        if announce and "announce_url" not in flags:
            defaults |= {"kafka": self.broker, "kafka_topic": self.topic("announcements")}
        return Simulator(self.folder / f"{name}.log", self.folder / f"{name}.jsonl", **(defaults | flags))

    def chats(self, **flags: object) -> Simulator:
        """Start a Chat Server with ten chats that continue until it is stopped."""
        defaults: dict[str, Any] = {"concurrent_chats": 10, "events_per_second": 100, "mean_events": ENDLESS_CHAT}
        return self.simulator(**(defaults | flags))

    def journal(self, name: str = "chat-server") -> Path:
        return self.folder / f"{name}.journal"

    def topic(self, kind: str) -> str:
        name: str = getattr(TopicNames(self.prefix), kind)
        return name

    def records(self, kind: str) -> list[dict[str, Any]]:
        """Return all committed records of a topic, decoded."""
        read = read_all(self.broker, self.topic(kind))
        return [SCHEMAS.decode(SCHEMA_OF[kind], unframed(value), self.values.writer_of(value)) for _, _, value in read]

    def certificates(self) -> dict[str, dict[str, Any]]:
        """Return the certificates of closed chats by session id."""
        return {
            name: record["certificate"]
            for name, record in closed_sessions(self.broker, self.prefix, self.values).items()
        }

    def compare_when_closed(self, *servers: Simulator, seconds: float = 60) -> LedgerComparison:
        """Wait until every chat that ended has its certificate, then compare Kafka with the ledgers."""
        ledgers = [server.ledger for server in servers]

        def all_closed() -> bool:
            closed = closed_sessions(self.broker, self.prefix, self.values)
            chats = [one for path in ledgers for one in read_ledger(path).values()]
            return all(not chat.closed or chat.session_id in closed for chat in chats)

        wait_for(all_closed, seconds, "some chats have no certificate", poll=0.5)  # it reads the whole topic
        return compare_with_ledger(self.broker, self.prefix, *ledgers, values=self.values)

    def finish(self, *servers: Simulator, seconds: float = 60) -> LedgerComparison:
        """End all chats, then compare: nothing may be missing, duplicated, altered, out of order or unverifiable.

        No chat may have been disturbed (P4), whatever the test did to the bridge.
        """
        for server in servers:
            server.terminate()
        result = self.compare_when_closed(*servers, seconds=seconds)
        assert result.clean, str(result)
        assert self.interference() == []
        return result

    def interference(self) -> list[str]:
        """Return what any bridge did that others in a chat could notice, from the journals of all Chat Servers here."""
        return interference([], sorted(self.folder.glob("*.journal")), customers={CUSTOMER})


def environment_on(broker: LocalCluster, folder: Path, **settings: object) -> E2EEnvironment:
    """Return an environment on a Kafka; on a secured one, its bridges use TLS and a password, and get the rights."""
    if not isinstance(broker, SecuredCluster):
        return E2EEnvironment(broker.bootstrap_servers, folder, **settings)
    environment = E2EEnvironment(broker.bootstrap_servers, folder, **broker.settings, **settings)
    broker.grant(environment.prefix)
    return environment


class AnnouncementCollector(ThreadedServer):
    """An HTTP server for a simulator's announcements, for tests that pass them on themselves."""

    def __init__(self) -> None:
        self.announced: dict[str, dict[str, Any]] = {}
        collector = self

        class _Handler(QuietHandler):
            def do_POST(self) -> None:  # noqa: N802 - the name that http.server calls
                announcement = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                collector.announced[announcement["sessionId"]] = announcement
                self.answer(202, b"")

        super().__init__(_Handler)
        self.url = self.base_url


def followed(bridge: Bridge) -> list[dict[str, Any]]:
    """Return the chats that the bridge follows, from its API."""
    return [session for session in bridge.sessions() if session["state"] == "FOLLOWED"]


def all_joined(bridge: Bridge, at_least: int = 1) -> bool:
    sessions = followed(bridge)
    return len(sessions) >= at_least and all(session["joined"] for session in sessions)


def reasons(bridge: Bridge) -> list[str]:
    """Return the reasons of `/readyz`, each as `CODE: detail`; empty when ready."""
    status, body = bridge.get("/readyz")
    assert status in {200, 503}, f"/readyz answers {status}"
    return [f"{reason['code']}: {reason['detail']}" for reason in json.loads(body)["reasons"]]


def captured(bridge: Bridge) -> float:
    return bridge.metric("chatbridge_events_total")


def joins_and_leaves(server: Simulator) -> dict[str, int]:
    """Return how often clients registered, joined and left: a fault of Kafka must not change it (P4)."""
    asked = server.stats()["requests"]
    return {name: asked.get(name, 0) for name in ("RequestRegister", "RequestJoin", "RequestReleaseParty")}


def journal_lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a server's journal. An incomplete last line is left out."""
    return [json.loads(line) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def joins(path: Path, since: float = 0.0) -> list[tuple[float, str]]:
    """Return (time, session id) of every join request."""
    asked = [one for one in journal_lines(path) if one.get("request") == "RequestJoin" and one["at"] >= since]
    return [(one["at"], one["session_id"]) for one in asked]


def most_within(seconds: float, times: list[float]) -> int:
    """Return the highest number of these times (ascending) within any interval of so many seconds."""
    return max(bisect_left(times, start + seconds) - at for at, start in enumerate(times))


@dataclass(slots=True)
class OutageWatch:
    """Periods in which a chat had no monitor, between its first join and its end, from a server's journal."""

    present: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    empty_since: dict[str, float] = field(default_factory=dict)
    gaps: list[tuple[float, float, str]] = field(default_factory=list)  #: (seconds, since, session id)

    def join(self, session_id: str, connection: int, at: float) -> None:
        self.present[session_id].add(connection)
        since = self.empty_since.pop(session_id, None)
        if since is not None:
            self.gaps.append((at - since, since, session_id))

    def leave(self, session_id: str, connection: int, at: float) -> None:
        here = self.present[session_id]
        if connection in here:
            here.discard(connection)
            if not here:
                self.empty_since[session_id] = at


def unwatched(journal: Path, ledger: Path) -> OutageWatch:
    """Return the periods in which an open chat had no monitor; `empty_since` are those that have not ended."""
    watch = OutageWatch()
    for line in journal_lines(journal):
        at, connection = line["at"], line["connection"]
        session_id: Any = line.get("session_id")
        if line.get("request") == "RequestJoin" and line["caused"]:
            watch.join(session_id, connection, at)
        elif line.get("request") == "RequestReleaseParty":
            watch.leave(session_id, connection, at)
        elif line.get("disconnected"):
            for left in [name for name, here in watch.present.items() if connection in here]:
                watch.leave(left, connection, at)
    closed = closed_at(ledger)
    watch.empty_since = {
        name: since for name, since in watch.empty_since.items() if name not in closed or since < closed[name] - 0.01
    }
    return watch


def forgotten(chats: Simulator) -> set[str]:
    """Return the events that the server has lost; nobody can have those that were not read before."""
    return {f"{chat.session_id}:{lost}" for chat in read_ledger(chats.ledger).values() for lost in chat.lost}


def closed_at(ledger: Path) -> dict[str, float]:
    """Return the end of each closed chat, in seconds since 1970 UTC."""
    lines = [line for line in ledger.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    entries = [_LINE.decode(line) for line in lines if b'"kind":"closed"' in line]
    return {entry.session_id: entry.at for entry in entries}


def gap_codes(environment: E2EEnvironment) -> Counter[str]:
    """Return the number of GAP records by reason."""
    return Counter(record["gap"]["code"] for record in environment.records("events") if record["gap"])
