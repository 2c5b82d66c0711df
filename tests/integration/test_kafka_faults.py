"""Kafka slow, away or unwilling: the bridge goes on by itself, loses nothing, and no chat notices (P1, P3, P4, P6).

Each test ends with the judgement of the simulator's ledger; while Kafka is away `/readyz` must say why.
"""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka.admin import NewTopic

from bridge.sandbox import LocalBroker, LocalCluster
from tests.integration.e2e_environment import (
    FIGURES,
    E2EEnvironment,
    all_joined,
    captured,
    followed,
    joins_and_leaves,
    reasons,
)
from tests.support.kafka_tools import (
    AUTHORIZER,
    allow_writes,
    alter,
    create,
    delete,
    exists,
    fill,
    forbid_writes,
    small_disk,
    usurp,
    write,
)
from tests.support.processes import Bridge, Simulator, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUICK = {"transaction.abort.timed.out.transaction.cleanup.interval.ms": "500"}
IMPATIENT = {
    "kafka__client__request_timeout_ms": 2000,
    "kafka__transaction_timeout_seconds": 10,
    "kafka__session_timeout_seconds": 6,
}
WAITING = "waiting for Kafka: a transaction has been in progress for"


@pytest.fixture(scope="module")
def own_broker() -> Iterator[LocalBroker]:
    """One broker for what these tests do to it; each leaves it running."""
    with LocalBroker(overrides=QUICK) as broker:
        yield broker


@dataclass
class FaultScene:
    """A bridge that follows chats, and what must be the same before and after trouble with Kafka."""

    environment: E2EEnvironment
    bridge: Bridge
    chats: Simulator
    pid: int
    asked: dict[str, int] = field(default_factory=dict)

    def unready(self, *wanted: str, seconds: float = 15) -> None:
        """Wait until `/readyz` gives one of these reasons; the process stays alive."""

        def told() -> bool:
            return any(word in reason for word in wanted for reason in reasons(self.bridge))

        wait_for(told, seconds, lambda: f"no reason {wanted}: {self.bridge.get('/readyz')[1]!r}")
        assert self.bridge.get("/livez")[0] == 200

    def goes_on(self, seconds: float = 45) -> None:
        """Wait until all is as before: ready by itself, capturing, and no chat was left or joined again (P4)."""
        wait_for(lambda: self.bridge.ready, seconds, lambda: f"not ready: {self.bridge.get('/readyz')[1]!r}")
        before = captured(self.bridge)
        wait_for(lambda: captured(self.bridge) > before + 50, 20, "nothing is captured any more")
        assert self.bridge.running
        assert self.bridge.pid == self.pid
        assert joins_and_leaves(self.chats) == self.asked
        assert self.chats.stats()["droppedConnections"] == {}
        assert all_joined(self.bridge)
        wait_for(lambda: self.oldest() < 2, 20, "the backlog stays")

    def oldest(self) -> float:
        return self.bridge.metric("chatbridge_oldest_uncommitted_event_seconds")

    def transactions(self, outcome: str) -> float:
        return self.bridge.metric("chatbridge_transactions_total", outcome=outcome)

    def buffered(self) -> float:
        return self.bridge.metric("chatbridge_buffer_bytes")

    def sequences(self) -> dict[int, int]:
        """How many records of its chats each shard has folded."""
        found: Counter[int] = Counter()
        for chat in followed(self.bridge):
            found[chat["shard"]] += chat["sequence"]
        return dict(found)

    def finish(self) -> None:
        """Let the chats end and be judged."""
        result = self.environment.finish(self.chats)
        assert result.told == []
        # Counters hold what the bridge was told: the answer to a commit that succeeded may be lost with its connection.
        in_doubt = self.transactions("failed") + self.transactions("fenced")
        assert captured(self.bridge) == result.records or (in_doubt and captured(self.bridge) < result.records)
        assert self.bridge.terminate() == 0


@contextmanager
def scene(environment: E2EEnvironment, count: int = 10, rate: int = 100, **settings: Any) -> Iterator[FaultScene]:
    """Give a scene in which all chats are joined and captured."""
    with environment.bridge(**settings) as bridge:
        bridge.wait_ready()
        with environment.chats(concurrent_chats=count, events_per_second=rate) as chats:
            wait_for(lambda: all_joined(bridge, count) and captured(bridge) > 100, 30, "the chats are not captured")
            yield FaultScene(environment, bridge, chats, bridge.pid, joins_and_leaves(chats))


def test_a_broker_that_stops_for_a_second_costs_a_second(own_broker: LocalBroker, tmp_path: Path) -> None:
    with scene(E2EEnvironment(own_broker.bootstrap_servers, tmp_path, **IMPATIENT)) as it:
        own_broker.pause()
        time.sleep(1)  # the length of the fault
        own_broker.resume()
        it.goes_on(10)
        assert (it.transactions("failed"), it.transactions("fenced")) == (0, 0)
        it.finish()


def test_a_broker_that_stops_for_longer_than_every_timeout_is_waited_for(
    own_broker: LocalBroker, tmp_path: Path
) -> None:
    with scene(E2EEnvironment(own_broker.bootstrap_servers, tmp_path, **IMPATIENT)) as it:
        own_broker.pause()
        try:
            it.unready(WAITING)
            # Longer than the request, session and transaction time-outs; the length of the fault.
            wait_for(lambda: it.oldest() > 16, 30, "the age of the oldest event does not grow")
            assert it.buffered() > 0
            assert joins_and_leaves(it.chats) == it.asked
        finally:
            own_broker.resume()
        it.goes_on()
        it.finish()


def test_a_broker_that_is_killed_and_comes_back_finds_everything_waiting(
    own_broker: LocalBroker, tmp_path: Path
) -> None:
    with scene(E2EEnvironment(own_broker.bootstrap_servers, tmp_path, **IMPATIENT)) as it:
        own_broker.kill()
        it.unready(WAITING, "Kafka does not answer")
        status, body = it.bridge.post("/v1/sessions", {"sessionId": "0000AWAY00000001", "host": "chat-1", "port": 1})
        assert status == 503, body
        assert it.oldest() > 5
        own_broker.restart()
        it.goes_on()
        it.finish()


def test_a_bridge_without_chats_notices_that_kafka_is_away(own_broker: LocalBroker, tmp_path: Path) -> None:
    with E2EEnvironment(own_broker.bootstrap_servers, tmp_path, **IMPATIENT).bridge() as bridge:
        bridge.wait_ready()
        own_broker.kill()
        try:
            wait_for(lambda: reasons(bridge), 20, "still ready")
            assert "Kafka does not answer" in reasons(bridge)[0]
            assert bridge.get("/livez")[0] == 200
        finally:
            own_broker.restart()
        bridge.wait_ready(30)
        assert bridge.terminate() == 0


@pytest.mark.parametrize(
    ("replicas", "stuck"), [(1, {2, 5}), (2, {1, 2, 4, 5})], ids=["no leader", "too few replicas in sync"]
)
def test_a_partition_that_cannot_be_written_stops_its_shard_and_no_other(
    tmp_path: Path, workers: int, stuck: set[int]
) -> None:
    partitions = 6
    with LocalCluster(nodes=3) as cluster:
        environment = E2EEnvironment(cluster.bootstrap_servers, tmp_path, kafka__partitions=partitions, **IMPATIENT)
        # Shard n lies on node n % 3 (and on the one after it) with all its partitions.
        numbers = [node.number for node in cluster.nodes]
        places = [[numbers[(shard + more) % 3] for more in range(workers)] for shard in range(partitions)]
        for kind in ("announcements", "events", "sessions", "quarantine", "checkpoints"):
            config = {
                "cleanup.policy": "compact" if kind == "checkpoints" else "delete",
                "min.insync.replicas": str(workers),
            }
            create(
                environment.broker,
                NewTopic(environment.topic(kind), partitions, replica_assignment=places, config=config),
            )
        with scene(environment, count=30, kafka__replication_factor=workers) as it:
            cluster.nodes[2].kill()
            it.unready(WAITING, *(f"shard {shard}: " for shard in stuck), seconds=30)
            # All that have chats; some must find their transactions' coordinator anew, which was on the killed node.
            others = set(it.sequences()) - stuck
            assert others

            def only_the_others_go_on() -> bool:
                before = it.sequences()

                def moved(more: int) -> set[int]:
                    return {shard for shard, sequence in it.sequences().items() if sequence > before[shard] + more}

                wait_for(lambda: moved(20) >= others, 60, lambda: f"only {moved(20)} of {others} go on")
                return moved(0) == others

            # A stuck one folds once more when a coordinator answers late: the next transaction cannot begin.
            wait_for(only_the_others_go_on, 30, "those that cannot be written go on, too")
            assert all_joined(it.bridge, 30)
            assert it.oldest() > 5
            cluster.nodes[2].restart()
            it.goes_on(60)
            it.finish()


def test_a_transaction_that_the_broker_gave_up_is_done_again(own_broker: LocalBroker, tmp_path: Path) -> None:
    with scene(E2EEnvironment(own_broker.bootstrap_servers, tmp_path, **IMPATIENT, kafka__partitions=1)) as it:
        own_broker.pause()
        wait_for(lambda: it.oldest() > 1, 10, "no transaction is under way")
        it.bridge.send(signal.SIGSTOP)  # between the beginning of a transaction and its end
        own_broker.resume()
        time.sleep(12)  # the broker's patience of 10 s, and its look at it every half second
        it.bridge.send(signal.SIGCONT)
        it.goes_on()
        assert it.transactions("failed") + it.transactions("fenced") >= 1
        it.finish()


def test_a_shard_that_was_fenced_and_is_still_ours_goes_on(own_broker: LocalBroker, tmp_path: Path) -> None:
    environment = E2EEnvironment(own_broker.bootstrap_servers, tmp_path, kafka__partitions=1)
    with scene(environment) as it:
        # A usurper that comes during the end of a transaction makes the broker answer with an error of its own.
        while it.transactions("fenced") < 2:
            before = it.transactions("fenced") + it.transactions("failed")
            assert before < 6, "it fails, and is not fenced"
            usurp(environment.broker, f"{environment.prefix}bridge-0")
            wait_for(lambda: it.transactions("fenced") + it.transactions("failed") > before, 10, "nobody noticed")  # noqa: B023
            it.goes_on()
        assert it.bridge.metric("chatbridge_shard_changes_total", change="fenced") == it.transactions("fenced")
        it.finish()


def test_a_topic_that_somebody_deleted_stops_its_writers_until_it_is_there_again(
    own_broker: LocalBroker, tmp_path: Path
) -> None:
    environment = E2EEnvironment(own_broker.bootstrap_servers, tmp_path, **IMPATIENT)
    with environment.bridge() as bridge:
        bridge.wait_ready()
        delete(environment.broker, environment.topic("sessions"))
        wait_for(lambda: not exists(environment.broker, environment.topic("sessions")), 10, "it is still there")
        with environment.chats() as chats:
            wait_for(lambda: len(reasons(bridge)) > 0, 30, "still ready")
            create(environment.broker, NewTopic(environment.topic("sessions"), 3, 1))
            wait_for(lambda: all_joined(bridge, 10) and captured(bridge) > 100, 45, "the chats are not captured")
            bridge.wait_ready(30)
            assert joins_and_leaves(chats)["RequestJoin"] == 10
            result = environment.finish(chats)
            assert result.told == []


def test_a_permission_that_was_taken_away_is_asked_for_and_waited_for(tmp_path: Path) -> None:
    with (
        LocalBroker(overrides=QUICK | AUTHORIZER) as broker,
        scene(E2EEnvironment(broker.bootstrap_servers, tmp_path, **IMPATIENT)) as it,
    ):
        events = it.environment.topic("events")
        forbid_writes(it.environment.broker, events)
        it.unready("grant Read, Write, Describe and DescribeConfigs")
        wait_for(lambda: it.oldest() > 3, 10, "the age of the oldest event does not grow")
        assert it.transactions("failed") >= 1
        allow_writes(it.environment.broker, events)
        it.goes_on()
        it.finish()


def test_a_full_disk_ends_the_broker_and_not_the_bridge(tmp_path: Path) -> None:
    with small_disk(64) as disk:
        if disk is None:
            pytest.skip("mounting a file system is not allowed here")
        small = {"log.dirs": str(disk / "data"), "log.segment.bytes": str(4 << 20), "log.index.size.max.bytes": "65536"}
        with (
            LocalBroker(overrides=QUICK | small) as broker,
            scene(E2EEnvironment(broker.bootstrap_servers, tmp_path, **IMPATIENT)) as it,
        ):
            ballast = fill(disk)
            it.unready(WAITING, "Kafka does not answer", seconds=30)
            ballast.unlink()
            broker.kill()
            broker.restart()
            it.goes_on()
            it.finish()


def test_buffers_are_bounded_and_reading_pauses_until_kafka_is_back(own_broker: LocalBroker, tmp_path: Path) -> None:
    limit, one_read = 1 << 20, 3 * (256 << 10)
    environment = E2EEnvironment(own_broker.bootstrap_servers, tmp_path, **IMPATIENT, kafka__partitions=1)
    with scene(environment, rate=500, capture__inbox_bytes=limit) as it:
        own_broker.pause()
        most = 0.0
        try:
            it.unready("buffer full, reading paused")
            while it.oldest() < 20:
                most = max(most, it.buffered())
                time.sleep(0.1)
        finally:
            own_broker.resume()
        assert it.bridge.metric("chatbridge_inbox_pauses_total") >= 1
        links = it.bridge.metric("chatbridge_links")
        assert limit <= most <= limit + links * one_read
        it.goes_on()
        wait_for(lambda: it.buffered() < limit / 2, 30, "the buffer stays full")
        it.finish()


def test_a_flood_of_announcements_waits_on_kafka_while_nothing_can_be_committed(
    own_broker: LocalBroker, tmp_path: Path
) -> None:
    count, limit, one_fetch = 4000, 1 << 20, 1 << 20
    environment = E2EEnvironment(
        own_broker.bootstrap_servers, tmp_path, **IMPATIENT, kafka__partitions=1, capture__inbox_bytes=limit
    )
    with environment.bridge() as bridge, environment.simulator(no_traffic=True) as server:
        bridge.wait_ready()
        alter(environment.broker, environment.topic("sessions"), "max.message.bytes", "100")
        host, _, port = server.address.rpartition(":")
        said = {"host": host, "port": int(port), "userData": {"Subject": "s" * 2000}}
        names = [f"FLOOD{number:011}" for number in range(count)]
        flood = {name: json.dumps({"sessionId": name, **said}).encode() for name in names}
        write(environment.broker, environment.topic("announcements"), flood)
        wait_for(lambda: "buffer full, reading paused" in str(reasons(bridge)), 20, "it is not full")
        most = 0.0
        while bridge.metric("chatbridge_oldest_uncommitted_event_seconds") < 15:
            most = max(most, bridge.metric("chatbridge_buffer_bytes"))
            time.sleep(0.1)
        assert limit <= most <= limit + 1.5 * one_fetch  # an input counts as a little more than its bytes
        alter(environment.broker, environment.topic("sessions"), "max.message.bytes", None)
        # Nobody has these chats: each must be said to be so.
        closed = "chatbridge_chats_closed_total"
        wait_for(lambda: bridge.metric(closed) == count, 60, lambda: f"{bridge.metric(closed)} closed", poll=0.5)
        bridge.wait_ready()
        assert set(environment.certificates()) == set(names)
        assert joins_and_leaves(server)["RequestJoin"] == count
    assert environment.disturbed() == []


def test_a_minute_without_kafka_at_five_hundred_events_a_second_fits_into_memory(
    own_broker: LocalBroker, tmp_path: Path
) -> None:
    environment = E2EEnvironment(own_broker.bootstrap_servers, tmp_path, kafka__partitions=12)
    with scene(environment, count=100, rate=500) as it:
        before = it.bridge.rss_bytes()
        own_broker.pause()
        try:
            wait_for(lambda: it.oldest() > 60, 90, "the age of the oldest event does not grow", poll=1)
            held, grown = it.buffered(), it.bridge.rss_bytes() - before
        finally:
            own_broker.resume()
        FIGURES.info("a minute at 500/s: %.1f MB counted, %.1f MB more resident", held / 1e6, grown / 1e6)
        assert held < 64 << 20
        assert grown < 2 * (64 << 20)
        it.goes_on(60)
        it.finish()
    assert followed(it.bridge) == []
