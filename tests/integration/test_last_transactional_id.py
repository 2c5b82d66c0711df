"""A shard that Kafka never acknowledges does not stop the others: the last id is kept from it."""

from __future__ import annotations

import asyncio
import contextlib
from itertools import count
from typing import TYPE_CHECKING, Final

import pytest
from confluent_kafka.admin import NewTopic

from bridge.adapters.clock import SystemClock
from bridge.adapters.kafka.claim_topic import KafkaClaims
from bridge.adapters.kafka.kept_client import asking_client
from bridge.adapters.kafka.worker_producer import KafkaWorkerProducer
from bridge.capture import blame
from bridge.capture.ports import Batch, Outgoing
from bridge.capture.shard_claims import ShardClaims
from bridge.capture.worker_transactions import WorkerTransactions
from bridge.errors import KafkaUnavailable
from bridge.sandbox.broker import LocalCluster
from tests.capture.recorded_facts import RecordedFacts
from tests.integration.test_transactional_writer import committed, settings_for
from tests.support.kafka_tools import create

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from bridge.adapters.kafka.connection import KafkaConnection
    from bridge.errors import BridgeError

OTHER, STUCK = 0, 1
IDS: Final = 3
TRIES: Final = 6
LIMIT: Final = 150.0


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(nodes=3) as started:
        yield started


class UntoldProducer(KafkaWorkerProducer):
    """One that is not told which partitions accept nothing, as of a disk that stands still."""

    async def unwritable(self, batches: Mapping[int, Batch], doubted: Collection[int]) -> Mapping[int, BridgeError]:
        del batches, doubted
        return {}


def topics_on(cluster: LocalCluster, connection: KafkaConnection) -> None:
    """Make the topics. All need two brokers; the events of the stuck shard need the third one."""
    numbers = [node.number for node in cluster.nodes]
    few = [numbers[:2], numbers[::2]]
    names = connection.topics
    for name in (names.events, names.sessions, names.quarantine, names.checkpoints):
        places = few if name == names.events else [numbers] * 2
        compacted = {"cleanup.policy": "compact"} if name == names.checkpoints else {}
        config = {"min.insync.replicas": "2", **compacted}
        create(cluster.bootstrap_servers, NewTopic(name, 2, replica_assignment=places, config=config))


@pytest.mark.faults
@pytest.mark.timeout(200)
def test_a_shard_that_is_never_acknowledged_leaves_the_others_an_id_and_goes_on_when_its_broker_is_back(
    cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blame, "PATIENCE", 2.0)
    connection = settings_for(cluster.bootstrap_servers, transaction_timeout=10.0)
    topics_on(cluster, connection)
    topics, numbers, said, opened = connection.topics, count(), list[bytes](), list[str]()

    def batch(shard: int, text: bytes) -> Batch:
        return Batch([Outgoing(topics.events, shard, b"chat", text)])

    async def scene() -> None:
        questions = asking_client(connection)

        def producer(name: str) -> KafkaWorkerProducer:
            opened.append(name)
            return UntoldProducer(connection, questions, name, (topics.events, topics.checkpoints))

        worker = WorkerTransactions(
            ids=[f"{connection.group}-worker:one:{number}" for number in range(IDS)],
            make_producer=producer,
            claims=ShardClaims(
                KafkaClaims(connection),
                worker="one",
                number=lambda: str(next(numbers)),
                shard_id=lambda partition: f"{connection.group}-{partition}",
            ),
            most_seconds=connection.transaction_timeout,
            clock=SystemClock(),
            tell=RecordedFacts().emit,
        )
        other, stuck = object(), object()

        async def others_go_on() -> None:
            said.append(b"%d" % len(said))
            await worker.commit(await worker.take(OTHER, other), batch(OTHER, said[-1]))

        async def is_written() -> bool:
            trying = asyncio.create_task(write())
            while not trying.done():
                await others_go_on()
            return await trying

        async def write() -> bool:
            with contextlib.suppress(KafkaUnavailable):
                await worker.commit(await worker.take(STUCK, stuck), batch(STUCK, b"a"))
                return True
            return False

        try:
            await others_go_on()
            await worker.take(STUCK, stuck)
            cluster.nodes[2].kill()
            assert not any([await is_written() for _ in range(TRIES)])
            assert len(set(opened)) == IDS  # the last one was reached, and did not come to an end
            cluster.nodes[2].restart()
            while not await is_written():
                pass  # the others take a while each time
        finally:
            await worker.close()
            await questions.close()
        assert [value for _, value in await committed(connection, topics.events, OTHER, marked=True)] == said
        assert [value for _, value in await committed(connection, topics.events, STUCK, marked=True)] == [b"a"]

    asyncio.run(asyncio.wait_for(scene(), LIMIT))
