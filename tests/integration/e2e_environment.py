"""One test's own corner of a Kafka: a topic prefix, a folder, processes, and what can be asked of them afterwards."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import uuid
from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

import msgspec

from bridge.adapters.kafka.topic_manager import TopicManager, TopicNames, TopicShape, wanted
from bridge.records.avro import QUARANTINED_INPUT, SESSION_RECORD, TRANSCRIPT_EVENT, Schemas, schema_folder
from bridge.simulator.harness.ledger import LedgerLine, read_ledger
from tests.support.non_interference import interference
from tests.support.oracle import Judgement, closed_sessions, judge, read_all, unframed
from tests.support.processes import Bridge, Simulator, wait_for

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

PARTITIONS = 3
CUSTOMER = "customer"
"""Nickname of a test's own client, whose doings in a chat are not the bridge's."""
JITTER = 2
"""Joins that a busy machine may carry from one second into the next."""
FIGURES = logging.getLogger("figures")
"""What tests measure; shown with `--log-cli-level=info`."""
ENDLESS = 10**9
"""Events per chat: it does not end before the simulator is told to."""
SCHEMAS = Schemas(schema_folder())
_LINE = msgspec.json.Decoder(LedgerLine)
SCHEMA_OF = {"events": TRANSCRIPT_EVENT, "sessions": SESSION_RECORD, "quarantine": QUARANTINED_INPUT}
IMPATIENT = {
    "sources__chat_server__register_timeout_seconds": 1,
    "sources__chat_server__join_timeout_seconds": 2,
    "sources__chat_server__ping_after_seconds": 1,
    "sources__chat_server__pong_timeout_seconds": 1,
    "sources__chat_server__reconnect_delay_seconds": 1,
}


class E2EEnvironment:
    """`bridge` and `simulator` start processes; `settle` judges what came of them."""

    def __init__(self, broker: str, folder: Path, **settings: object) -> None:
        """`settings` are those of all bridges here."""
        self.broker = broker
        self.folder = folder
        self.settings = settings
        self.prefix = f"{uuid.uuid4().hex[:8]}."

    def prepare(self) -> Self:
        """Make the topics, for tests whose chats are announced before the first bridge is there."""
        shape = TopicShape(PARTITIONS, 1, 1_000_000, 7 * 86_400, 3 * 86_400)
        asyncio.run(TopicManager(self.broker, {}, wanted(TopicNames(self.prefix), shape)).apply())
        return self

    def bridge(self, worker: str = "replica-1", *, make: type[Bridge] = Bridge, **settings: object) -> Bridge:
        """Start a replica; `make` is how, for tests that break one on purpose."""
        all_settings = {"kafka__partitions": PARTITIONS, **self.settings, **settings}
        return make(self.broker, self.folder / f"{worker}.log", prefix=self.prefix, worker=worker, **all_settings)

    def simulator(self, name: str = "chat-server", *, announce: bool = True, **flags: object) -> Simulator:
        """Start a Chat Server that writes a journal and announces to Kafka, unless it is told another way."""
        where: dict[str, object] = {"journal": self.journal(name), "finish": 2}
        if announce and "announce_url" not in flags:
            where |= {"kafka": self.broker, "kafka_topic": self.topic("announcements")}
        return Simulator(self.folder / f"{name}.log", self.folder / f"{name}.jsonl", **(where | flags))

    def chats(self, **flags: object) -> Simulator:
        """Start a Chat Server with ten chats that go on until it is told to stop."""
        all_flags: dict[str, Any] = {"concurrent_chats": 10, "events_per_second": 100, "mean_events": ENDLESS, **flags}
        return self.simulator(**all_flags)

    def journal(self, name: str = "chat-server") -> Path:
        return self.folder / f"{name}.journal"

    def topic(self, kind: str) -> str:
        room = "capture" if kind in {"announcements", "checkpoints"} else "transcript"
        return f"{self.prefix}chat.{room}.{kind}.v1"

    def records(self, kind: str) -> list[dict[str, Any]]:
        """All committed records of a topic."""
        read = read_all(self.broker, self.topic(kind))
        return [SCHEMAS.decode(SCHEMA_OF[kind], unframed(value)) for _, _, value in read]

    def certificates(self) -> dict[str, dict[str, Any]]:
        """The certificate of each chat that is closed."""
        return {name: record["certificate"] for name, record in closed_sessions(self.broker, self.prefix).items()}

    def settle(self, *servers: Simulator, seconds: float = 60) -> Judgement:
        """Wait until every chat that ended has its certificate, then judge."""
        ledgers = [server.ledger for server in servers]

        def all_closed() -> bool:
            closed = closed_sessions(self.broker, self.prefix)
            lives = [one for path in ledgers for one in read_ledger(path).values()]
            return all(not life.closed or life.session_id in closed for life in lives)

        wait_for(all_closed, seconds, "some chats have no certificate")
        return judge(self.broker, self.prefix, *ledgers)

    def finish(self, *servers: Simulator, seconds: float = 60) -> Judgement:
        """Let all chats end, then settle. Nothing may be missing, twice, altered, out of order or unverifiable.

        Nor may anybody's chat have been disturbed (P4), whatever the test did to the bridge.
        """
        for server in servers:
            server.terminate()
        result = self.settle(*servers, seconds=seconds)
        assert result.clean, str(result)
        assert self.disturbed() == []
        return result

    def disturbed(self) -> list[str]:
        """Say, on the word of all Chat Servers here, what any bridge did that others in a chat could notice."""
        return interference([], sorted(self.folder.glob("*.journal")), customers={CUSTOMER})


class Noticeboard:
    """Where a simulator announces when a test wants to hand its announcements on itself."""

    def __init__(self) -> None:
        self.announced: dict[str, dict[str, Any]] = {}
        board = self

        class _Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                board.announced[told["sessionId"]] = told
                self.send_response(202)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def followed(bridge: Bridge) -> list[dict[str, Any]]:
    """The chats that the bridge follows, as its API shows them."""
    return [session for session in bridge.sessions() if session["state"] == "FOLLOWED"]


def all_joined(bridge: Bridge, at_least: int = 1) -> bool:
    sessions = followed(bridge)
    return len(sessions) >= at_least and all(session["joined"] for session in sessions)


def reasons(bridge: Bridge) -> list[str]:
    """Why it is not ready; nothing when it is."""
    status, body = bridge.get("/readyz")
    assert status in {200, 503}, f"/readyz answers {status}"
    return list(json.loads(body)["reasons"])


def captured(bridge: Bridge) -> float:
    return bridge.metric("chatbridge_events_total")


def joins_and_leaves(server: Simulator) -> dict[str, int]:
    """How often clients joined and left: what no trouble with Kafka may change (P4)."""
    asked = server.stats()["requests"]
    return {name: asked.get(name, 0) for name in ("RequestRegister", "RequestJoin", "RequestReleaseParty")}


def journal_lines(path: Path) -> list[dict[str, Any]]:
    """What clients asked of a server, in order. A last line that is still being written is left out."""
    return [json.loads(line) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def joins(path: Path, since: float = 0.0) -> list[tuple[float, str]]:
    """When which chat was asked for."""
    asked = [one for one in journal_lines(path) if one.get("request") == "RequestJoin" and one["at"] >= since]
    return [(one["at"], one["session_id"]) for one in asked]


def most_within(seconds: float, times: list[float]) -> int:
    """Count how many of these (ascending) lie within the fullest stretch of so many seconds."""
    return max(bisect_left(times, start + seconds) - at for at, start in enumerate(times))


@dataclass(slots=True)
class OutageWatch:
    """Who is in a chat, from a server's journal: times without any monitor between the first join and the end."""

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
    """Return the times in which nobody of ours was in a chat that went on; `empty_since` are those without an end."""
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


def closed_at(ledger: Path) -> dict[str, float]:
    """When each chat ended."""
    lines = [line for line in ledger.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    entries = [_LINE.decode(line) for line in lines if b'"kind":"closed"' in line]
    return {entry.session_id: entry.at for entry in entries}


def gap_reasons(environment: E2EEnvironment) -> Counter[str]:
    """Count the GAP records by reason."""
    return Counter(record["gap"]["reason"] for record in environment.records("events") if record["gap"])
