"""A shard that Kafka never acknowledges does not stop the others: the last id is kept from it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, ClassVar, Final

import pytest
from confluent_kafka.admin import NewTopic

from bridge.adapters.kafka.kept_client import asking_client
from bridge.adapters.kafka.worker_producer import KafkaWorkerProducer
from bridge.capture import blame
from bridge.capture.ports import Batch, Outgoing
from bridge.errors import KafkaUnavailable
from bridge.sandbox.broker import LocalCluster
from tests.capture.recorded_facts import RecordedFacts
from tests.integration.test_transactional_writer import committed, settings_for
from tests.integration.test_worker_lost_answers import together
from tests.support.kafka_tools import create

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from bridge.adapters.kafka.connection import KafkaConnection
    from bridge.errors import BridgeError

OTHER, STUCK = 0, 1
LATE: Final = b"late"
IDS: Final = 3
TRIES: Final = 6
LIMIT: Final = 150.0


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(nodes=3) as started:
        yield started


class AcceptingProducer(KafkaWorkerProducer):
    """One that is told that each partition accepts what is written, as of a disk that stands still. `used`: its ids."""

    used: ClassVar[set[str]] = set()

    async def open(self) -> None:
        self.used.add(self._transactional_id)
        await super().open()

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


class ProcessWithStuckShard:
    """A process of a worker with both shards. `written`: the other shard's events, of all processes."""

    def __init__(self, connection: KafkaConnection, written: list[bytes]) -> None:
        self.events = connection.topics.events
        self.written = written
        self.questions = asking_client(connection)
        self.owners = object(), object()
        self.worker = together(connection, self.questions, RecordedFacts(), ids=IDS, make=AcceptingProducer)

    async def write(self, shard: int, text: bytes) -> None:
        held = await self.worker.take(shard, self.owners[shard])
        await self.worker.commit(held, Batch([Outgoing(self.events, shard, b"chat", text)]))

    async def write_other(self) -> None:
        """Write the next event of the other shard. It may be refused for seconds, and not as long as a broker is away.

        A new coordinator has to be found first; Kafka may hear of marks together, and then they are missing on both.
        """
        text = b"%d" % len(self.written)
        while self.written[-1:] != [text]:
            with contextlib.suppress(KafkaUnavailable):
                await self.write(OTHER, text)
                self.written.append(text)

    async def write_both(self) -> bool:
        """Write the stuck shard's, and as long as that takes, the other one's; return whether the former went well."""
        trying = asyncio.create_task(self.write(STUCK, LATE))
        while not trying.done():
            await self.write_other()
        with contextlib.suppress(KafkaUnavailable):
            await trying
            return True
        return False

    async def close(self) -> None:
        await self.worker.close()
        await self.questions.close()


async def scene(cluster: LocalCluster, connection: KafkaConnection) -> None:
    written: list[bytes] = []
    first, second = ProcessWithStuckShard(connection, written), ProcessWithStuckShard(connection, written)
    try:
        await first.write_other()
        await first.worker.take(STUCK, first.owners[STUCK])
        cluster.nodes[2].kill()
        assert not any([await first.write_both() for _ in range(TRIES)])
        assert len(AcceptingProducer.used) == IDS  # the last one was reached, and did not come to an end
        await first.close()
        assert not any([await second.write_both() for _ in range(TRIES)])
        cluster.nodes[2].restart()
        while not await second.write_both():
            pass  # the other shard takes a while each time
    finally:
        await first.close()
        await second.close()
    events = connection.topics.events
    others = [value for _, value in await committed(connection, events, OTHER, marked=True)]
    assert list(dict.fromkeys(others)) == written  # it is not known of each commit that fails whether it was done
    assert [value for _, value in await committed(connection, events, STUCK, marked=True)] == [LATE]


@pytest.mark.timeout(200)
def test_a_shard_that_is_never_acknowledged_leaves_the_others_an_id_and_goes_on_when_its_broker_is_back(
    cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker's next process does not know it, and is told by Kafka."""
    monkeypatch.setattr(blame, "PATIENCE", 2.0)
    connection = settings_for(cluster.bootstrap_servers, transaction_timeout=10.0)
    topics_on(cluster, connection)
    asyncio.run(asyncio.wait_for(scene(cluster, connection), LIMIT))
