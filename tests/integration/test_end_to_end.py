"""Capture end to end: processes, real sockets and Apache Kafka, compared with the simulator's ledger."""

from __future__ import annotations

import json
import random
import signal
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from bridge.simulator.harness.ledger import read_ledger
from tests.support.ledger_summaries import wrong_summaries
from tests.support.oracle import LedgerComparison, closed_sessions, compare_with_ledger
from tests.support.processes import Bridge, Simulator, wait_for
from tests.support.unique_prefixes import unique_prefix

if TYPE_CHECKING:
    from pathlib import Path

TOPIC = "chat.capture.announcements.v1"


class EndToEndLine:
    """The environment of one test: a topic prefix and a folder."""

    def __init__(self, broker: str, folder: Path) -> None:
        self.broker = broker
        self.folder = folder
        self.prefix = unique_prefix()

    def bridge(self, worker: str = "worker-1", **settings: object) -> Bridge:
        return Bridge(self.broker, self.folder / f"{worker}.log", prefix=self.prefix, worker=worker, **settings)

    def simulator(self, name: str = "chat-server", **flags: object) -> Simulator:
        where = {} if "announce_url" in flags else {"kafka": self.broker, "kafka_topic": self.prefix + TOPIC}
        return Simulator(self.folder / f"{name}.log", self.folder / f"{name}.jsonl", **where, **flags)

    def compare_when_closed(self, *ledgers: Path, seconds: float = 60) -> LedgerComparison:
        """Wait until every chat that ended has its certificate, then compare."""

        def all_closed() -> bool:
            closed = closed_sessions(self.broker, self.prefix)
            return all(
                not chat.closed or session_id in closed
                for path in ledgers
                for session_id, chat in read_ledger(path).items()
            )

        wait_for(all_closed, seconds, "some chats have no certificate", poll=0.5)  # it reads the whole topic
        return compare_with_ledger(self.broker, self.prefix, *ledgers)


def all_joined(bridge: Bridge) -> bool:
    sessions = bridge.sessions()
    return bool(sessions) and all(session["joined"] for session in sessions if session["state"] == "FOLLOWED")


@pytest.fixture
def line(broker: str, tmp_path: Path) -> EndToEndLine:
    return EndToEndLine(broker, tmp_path)


def test_every_event_of_every_chat_is_on_kafka_once_in_order_and_verifiable(line: EndToEndLine) -> None:
    with line.bridge() as bridge:
        bridge.wait_ready()
        with line.simulator(
            announce_url=bridge.url,
            concurrent_chats=20,
            events_per_second=200,
            duration=8,
            mean_events=150,
            seed=869,  # none of its first 45 chats is short: one that ends before it is joined cannot be captured
            finish=5,
            passwords=True,
        ) as chats:
            summary = chats.summary(60)
            result = line.compare_when_closed(chats.ledger)
        assert result.clean, str(result)
        assert result.explained == []
        assert result.chats == summary["chats_started"] >= 20
        assert result.expected > 1000
        assert bridge.metric("chatbridge_events_total") == result.records
        assert bridge.terminate() == 0


@pytest.mark.faults
@pytest.mark.timeout(240)
def test_killing_the_bridge_at_random_moments_loses_and_duplicates_nothing(line: EndToEndLine) -> None:
    rng = random.Random(11)
    with ExitStack() as started:

        def worker() -> Bridge:
            bridge = started.enter_context(line.bridge(kafka__partitions=3))
            bridge.wait_ready()
            return bridge

        bridge = worker()
        chats = started.enter_context(
            line.simulator(concurrent_chats=20, events_per_second=120, mean_events=100_000, seed=11, finish=3)
        )
        for _ in range(4):
            time.sleep(rng.uniform(0.5, 3.0))  # the moment of the kill is what the test draws
            bridge.kill()
            bridge = worker()
        wait_for(lambda: all_joined(bridge), 60, "not every chat is followed again")
        chats.send(signal.SIGTERM)  # no chat ends before: what ends unseen cannot be captured
        chats.summary(120)
        result = line.compare_when_closed(chats.ledger)
        assert bridge.terminate() == 0
    assert result.clean, str(result)
    assert wrong_summaries(line.broker, line.prefix, chats.ledger) == []
    assert result.kinds["RESUMED"] > 0
    assert result.explained == []


@pytest.mark.faults  # a minute of waiting for time-outs
@pytest.mark.timeout(240)
def test_two_workers_take_over_from_each_other(line: EndToEndLine) -> None:
    # Long enough to tell a hand-over from a time-out.
    settings = {"kafka__session_timeout_seconds": 30}
    with line.bridge("worker-1", **settings) as one, line.bridge("worker-2", **settings) as two:
        one.wait_ready()
        two.wait_ready()
        wait_for(
            lambda: one.metric("chatbridge_shards") > 0 and two.metric("chatbridge_shards") > 0, 60, "shards not shared"
        )
        with line.simulator(
            concurrent_chats=20, events_per_second=150, duration=25, mean_events=200, seed=5, finish=3
        ) as chats:
            wait_for(lambda: two.metric("chatbridge_events_total") > 100, 30, "worker 2 captures nothing")
            assert one.terminate() == 0
            wait_for(lambda: two.metric("chatbridge_shards") == 12, 20, "worker 2 did not take all shards over")
            with line.bridge("worker-1", **settings) as again:
                again.wait_ready()
                wait_for(lambda: again.metric("chatbridge_shards") > 0, 30, "worker 1 got nothing back")
                two.kill()
                wait_for(
                    lambda: again.metric("chatbridge_shards") == 12, 60, "the killed worker's shards have no owner"
                )
                chats.summary(120)
                result = line.compare_when_closed(chats.ledger)
    assert result.clean, str(result)


@pytest.mark.faults
@pytest.mark.timeout(240)
def test_a_paused_worker_comes_back_as_a_zombie_and_writes_nothing(line: EndToEndLine) -> None:
    settings = {"kafka__session_timeout_seconds": 6}
    with line.bridge("worker-1", **settings) as zombie:
        zombie.wait_ready()
        with line.simulator(
            concurrent_chats=15, events_per_second=100, duration=35, mean_events=300, seed=3, finish=3
        ) as chats:
            wait_for(lambda: zombie.metric("chatbridge_events_total") > 100, 30, "nothing is captured")
            zombie.send(signal.SIGSTOP)
            with line.bridge("worker-2", **settings) as owner:
                wait_for(lambda: owner.metric("chatbridge_shards") == 12, 60, "no take-over from the paused worker")
                owner.wait_ready()
                zombie.send(signal.SIGCONT)
                wait_for(
                    lambda: zombie.ready and owner.ready and zombie.metric("chatbridge_shards") < 12,
                    60,
                    "the two did not come to terms",
                )
                chats.summary(120)
                result = line.compare_when_closed(chats.ledger)
    assert result.clean, str(result)


def test_an_announcement_may_come_over_http_and_a_bad_one_is_refused_with_its_reason(line: EndToEndLine) -> None:
    with line.bridge() as bridge, line.simulator(no_traffic=True) as chats:
        bridge.wait_ready()
        status, body = bridge.post("/v1/sessions", {"sessionId": "0000HTTP00000001", "host": "chat-1", "port": 0})
        assert status == 400
        assert "port" in json.dumps(json.loads(body))
        host, _, port = chats.address.rpartition(":")
        good = {"sessionId": "0000HTTP00000001", "host": host, "port": int(port)}
        assert bridge.post("/v1/sessions", good)[0] == 202
        wait_for(bridge.sessions, 40, "the announced chat is not listed")
        [session] = bridge.sessions()
        assert session["sessionId"] == "0000HTTP00000001"
