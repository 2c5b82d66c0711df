"""A shard object that ends leaves no claim behind, in whatever state its last writer was: nobody is fenced for it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bridge.capture.shard_claims import GRACE
from bridge.errors import AccessDenied, KafkaUnavailable
from tests.capture.claimed_kafka import ClaimedKafka, batch, play
from tests.capture.hand_fed_shard import until

if TYPE_CHECKING:
    from bridge.capture.worker_transactions import WorkerTransactions

ONE, TWO = "one", "two"
SHARD = 0


async def taken_by_two(kafka: ClaimedKafka) -> None:
    """Let another worker take the shard; it waits for nobody, and fences nobody."""
    epoch, began = kafka.epochs[ONE], asyncio.get_running_loop().time()
    await kafka.worker(TWO).take(SHARD, object())
    assert kafka.epochs[ONE] == epoch
    assert asyncio.get_running_loop().time() - began < GRACE / 2
    assert kafka.in_force(SHARD) == [TWO]


async def commit(worker: WorkerTransactions, owner: object) -> None:
    held = await worker.take(SHARD, owner)
    await worker.commit(held, batch(SHARD, "a"))


async def refused_commit(kafka: ClaimedKafka, worker: WorkerTransactions, owner: object) -> None:
    """Let a shard object take the shard, and Kafka refuse what it writes once."""
    kafka.refused[SHARD] = AccessDenied("a topic")
    with pytest.raises(AccessDenied):
        await commit(worker, owner)
    kafka.refused.clear()


def test_a_shard_that_ends_after_a_refused_commit_leaves_no_claim() -> None:
    kafka, owner = ClaimedKafka(), object()

    async def refused() -> None:
        worker = kafka.worker(ONE)
        await refused_commit(kafka, worker, owner)
        epoch = kafka.epochs[ONE]
        await worker.release(SHARD, owner)
        assert kafka.epochs[ONE] == epoch + 1, "its transaction is open, and the next owner waits for its end"
        await taken_by_two(kafka)

    play(refused())


def test_a_shard_that_ends_while_it_is_taken_leaves_no_claim() -> None:
    kafka, owner = ClaimedKafka(), object()
    kafka.logs[SHARD].append(("/claim/three/1", "three"))  # who is waited for, and does not leave

    async def cancelled() -> None:
        worker = kafka.worker(ONE)
        taking = asyncio.create_task(worker.take(SHARD, owner))
        await until(lambda: ONE in kafka.in_force(SHARD))
        taking.cancel()
        await asyncio.wait([taking])
        await worker.release(SHARD, owner)
        assert kafka.in_force(SHARD) == ["three"]

    play(cancelled())


@pytest.mark.parametrize("late", [0.0, 0.02])  # the removal of the former claim is answered, or is not
def test_a_claim_stays_as_long_as_a_commit_before_it_is_on_its_way(late: float) -> None:
    """The claim before it is removed: whoever takes the shard has to fence this worker by one of them."""
    kafka, former, owner = ClaimedKafka(late=lambda: late), object(), object()

    async def cancelled() -> None:
        worker = kafka.worker(ONE)
        committing = asyncio.create_task(commit(worker, former))
        kafka.silent.add(SHARD)
        await kafka.began.wait()
        committing.cancel()
        taking = asyncio.create_task(worker.take(SHARD, owner))
        await until(lambda: len(kafka.logs[SHARD]) == 3)  # two claims, and the removal of the first one
        taking.cancel()
        await asyncio.wait([taking])
        releasing = asyncio.create_task(worker.release(SHARD, owner))
        await asyncio.wait([releasing], timeout=0.3)
        assert kafka.in_force(SHARD) == [ONE]
        releasing.cancel()
        await asyncio.wait([releasing])
        await worker.close()

    play(cancelled())


def test_no_claim_is_removed_while_a_commit_of_a_former_object_is_on_its_way() -> None:
    kafka, former, owner = ClaimedKafka(), object(), object()

    async def failed() -> None:
        worker = kafka.worker(ONE)
        committing = asyncio.create_task(commit(worker, former))
        kafka.silent.add(SHARD)
        await kafka.began.wait()
        committing.cancel()
        kafka.unreadable.add(SHARD)
        for _ in range(2):
            with pytest.raises(KafkaUnavailable):
                await worker.take(SHARD, owner)
        releasing = asyncio.create_task(worker.release(SHARD, owner))
        await asyncio.wait([releasing], timeout=0.1)
        assert kafka.in_force(SHARD) == [ONE, ONE, ONE]
        releasing.cancel()
        await asyncio.wait([releasing])
        await worker.close()

    play(failed())


def test_a_claim_stays_when_it_is_not_known_that_those_of_others_are_removed() -> None:
    """They would find theirs in force, and go on, without the claim by which the next owner fences them."""
    kafka, owner = ClaimedKafka(late=lambda: 0.02), object()
    kafka.logs[SHARD].append(("/claim/three/1", "three"))

    async def cancelled() -> None:
        worker = kafka.worker(ONE)
        taking = asyncio.create_task(worker.take(SHARD, owner))
        await until(lambda: "three" not in kafka.in_force(SHARD))
        taking.cancel()
        await asyncio.wait([taking])
        await worker.release(SHARD, owner)
        assert kafka.in_force(SHARD) == [ONE]

    play(cancelled())


def test_what_another_object_of_the_shard_has_taken_stays_its_own() -> None:
    kafka, former, owner = ClaimedKafka(), object(), object()

    async def taken_again() -> None:
        worker = kafka.worker(ONE)
        await refused_commit(kafka, worker, former)
        held = await worker.take(SHARD, owner)
        await worker.release(SHARD, former)
        await worker.commit(held, batch(SHARD, "b"))

    play(taken_again())
    assert kafka.committed[SHARD] == [(ONE, b"b")]
    assert kafka.in_force(SHARD) == [ONE]


def test_after_a_defect_while_offsets_are_committed_the_next_transaction_has_another_producer() -> None:
    kafka, owner = ClaimedKafka(), object()

    async def defect() -> None:
        worker = kafka.worker(ONE)
        held = await worker.take(SHARD, owner)
        epoch = kafka.epochs[ONE]
        kafka.offsets_refused = ZeroDivisionError()
        with pytest.raises(ZeroDivisionError):
            await worker.commit(held, replace(batch(SHARD, "a"), announcement_offset=1))
        kafka.offsets_refused = None
        held = await worker.take(SHARD, owner)
        await worker.commit(held, batch(SHARD, "b"))
        assert kafka.epochs[ONE] == epoch + 1

    play(defect())
    assert kafka.committed[SHARD] == [(ONE, b"b")]
