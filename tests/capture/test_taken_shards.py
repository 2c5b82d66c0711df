"""Workers that take shards from each other and leave them, by claims: who may commit to a shard, and after what."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

import pytest

from bridge.capture.shared_writer import SharedWriter
from bridge.errors import KafkaUnavailable, ShardFenced
from tests.capture.claimed_kafka import ClaimedKafka, MemoryClaims, MemoryProducer, batch, play, taken
from tests.capture.hand_fed_shard import until

if TYPE_CHECKING:
    from collections.abc import Collection

    from bridge.capture.ports import Limits

ONE, TWO = "one", "two"

pytestmark = pytest.mark.usefixtures("nobody_leaves_in_order")


class RecordedReads:
    """A `ShardStorage` that says up to where it was to be read."""

    limits: ClassVar[Limits] = {}

    def __init__(self) -> None:
        self.least: list[int] = []

    async def take_limits(self) -> None:
        """Nothing is limited."""

    async def refresh_limits(self) -> Limits:
        return self.limits

    async def checkpoints(self, least: int = 0) -> list[tuple[str, bytes]]:
        self.least.append(least)
        return []

    async def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("moves", [0, 1])
def test_who_takes_a_shard_fences_its_holder_who_goes_on_with_the_others(moves: int) -> None:
    kafka, stays = ClaimedKafka(), 1 - moves

    async def moved() -> None:
        one, two = kafka.worker(ONE), kafka.worker(TWO)
        held = await taken(one, 0, 1)
        [third] = await taken(two, moves)
        outcomes = await asyncio.gather(
            one.commit(held[stays], batch(stays, "a")),
            one.commit(held[moves], batch(moves, "b")),
            return_exceptions=True,
        )
        assert outcomes[0] is None
        assert isinstance(outcomes[1], ShardFenced)
        await two.commit(third, batch(moves, "c"))
        await one.commit(held[stays], batch(stays, "d"))

    play(moved())
    assert kafka.committed[stays] == [(ONE, b"a"), (ONE, b"d")]
    assert kafka.committed[moves] == [(TWO, b"c")]
    assert kafka.in_force(moves) == [TWO]


def test_who_claimed_while_ones_own_claim_was_on_its_way_is_fenced(monkeypatch: pytest.MonkeyPatch) -> None:
    kafka, two_has_taken, write = ClaimedKafka(), asyncio.Event(), MemoryClaims.write

    async def late(topic: MemoryClaims, partition: int, key: str, claimant: str) -> int:
        if claimant == ONE:
            await two_has_taken.wait()
        return await write(topic, partition, key, claimant)

    monkeypatch.setattr(MemoryClaims, "write", late)

    async def overtaken() -> None:
        one, two = kafka.worker(ONE), kafka.worker(TWO)
        taking = asyncio.create_task(taken(one, 0))
        [held] = await taken(two, 0)
        two_has_taken.set()
        await taking
        with pytest.raises(ShardFenced):
            await two.commit(held, batch(0, "a"))

    play(overtaken())
    assert kafka.in_force(0) == [ONE]


def test_who_leaves_a_shard_that_another_one_has_claimed_leaves_that_claim() -> None:
    kafka = ClaimedKafka()

    async def left() -> None:
        one, two = kafka.worker(ONE), kafka.worker(TWO)
        [held] = await taken(one, 0)
        await taken(two, 0)
        await one.leave(held)

    play(left())
    assert kafka.in_force(0) == [TWO]


def test_a_removal_that_arrives_late_leaves_the_claim_that_was_written_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kafka, asked, taken_again, remove = ClaimedKafka(), asyncio.Event(), asyncio.Event(), MemoryClaims.remove

    async def late(topic: MemoryClaims, partition: int, keys: Collection[str]) -> None:
        if not asked.is_set():
            asked.set()
            await taken_again.wait()
        await remove(topic, partition, keys)

    monkeypatch.setattr(MemoryClaims, "remove", late)

    async def again() -> None:
        worker = kafka.worker(ONE)
        [held] = await taken(worker, 0)
        leaving = asyncio.create_task(worker.leave(held))
        await asked.wait()
        await taken(worker, 0)
        taken_again.set()
        await leaving

    play(again())
    assert kafka.in_force(0) == [ONE]


def test_a_shard_that_is_taken_again_is_read_after_the_commit_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    kafka, ending, may_end, end = ClaimedKafka(), asyncio.Event(), asyncio.Event(), MemoryProducer.end

    async def late(producer: MemoryProducer) -> bool:
        ending.set()
        await may_end.wait()
        return await end(producer)

    monkeypatch.setattr(MemoryProducer, "end", late)

    async def again() -> None:
        worker = kafka.worker(ONE)
        [held] = await taken(worker, 0)
        committing = asyncio.create_task(worker.commit(held, batch(0, "a")))
        await ending.wait()
        committing.cancel()
        taking = asyncio.create_task(taken(worker, 0))
        await asyncio.wait([taking], timeout=0.5)
        assert not taking.done()
        may_end.set()
        await taking
        assert kafka.committed[0] == [(ONE, b"a")]

    play(again())


def test_a_shard_is_read_when_all_is_marked_that_was_before_its_claim() -> None:
    kafka, storage = ClaimedKafka(), RecordedReads()

    async def read() -> None:
        kafka.logs[0] += [("another key", None)] * 3
        writer = SharedWriter(0, object(), kafka.worker(ONE), storage)
        await writer.open()
        await writer.checkpoints()

    play(read())
    assert storage.least == [4]


def test_a_shard_is_read_when_all_is_marked_that_was_before_the_removal_of_the_former_claim() -> None:
    kafka, storage = ClaimedKafka(), RecordedReads()

    async def read() -> None:
        one, writer = kafka.worker(ONE), SharedWriter(0, object(), kafka.worker(TWO), storage)
        [held] = await taken(one, 0)
        opening = asyncio.create_task(writer.open())
        await until(lambda: kafka.in_force(0) == [ONE, TWO])
        await one.commit(held, batch(0, "a"))
        await one.leave(held)
        await opening
        await writer.checkpoints()

    play(read())
    assert storage.least == [len(kafka.logs[0])] == [3]


def test_of_two_processes_with_one_id_only_the_last_that_took_a_shard_can_commit_to_it() -> None:
    kafka = ClaimedKafka()

    async def twins() -> None:
        one, other = kafka.worker(ONE), kafka.worker(ONE)
        [held] = await taken(one, 0)
        await taken(other, 1)  # initialises the id
        await one.commit(held, batch(0, "a"))  # and so does this one; the other has not claimed the shard yet
        [again] = await taken(other, 0)
        with pytest.raises(ShardFenced):
            await one.commit(held, batch(0, "b"))
        await other.commit(again, batch(0, "b"))

    play(twins())
    assert kafka.committed[0] == [(ONE, b"a"), (ONE, b"b")]


def test_a_holder_that_leaves_in_order_is_not_fenced() -> None:
    kafka = ClaimedKafka()

    async def left() -> None:
        one, two = kafka.worker(ONE), kafka.worker(TWO)
        first, second = await taken(one, 0, 1)
        await one.commit(first, batch(0, "a"))
        await one.leave(second)
        epoch = kafka.epochs[ONE]
        await taken(two, 1)
        assert kafka.epochs[ONE] == epoch
        with pytest.raises(ShardFenced):
            await one.commit(second, batch(1, "b"))

    play(left())
    assert kafka.in_force(1) == [TWO]


def test_a_claim_is_removed_only_when_the_commit_under_way_is_done() -> None:
    kafka = ClaimedKafka()

    async def left() -> None:
        worker = kafka.worker(ONE)
        [held] = await taken(worker, 0)
        committing = asyncio.create_task(worker.commit(held, batch(0, "a")))
        await kafka.began.wait()
        await worker.leave(held)
        assert kafka.committed[0] == [(ONE, b"a")]
        await committing

    play(left())
    assert kafka.in_force(0) == []


def test_a_crashed_worker_that_starts_again_removes_its_old_claim() -> None:
    kafka = ClaimedKafka()

    async def again() -> None:
        await taken(kafka.worker(ONE), 0)
        await taken(kafka.worker(ONE), 0)

    play(again())
    assert kafka.in_force(0) == [ONE]


def test_a_shard_that_somebody_claimed_meanwhile_is_not_written_under_another_id() -> None:
    kafka = ClaimedKafka()

    async def moved() -> None:
        one, two = kafka.worker(ONE), kafka.worker(TWO)
        first, second = await taken(one, 0, 1)
        [third] = await taken(two, 1)
        await two.commit(third, batch(1, "b"))
        await two.leave(third)
        kafka.not_marked.add(ONE)
        kafka.aborted.add(ONE)
        outcomes = await asyncio.gather(
            one.commit(first, batch(0, "a")), one.commit(second, batch(1, "a")), return_exceptions=True
        )
        assert [type(one) for one in outcomes] == [type(None), ShardFenced]

    play(moved())
    assert dict(kafka.committed) == {0: [(f"{ONE}:2", b"a")], 1: [(TWO, b"b")]}


def test_a_commit_in_doubt_is_not_renewed_and_another_worker_waits_for_its_marks_alone() -> None:
    kafka = ClaimedKafka(unheard=1)

    async def moved() -> None:
        one, two, owner = kafka.worker(ONE), kafka.worker(TWO), object()
        held = [await one.take(shard, owner) for shard in (0, 1)]
        with pytest.raises(KafkaUnavailable):
            await one.commit(held[1], batch(1, "a"))
        kafka.not_marked.add(ONE)
        assert await one.take(0, owner) is held[0]
        await one.leave(held[1])  # leaves the claim: whoever takes the shard has to know of the former id
        await two.take(0, owner)
        waits = asyncio.create_task(two.take(1, owner))
        await asyncio.wait([waits], timeout=1.0)
        assert not waits.done()
        kafka.not_marked.clear()
        await waits

    play(moved())
    assert (kafka.in_force(0), kafka.in_force(1)) == ([TWO], [TWO])


def test_a_commit_in_doubt_under_a_former_id_is_fenced_before_its_shard_is_read() -> None:
    kafka = ClaimedKafka(unheard=1)

    async def in_doubt() -> None:
        worker, owner = kafka.worker(ONE), object()
        held = await worker.take(0, owner)
        with pytest.raises(KafkaUnavailable):
            await worker.commit(held, batch(0, "a"))
        kafka.not_marked.add(ONE)
        before = kafka.epochs[ONE]
        assert await worker.take(0, owner) is not held
        assert kafka.epochs[ONE] > before

    play(in_doubt())
    assert kafka.in_force(0) == [f"{ONE}:2"]


def test_who_leaves_a_shard_with_a_commit_in_doubt_under_a_former_id_leaves_the_claim() -> None:
    kafka = ClaimedKafka(unheard=1)

    async def in_doubt() -> None:
        worker = kafka.worker(ONE)
        [held] = await taken(worker, 0)
        with pytest.raises(KafkaUnavailable):
            await worker.commit(held, batch(0, "a"))
        kafka.not_marked.add(ONE)
        await worker.leave(held)

    play(in_doubt())
    assert kafka.in_force(0) == [ONE]
