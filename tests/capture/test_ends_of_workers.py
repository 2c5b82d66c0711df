"""What a worker closes at its end, whatever fails or is cancelled meanwhile."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from bridge.adapters.clock import SystemClock
from bridge.adapters.kafka.kept_client import KeptClient
from bridge.capture.shard_claims import ShardClaims
from bridge.capture.worker_transactions import WorkerTransactions
from bridge.config import load
from bridge.connection_factory import connection_of
from bridge.writer_factory import ShardWriters
from tests.capture.claimed_kafka import ClaimedKafka, MemoryClaims, MemoryProducer
from tests.capture.loop_clock import LoopClock
from tests.support.cancellation import cancelled_everywhere

if TYPE_CHECKING:
    from tests.support.cancellation import Attempt


def test_all_that_a_worker_has_is_closed_wherever_its_end_is_cancelled() -> None:
    async def scene(attempt: Attempt) -> None:
        kafka, closed = ClaimedKafka(late=lambda: 0.5), list[str]()

        class Claims(MemoryClaims):
            async def close(self) -> None:
                closed.append("claims")
                await asyncio.sleep(1)

        class Producer(MemoryProducer):
            async def close(self) -> None:
                closed.append("producer")
                await asyncio.sleep(1)

        worker = WorkerTransactions(
            ids=["one"],
            make_producer=lambda name: Producer(kafka, name),
            claims=ShardClaims(Claims(kafka), worker="one", number=lambda: "1", shard_id=str),
            most_seconds=60.0,
            clock=LoopClock(),
            tell=kafka.told.append,
        )
        await worker.take(0, object())
        await attempt.outcome(worker.close(), seconds=3)
        assert closed == ["producer", "claims"]

    assert cancelled_everywhere(scene) > 3


@pytest.mark.parametrize("transactions", ["worker", "shard"])
def test_the_client_that_asks_is_closed_also_if_something_else_fails_to_close(
    monkeypatch: pytest.MonkeyPatch, transactions: str
) -> None:
    closed: list[KeptClient] = []

    async def fails(_: object) -> None:
        raise ZeroDivisionError

    async def close(client: KeptClient) -> None:
        closed.append(client)

    async def scene() -> None:
        config = load(None, {}, {"kafka.transactions": transactions})
        writers = ShardWriters(config, connection_of(config), SystemClock(), random.Random(), lambda _: None)
        with pytest.raises(ZeroDivisionError):
            await writers.close()
        assert closed == [writers._questions]

    monkeypatch.setattr(KeptClient, "close", close)
    monkeypatch.setattr(ShardClaims, "close", fails)
    asyncio.run(scene())
