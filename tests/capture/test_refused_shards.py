"""A shard of which a partition accepts nothing, although it has a leader: the others go on, however often it tries."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from bridge.capture import blame, shard_claims, worker_transactions
from bridge.errors import KafkaUnavailable
from tests.capture.claimed_kafka import ClaimedKafka, batch, play, taken

if TYPE_CHECKING:
    from bridge.capture.worker_transactions import WorkerTransactions

ONE = "one"
OTHER, REFUSED = 0, 1
TIMES = 8
"""More than a worker has ids."""


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_claims, "GRACE", 0.02)
    monkeypatch.setattr(blame, "PATIENCE", 60.0)
    monkeypatch.setattr(worker_transactions, "_LOOK_AFTER", 0.1)


async def tries(worker: WorkerTransactions, kafka: ClaimedKafka) -> None:
    """Be a shard that is taken again after each commit that failed, until Kafka takes what it writes."""
    owner = object()
    for number in range(TIMES):
        held = await worker.take(REFUSED, owner)
        with pytest.raises(KafkaUnavailable):
            await worker.commit(held, batch(REFUSED, f"refused {number}"))
    kafka.refusing.clear()
    await worker.commit(await worker.take(REFUSED, owner), batch(REFUSED, "a"))


def test_a_shard_that_is_refused_again_and_again_uses_up_one_id_of_its_worker() -> None:
    """Kafka cannot mark the end of its transaction: an id that had it in one begins no other one meanwhile."""
    kafka = ClaimedKafka(refusing={REFUSED})
    written: list[bytes] = []

    async def both() -> None:
        worker = kafka.worker(ONE)
        [held] = await taken(worker, OTHER)
        trying = asyncio.create_task(tries(worker, kafka))
        while not trying.done():
            written.append(b"%d" % len(written))
            await worker.commit(held, batch(OTHER, written[-1].decode()))
        await trying
        await worker.close()

    play(both())
    assert [key for _, key in kafka.committed[OTHER]] == written
    assert kafka.committed[REFUSED] == [(f"{ONE}:2", b"a")]
    assert sum(REFUSED in shards for shards in kafka.transactions) == 2
    assert kafka.not_marked == {ONE}


def test_shards_that_are_refused_one_after_the_other_use_up_one_id_together() -> None:
    others = range(OTHER + 1, OTHER + 1 + TIMES)
    kafka = ClaimedKafka(refusing=set(others))

    async def one_by_one() -> None:
        worker = kafka.worker(ONE)
        [held] = await taken(worker, OTHER)
        for shard in others:
            [refused] = await taken(worker, shard)
            with pytest.raises(KafkaUnavailable):
                await worker.commit(refused, batch(shard, "refused"))
            await worker.commit(held, batch(OTHER, str(shard)))
        await worker.close()

    play(one_by_one())
    assert [key for _, key in kafka.committed[OTHER]] == [b"%d" % shard for shard in others]
    assert kafka.not_marked == {ONE}
