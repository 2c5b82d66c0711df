"""`kafka.transactions: worker`: one transaction for all shards of a worker, shards handed over by claims in the log.

Each test ends by comparing the topics with the simulator's ledger: every event once and in order, whoever wrote it.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest
from aiokafka.client import AIOKafkaClient
from confluent_kafka.admin import NewTopic

from bridge.adapters.kafka.transaction_requests import last_transaction
from bridge.sandbox.broker import LocalCluster
from tests.integration.capturing_bridge import SHORT_KAFKA_TIMEOUTS, WAITING, capturing_bridge
from tests.integration.e2e_environment import E2EEnvironment, all_joined, environment_on, followed, reasons
from tests.support.kafka_tools import allow_writes, create, forbid_writes
from tests.support.processes import Bridge, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bridge.capture.worker_ports import ProducerEpoch
    from bridge.sandbox import LocalBroker
    from tests.support.processes import Simulator
    from tests.support.secured_broker import SecuredBroker

_log = logging.getLogger(__name__)
SHARDS: Final = 6
CHATS: Final = 20
TOGETHER: Final[dict[str, Any]] = {
    "kafka__partitions": SHARDS,
    "kafka__session_timeout_seconds": 6,
    "kafka__transactions": "worker",
}


@pytest.fixture
def environment(broker: str, tmp_path: Path) -> E2EEnvironment:
    return E2EEnvironment(broker, tmp_path, **TOGETHER)


def settled(*bridges: Bridge) -> None:
    """Wait until these share all shards and every chat is joined by exactly one of them."""

    def done() -> bool:
        shards = [bridge.metric("chatbridge_shards") for bridge in bridges]
        seen = [chat["sessionId"] for bridge in bridges for chat in followed(bridge) if chat["joined"]]
        return (
            all(shards)
            and sum(shards) == SHARDS
            and all(bridge.ready for bridge in bridges)
            and len(seen) == len(set(seen)) == CHATS
        )

    wait_for(done, 60, "the shards are not shared")


def epoch_of(environment: E2EEnvironment, worker: str) -> ProducerEpoch:
    """Return Kafka's id of a worker's producer, and its epoch."""

    async def asked() -> ProducerEpoch:
        client = AIOKafkaClient(bootstrap_servers=environment.broker)
        await client.bootstrap()
        try:
            return (await last_transaction(client, f"{environment.prefix}bridge-worker:{worker}")).epoch
        finally:
            await client.close()

    return asyncio.run(asked())


@pytest.mark.faults
def test_every_event_is_on_kafka_once_and_in_order(environment: E2EEnvironment) -> None:
    with environment.bridge() as bridge:
        bridge.wait_ready()
        with environment.chats(concurrent_chats=CHATS, events_per_second=200) as chats:
            wait_for(lambda: bridge.metric("chatbridge_events_total") > 1000, 30, "nothing is captured")
            result = environment.finish(chats)
        assert result.explained == []
        assert bridge.metric("chatbridge_events_total") == result.records
        assert bridge.terminate() == 0


@pytest.mark.faults
def test_a_worker_that_stops_in_order_and_comes_back_fences_nobody(environment: E2EEnvironment) -> None:
    with environment.bridge() as bridge:
        bridge.wait_ready()
        with environment.chats(concurrent_chats=CHATS) as chats:
            settled(bridge)
            assert bridge.terminate() == 0
            producer, epoch = epoch_of(environment, "worker-1")
            with environment.bridge() as again:
                settled(again)
                # It has initialised its id once: to fence the former process it would do so once more.
                assert epoch_of(environment, "worker-1") == (producer, epoch + 1)
                assert again.metric("chatbridge_worker_fenced_total") == 0
                result = environment.finish(chats)
    assert result.explained == []


@pytest.mark.faults
@pytest.mark.timeout(240)
def test_workers_that_come_and_go_in_order_take_shards_from_each_other(environment: E2EEnvironment) -> None:
    with environment.bridge("worker-1") as one:
        one.wait_ready()
        with environment.chats(concurrent_chats=CHATS) as chats:
            settled(one)
            epoch = epoch_of(environment, "worker-1")
            with environment.bridge("worker-2") as two:
                settled(one, two)
                # Whoever fences a worker, which aborts its transaction, raises this. It is raised when a worker stops:
                # its shards go on until others have taken them.
                assert epoch_of(environment, "worker-1") == epoch
                assert one.metric("chatbridge_transactions_total", outcome="failed") == 0
                assert one.terminate() == 0
                settled(two)
                result = environment.finish(chats)
    assert result.explained == []


@pytest.mark.faults
@pytest.mark.timeout(240)
def test_the_setting_is_changed_and_changed_back_while_no_worker_runs(environment: E2EEnvironment) -> None:
    with environment.bridge() as bridge:
        bridge.wait_ready()  # the topics are there now
        assert bridge.terminate() == 0
    with environment.chats(concurrent_chats=CHATS) as chats:
        for value in ("shard", "worker"):
            with environment.bridge(kafka__transactions=value) as bridge:
                settled(bridge)
                assert bridge.terminate() == 0
        with environment.bridge(kafka__transactions="shard") as bridge:
            settled(bridge)
            result = environment.finish(chats)
    assert result.kinds["RESUMED"] > 0


@contextmanager
def two_workers(environment: E2EEnvironment) -> Iterator[tuple[Bridge, Bridge, Simulator]]:
    """Give two workers that share all shards and follow all chats, and the simulator of the chats."""
    with environment.bridge("worker-1") as one, environment.bridge("worker-2") as two:
        one.wait_ready()
        with environment.chats(concurrent_chats=CHATS) as chats:
            settled(one, two)
            yield one, two, chats


@pytest.mark.faults
@pytest.mark.timeout(240)
def test_the_shards_of_a_killed_worker_are_taken_over_and_it_comes_back(environment: E2EEnvironment) -> None:
    with two_workers(environment) as (one, two, chats):
        two.kill()
        settled(one)
        with environment.bridge("worker-2") as again:
            settled(one, again)
            result = environment.finish(chats)
    assert result.explained == []
    assert result.kinds["RESUMED"] > 0


@pytest.mark.faults
@pytest.mark.timeout(240)
def test_a_worker_that_stands_still_comes_back_as_a_zombie_and_writes_nothing(environment: E2EEnvironment) -> None:
    with two_workers(environment) as (one, two, chats):
        two.send(signal.SIGSTOP)
        settled(one)
        two.send(signal.SIGCONT)
        settled(one, two)
        result = environment.finish(chats)
    assert result.explained == []


@pytest.mark.faults
def test_a_broker_that_is_killed_leaves_commits_in_doubt_and_finds_everything_waiting(
    own_broker: LocalBroker, tmp_path: Path
) -> None:
    with capturing_bridge(environment_on(own_broker, tmp_path, **TOGETHER | SHORT_KAFKA_TIMEOUTS)) as running:
        own_broker.kill()
        running.wait_unready(WAITING, "KAFKA_UNAVAILABLE")
        wait_for(lambda: running.oldest_seconds() > 5, 30, "the age of the oldest event does not grow")
        own_broker.restart()
        running.wait_recovered()
        running.finish()


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(nodes=3) as started:
        yield started


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_shards_go_on_within_ten_seconds_after_a_partition_of_another_one_lost_its_leader(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    """Whatever the moment is at which it does: while records are sent, or a transaction is marked."""
    environment = environment_on(cluster, tmp_path, **TOGETHER | SHORT_KAFKA_TIMEOUTS)
    numbers = [node.number for node in cluster.nodes]
    for kind in ("announcements", "events", "sessions", "quarantine", "checkpoints"):
        policy = {"cleanup.policy": "compact" if kind == "checkpoints" else "delete"}
        places = [[numbers[shard % 3]] for shard in range(SHARDS)]
        create(environment.broker, NewTopic(environment.topic(kind), SHARDS, replica_assignment=places, config=policy))
    with capturing_bridge(environment, count=CHATS) as running:
        for turn in (1, 2):
            cluster.nodes[2].kill()
            killed, before = time.monotonic(), running.sequences()
            others = {shard for shard in before if shard % 3 != 2}
            assert others

            def moved(than: dict[int, int] = before) -> set[int]:
                # What was under way at the kill may be committed all the same.
                return {shard for shard, at in running.sequences().items() if at > than[shard] + 1}

            running.wait_unready(WAITING, "shard 2: ", "shard 5: ", seconds=30)
            wait_for(lambda: moved() >= others, 30, "others are held up")  # noqa: B023 - called here
            _log.info("kill %d: the others go on after %.1f s", turn, time.monotonic() - killed)
            since, before = time.monotonic(), running.sequences()
            wait_for(lambda: moved(before) >= others, 10, "others are held up again")  # noqa: B023
            assert since - killed < 10
            wait_for(
                lambda: running.shards_with("KAFKA_UNAVAILABLE") == {2, 5},
                30,
                lambda: f"other shards are named: {reasons(running.bridge)}",
            )
            cluster.nodes[2].restart()
            running.wait_recovered(60)
        running.finish()


@pytest.mark.faults
def test_a_shard_whose_records_are_refused_stops_and_no_other(secured_broker: SecuredBroker, tmp_path: Path) -> None:
    environment = environment_on(secured_broker, tmp_path, **TOGETHER)
    sessions = environment.topic("sessions")  # written only when a chat begins or ends
    with capturing_bridge(environment, count=CHATS) as running:
        forbid_writes(environment.broker, sessions)
        with environment.simulator("second", concurrent_chats=1, events_per_second=5, mean_events=10**9) as second:
            denied = partial(running.shards_with, "ACCESS_DENIED", f"Write on topic {sessions}")
            wait_for(lambda: len(denied()) == 1, 30, lambda: f"no shard is denied to write: {reasons(running.bridge)}")
            [refused] = denied()
            for _ in range(3):
                before, began = running.sequences(), time.monotonic()
                others = set(before) - {refused}

                def moved(than: dict[int, int] = before) -> set[int]:
                    return {shard for shard, at in running.sequences().items() if at > than.get(shard, at)}

                wait_for(lambda: moved() >= others, 10, "others are held up")  # noqa: B023 - called here
                assert time.monotonic() - began < 10
            allow_writes(environment.broker, sessions)
            wait_for(lambda: running.bridge.ready and all_joined(running.bridge, CHATS + 1), 60, "not all are joined")
            result = environment.finish(running.chats, second)
            assert result.explained == []
            assert running.bridge.terminate() == 0
