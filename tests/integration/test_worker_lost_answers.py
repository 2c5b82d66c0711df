"""A request of a worker's transaction is lost, or its answer, with a connection: nothing is written twice (P1)."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

import pytest

from bridge.adapters.clock import SystemClock
from bridge.adapters.kafka.claim_topic import KafkaClaims
from bridge.adapters.kafka.kept_client import asking_client
from bridge.adapters.kafka.worker_producer import KafkaWorkerProducer
from bridge.capture.shard_claims import ShardClaims
from bridge.capture.shared_writer import SharedWriter
from bridge.capture.worker_transactions import WorkerTransactions
from tests.capture.disturbed_chat import beginning, disturbance
from tests.capture.hand_fed_shard import feed, hand_fed_shard, settled
from tests.capture.recorded_facts import RecordedFacts
from tests.integration.cutting_proxy import ApiKey, Cut, CuttingProxy
from tests.integration.test_lost_answers import PARTITION, _proxy, check, healed, store_of  # noqa: F401 - a fixture
from tests.integration.test_transactional_writer import prepared, settings_for, writer_of

if TYPE_CHECKING:
    from bridge.adapters.kafka.connection import KafkaConnection
    from bridge.adapters.kafka.kept_client import KeptClient

NAME = "worker:one"


def together(
    connection: KafkaConnection,
    questions: KeptClient,
    told: RecordedFacts,
    *,
    ids: int = 2,
    make: type[KafkaWorkerProducer] = KafkaWorkerProducer,
) -> WorkerTransactions:
    """Return the transactions of a process of a worker with so many transactional ids."""
    topics = connection.topics
    claims = ShardClaims(
        KafkaClaims(connection),
        worker="one",
        number=lambda: uuid.uuid4().hex,
        shard_id=lambda partition: f"{connection.group}-{partition}",
    )
    written = (topics.events, topics.sessions, topics.quarantine, topics.checkpoints)
    own = f"{connection.group}-{NAME}"
    return WorkerTransactions(
        ids=[own, *(f"{own}:{number}" for number in range(2, ids + 1))],
        make_producer=lambda name: make(connection, questions, name, written),
        claims=claims,
        most_seconds=connection.transaction_timeout,
        clock=SystemClock(),
        tell=told.emit,
    )


@pytest.mark.many_variants
@pytest.mark.parametrize("away", [False, True], ids=["once", "away"])
@pytest.mark.parametrize("answered", [False, True], ids=["request", "answer"])
@pytest.mark.parametrize(
    "key", [ApiKey.ADD_PARTITIONS_TO_TXN, ApiKey.PRODUCE, ApiKey.TXN_OFFSET_COMMIT, ApiKey.END_TXN]
)
def test_each_record_of_a_workers_transaction_is_on_kafka_once(
    proxy: CuttingProxy, key: ApiKey, answered: bool, away: bool
) -> None:
    async def scene() -> None:
        connection = await prepared(settings_for(f"127.0.0.1:{proxy.port}", transaction_timeout=3.0))
        told, owner = RecordedFacts(), object()
        questions = asking_client(connection)
        worker = together(connection, questions, told)
        shard = hand_fed_shard(
            PARTITION,
            lambda number: SharedWriter(number, owner, worker, writer_of(connection, number)),
            SystemClock(),
            told,
            store_of(connection),
        )
        task = asyncio.ensure_future(shard.run())
        try:
            await settled(shard)
            feed(shard, beginning())
            await settled(shard)
            proxy.arm(f"chatbridge-{connection.group}-{NAME}", Cut(key, answered, away))
            feed(shard, disturbance())
            await healed(shard, told, proxy, away=away)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await worker.close()
            await questions.close()
        assert proxy.left == 0
        await check(connection, told)

    asyncio.run(scene())
