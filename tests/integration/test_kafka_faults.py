"""Kafka slow, unavailable or refusing: the bridge recovers by itself and loses nothing (P1, P3, P4, P6).

Each test ends by comparing the topics with the simulator's ledger; while Kafka is unavailable `/readyz` must give the
reason. All of them run over TLS with a password; those whose faults cut or stop connections, over plaintext too.
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest
from confluent_kafka.admin import NewTopic

from tests.integration.capturing_bridge import (
    QUICK_TRANSACTION_TIMEOUT,
    SHORT_KAFKA_TIMEOUTS,
    WAITING,
    capturing_bridge,
)
from tests.integration.e2e_environment import all_joined, captured, environment_on, joins_and_leaves, reasons
from tests.support.kafka_tools import (
    allow_writes,
    create,
    delete,
    exists,
    fence,
    fill,
    forbid_writes,
    small_disk,
)
from tests.support.processes import wait_for
from tests.support.secured_broker import USER, SecuredBroker, SecuredCluster

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from bridge.sandbox import LocalBroker

KINDS = ("announcements", "events", "sessions", "quarantine", "checkpoints")
OVER_TLS_TOO = pytest.mark.parametrize("own_broker", ["plain_broker", "secured_broker"], indirect=True)


@OVER_TLS_TOO
def test_a_broker_that_stops_for_a_second_costs_a_second(own_broker: LocalBroker, tmp_path: Path) -> None:
    with capturing_bridge(environment_on(own_broker, tmp_path, **SHORT_KAFKA_TIMEOUTS)) as running:
        own_broker.pause()
        time.sleep(1)  # the length of the fault
        own_broker.resume()
        running.wait_recovered(10)
        assert (running.transactions("failed"), running.transactions("fenced")) == (0, 0)
        running.finish()


@OVER_TLS_TOO
def test_a_broker_that_stops_for_longer_than_every_timeout_is_waited_for(
    own_broker: LocalBroker, tmp_path: Path
) -> None:
    with capturing_bridge(environment_on(own_broker, tmp_path, **SHORT_KAFKA_TIMEOUTS)) as running:
        own_broker.pause()
        try:
            running.wait_unready(WAITING)
            # Longer than the request, session and transaction time-outs; the length of the fault.
            wait_for(lambda: running.oldest_seconds() > 16, 30, "the age of the oldest event does not grow")
            assert running.buffered() > 0
            assert joins_and_leaves(running.chats) == running.asked
        finally:
            own_broker.resume()
        running.wait_recovered()
        running.finish()


@OVER_TLS_TOO
def test_a_broker_that_is_killed_and_comes_back_finds_everything_waiting(
    own_broker: LocalBroker, tmp_path: Path
) -> None:
    with capturing_bridge(environment_on(own_broker, tmp_path, **SHORT_KAFKA_TIMEOUTS)) as running:
        own_broker.kill()
        running.wait_unready(WAITING, "KAFKA_UNAVAILABLE")
        status, body = running.bridge.post(
            "/v1/sessions", {"sessionId": "0000AWAY00000001", "host": "chat-1", "port": 1}
        )
        assert status == 503, body
        wait_for(lambda: running.oldest_seconds() > 5, 10, "the age of the oldest event does not grow")
        own_broker.restart()
        running.wait_recovered()
        running.finish()


@pytest.fixture(scope="module")
def cluster() -> Iterator[SecuredCluster]:
    """Give three brokers; each test leaves all of them running."""
    with SecuredCluster(nodes=3) as started:
        yield started


@pytest.mark.timeout(270)  # what it waits for may take 250 s in all
@pytest.mark.parametrize(
    ("replicas", "stuck", "kinds"),
    [(1, {2, 5}, KINDS), (2, {1, 2, 4, 5}, KINDS), (2, {1, 2, 4, 5}, ["events"])],
    ids=["no leader", "too few replicas in sync", "too few replicas of one topic in sync"],
)
def test_a_partition_that_cannot_be_written_stops_its_shard_and_no_other(
    cluster: SecuredCluster, tmp_path: Path, replicas: int, stuck: set[int], kinds: Collection[str]
) -> None:
    partitions = 6
    environment = environment_on(cluster, tmp_path, kafka__partitions=partitions, **SHORT_KAFKA_TIMEOUTS)
    # All partitions of shard n are on node n % 3 (and on the next one).
    numbers = [node.number for node in cluster.nodes]
    few = [[numbers[(shard + more) % 3] for more in range(replicas)] for shard in range(partitions)]
    for kind in KINDS:
        places = few if kind in kinds else [numbers] * partitions
        config = {
            "cleanup.policy": "compact" if kind == "checkpoints" else "delete",
            "min.insync.replicas": str(replicas),
        }
        create(
            environment.broker,
            NewTopic(environment.topic(kind), partitions, replica_assignment=places, config=config),
        )
    # A shard without chats writes no events, and is stuck only now and then. With so many chats there is none.
    with capturing_bridge(environment, count=60, kafka__replication_factor=replicas) as running:
        assert set(running.sequences()) == set(range(partitions))
        cluster.nodes[2].kill()
        running.wait_unready(WAITING, *(f"shard {shard}: " for shard in stuck), seconds=30)
        # Some must find a new transaction coordinator, because theirs was on the killed node.
        others = set(range(partitions)) - stuck

        def only_the_others_go_on() -> bool:
            before = running.sequences()

            def moved(more: int) -> set[int]:
                return {shard for shard, sequence in running.sequences().items() if sequence > before[shard] + more}

            wait_for(lambda: moved(20) >= others, 60, lambda: f"only {moved(20)} of {others} continue")
            return moved(0) == others

        # A stuck one folds once more when a coordinator answers late: the next transaction cannot begin.
        wait_for(only_the_others_go_on, 30, "shards that cannot write continue, too")
        wait_for(
            lambda: running.shards_with("KAFKA_UNAVAILABLE") == stuck,
            30,
            lambda: f"other shards are named: {reasons(running.bridge)}",
        )
        assert all_joined(running.bridge, 30)
        wait_for(lambda: running.oldest_seconds() > 5, 10, "what cannot be written does not age")
        cluster.nodes[2].restart()
        running.wait_recovered(60)
        running.finish()


@pytest.mark.timeout(200)
def test_a_partition_of_announcements_without_a_leader_is_a_reason_and_chats_are_captured(
    cluster: SecuredCluster, tmp_path: Path
) -> None:
    partitions, lost = 3, 2
    environment = environment_on(cluster, tmp_path, kafka__partitions=partitions, **SHORT_KAFKA_TIMEOUTS)
    numbers = [node.number for node in cluster.nodes]
    everywhere, one_each = [numbers] * partitions, [[number] for number in numbers]
    for kind in ("announcements", "events", "sessions", "quarantine", "checkpoints"):
        places = one_each if kind == "announcements" else everywhere
        config = {"cleanup.policy": "compact" if kind == "checkpoints" else "delete"}
        create(
            environment.broker, NewTopic(environment.topic(kind), partitions, replica_assignment=places, config=config)
        )
    with capturing_bridge(environment, count=30) as running:
        before = running.sequences()
        assert set(before) == set(range(partitions))
        cluster.nodes[lost].kill()
        said = f"KAFKA_UNAVAILABLE: shard {lost}: cannot look at the logs of a shard: partition {lost} of "
        running.wait_unready(f"{said}{environment.topic('announcements')} has no leader", seconds=40)
        before = running.sequences()

        def moved() -> set[int]:
            return {shard for shard, sequence in running.sequences().items() if sequence > before[shard] + 20}

        wait_for(lambda: moved() == set(before), 60, lambda: f"only {moved()} of {set(before)} are captured")
        wait_for(lambda: running.shards_with("KAFKA_UNAVAILABLE") == {lost}, 30, lambda: str(reasons(running.bridge)))
        cluster.nodes[lost].restart()
        running.wait_recovered(60)
        running.finish()


def test_a_transaction_that_the_broker_gave_up_is_done_again(secured_broker: SecuredBroker, tmp_path: Path) -> None:
    with capturing_bridge(
        environment_on(secured_broker, tmp_path, **SHORT_KAFKA_TIMEOUTS, kafka__partitions=1)
    ) as running:
        secured_broker.pause()
        wait_for(lambda: running.oldest_seconds() > 1, 10, "no transaction is under way")
        running.bridge.send(signal.SIGSTOP)  # between the beginning of a transaction and its end
        secured_broker.resume()
        time.sleep(12)  # the transaction time-out of 10 s, which the broker checks every half second
        running.bridge.send(signal.SIGCONT)
        running.wait_recovered()
        assert running.transactions("failed") + running.transactions("fenced") >= 1
        running.finish()


def test_a_shard_that_was_fenced_and_is_still_ours_goes_on(secured_broker: SecuredBroker, tmp_path: Path) -> None:
    # Its id is that of the shard; `test_worker_transactions.py` has workers that fence each other.
    environment = environment_on(secured_broker, tmp_path, kafka__partitions=1, kafka__transactions="shard")
    with capturing_bridge(environment) as running:

        def interrupted() -> float:
            return running.transactions("fenced") + running.transactions("failed")

        # If the fencing hits the end of a transaction, the broker answers with another error than "fenced".
        while running.transactions("fenced") < 2:
            before = interrupted()
            assert before < 6, "it fails, and is not fenced"
            fence(environment.broker, f"{environment.prefix}bridge-0")
            wait_for(lambda: interrupted() > before, 10, "no shard was interrupted")  # noqa: B023 - called here
            running.wait_recovered()
        assert running.bridge.metric("chatbridge_shard_changes_total", change="fenced") == running.transactions(
            "fenced"
        )
        running.finish()


def test_a_topic_that_somebody_deleted_stops_its_writers_until_it_is_there_again(
    secured_broker: SecuredBroker, tmp_path: Path
) -> None:
    environment = environment_on(secured_broker, tmp_path, **SHORT_KAFKA_TIMEOUTS)
    with environment.bridge() as bridge:
        bridge.wait_ready()
        delete(environment.broker, environment.topic("sessions"))
        wait_for(lambda: not exists(environment.broker, environment.topic("sessions")), 10, "it is still there")
        with environment.chats() as chats:
            wait_for(lambda: len(reasons(bridge)) > 0, 30, "still ready")
            create(environment.broker, NewTopic(environment.topic("sessions"), 3, 1))
            wait_for(lambda: all_joined(bridge, 10) and captured(bridge) > 100, 45, "the chats are not captured")
            bridge.wait_ready(90)
            assert joins_and_leaves(chats)["RequestJoin"] == 10
            result = environment.finish(chats)
            assert result.explained == []


def test_a_permission_that_was_taken_away_is_asked_for_and_waited_for(
    secured_broker: SecuredBroker, tmp_path: Path
) -> None:
    with capturing_bridge(environment_on(secured_broker, tmp_path, **SHORT_KAFKA_TIMEOUTS)) as running:
        events = running.environment.topic("events")
        forbid_writes(running.environment.broker, events)
        running.wait_unready(f"Kafka denies User:{USER}: Write on topic {events}")
        wait_for(lambda: running.oldest_seconds() > 3, 10, "the age of the oldest event does not grow")
        assert running.transactions("failed") >= 1
        allow_writes(running.environment.broker, events)
        running.wait_recovered()
        running.finish()


def test_a_full_disk_ends_the_broker_and_not_the_bridge(tmp_path: Path) -> None:
    with small_disk(64) as disk:
        if disk is None:
            pytest.skip("mounting a file system is not allowed here")
        small = {"log.dirs": str(disk / "data"), "log.segment.bytes": str(4 << 20), "log.index.size.max.bytes": "65536"}
        with (
            SecuredBroker(overrides=QUICK_TRANSACTION_TIMEOUT | small) as broker,
            capturing_bridge(environment_on(broker, tmp_path, **SHORT_KAFKA_TIMEOUTS)) as running,
        ):
            ballast = fill(disk)
            running.wait_unready(WAITING, "KAFKA_UNAVAILABLE", seconds=30)
            ballast.unlink()
            broker.kill()
            broker.restart()
            running.wait_recovered()
            running.finish()
