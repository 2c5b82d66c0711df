"""Workers with a transactional id for each shard fence those that have one for all their shards, and the other way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from bridge.capture.ports import Batch, Outgoing
from bridge.errors import KafkaUnavailable, ShardFenced
from tests.capture.claimed_kafka import ClaimedKafka

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from bridge.capture.fencing_writer import FencingWriter

ONE, SHARD_ID = "one", "0"

pytestmark = pytest.mark.usefixtures("nobody_leaves_in_order")


def batch(name: str) -> Batch:
    return Batch([Outgoing("events", 0, name.encode(), b"")])


def play(work: Coroutine[Any, Any, None]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(30):
            await work

    asyncio.run(limited())


async def opened(kafka: ClaimedKafka) -> FencingWriter:
    """Return a writer of shard 0, as its shard opens it; looks at the logs come between."""
    writer = kafka.writer(0)
    await writer.open()
    if await writer.checkpoints() is None:
        assert await writer.checkpoints() is not None
    return writer


def test_where_nobody_ever_claimed_a_shard_nothing_is_asked_and_nothing_written() -> None:
    kafka = ClaimedKafka()

    async def alone() -> None:
        await (await opened(kafka)).commit(batch("a"))

    play(alone())
    assert kafka.logs[0] == []
    assert kafka.reads == []
    assert kafka.committed[0] == [(SHARD_ID, b"a")]


def test_who_has_a_claim_is_fenced_and_no_claim_is_left() -> None:
    kafka = ClaimedKafka()

    async def taken() -> None:
        worker = kafka.worker(ONE)
        held = await worker.take(0, object())
        await worker.commit(held, batch("a"))
        writer = await opened(kafka)
        with pytest.raises(ShardFenced):
            await worker.commit(held, batch("b"))
        await writer.commit(batch("c"))

    play(taken())
    assert kafka.committed[0] == [(ONE, b"a"), (SHARD_ID, b"c")]
    assert kafka.in_force(0) == []
    assert kafka.logs[0][-2:] == [(kafka.logs[0][0][0], None), (kafka.logs[0][1][0], None)], "its own last"


def test_a_former_holder_that_initialises_its_id_again_before_its_claim_is_removed_gives_the_shard_up() -> None:
    kafka, refused = ClaimedKafka(), asyncio.Event()

    async def returned() -> None:
        worker, owner = kafka.worker(ONE), object()
        held = await worker.take(0, owner)

        async def commit() -> None:
            with pytest.raises(ShardFenced):
                await worker.commit(held, batch("a"))
            refused.set()

        kafka.before_removal = commit
        writer = await opened(kafka)
        await writer.commit(batch("b"))

    play(returned())
    assert refused.is_set()
    assert kafka.committed[0] == [(SHARD_ID, b"b")]


def test_who_leaves_meanwhile_is_not_fenced() -> None:
    kafka = ClaimedKafka()

    async def left() -> None:
        worker = kafka.worker(ONE)
        held = await worker.take(0, object())
        epoch = kafka.epochs[ONE]
        opening = asyncio.create_task(opened(kafka))
        while len(kafka.in_force(0)) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
        await worker.leave(held)
        await opening
        assert kafka.epochs[ONE] == epoch

    play(left())
    assert kafka.in_force(0) == []


def test_records_are_read_again_beyond_the_claim_after_the_logs_were_looked_at_anew() -> None:
    kafka = ClaimedKafka()

    async def twice() -> None:
        await kafka.worker(ONE).take(0, object())
        writer = kafka.writer(0)
        await writer.open()
        assert await writer.checkpoints() is None
        assert await writer.checkpoints() == []

    play(twice())
    assert kafka.checkpoint_reads == [0, 2]


def test_what_lies_behind_an_open_transaction_is_taken_for_a_claim() -> None:
    kafka = ClaimedKafka()

    async def hidden() -> None:
        worker = kafka.worker(ONE)
        held = await worker.take(0, object())
        kafka.stable[0] = 0
        await opened(kafka)
        with pytest.raises(ShardFenced):
            await worker.commit(held, batch("a"))

    play(hidden())


def test_a_later_claim_fences_who_claims_to_fence() -> None:
    kafka = ClaimedKafka()

    async def later() -> None:
        await kafka.worker(ONE).take(0, object())
        writer = kafka.writer(0)
        await writer.open()
        looking = asyncio.create_task(writer.checkpoints())
        while len(kafka.in_force(0)) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
        await kafka.worker("two").take(0, object())
        with pytest.raises(ShardFenced):
            await looking

    play(later())
    assert kafka.in_force(0) == ["two"]


def test_who_takes_a_shard_by_a_claim_fences_who_has_the_shards_id() -> None:
    kafka = ClaimedKafka()

    async def taken() -> None:
        writer = await opened(kafka)
        await kafka.worker(ONE).take(0, object())
        with pytest.raises(ShardFenced):
            await writer.commit(batch("a"))

    play(taken())
    assert kafka.committed[0] == []


def test_a_claim_that_cannot_be_removed_fails_the_opening_and_the_next_one_fences_again() -> None:
    kafka = ClaimedKafka()

    async def failed() -> None:
        await kafka.worker(ONE).take(0, object())

        async def refused() -> None:
            raise KafkaUnavailable("no answer")

        kafka.before_removal = refused
        with pytest.raises(KafkaUnavailable):
            await opened(kafka)
        await opened(kafka)

    play(failed())
    assert kafka.in_force(0) == []


def test_two_workers_of_both_kinds_that_take_the_same_shard_at_once_do_not_both_write_it() -> None:
    kafka = ClaimedKafka()

    async def by_claim() -> None:
        worker = kafka.worker(ONE)
        for turn in range(20):
            try:
                held = await worker.take(0, object())
                known = len(kafka.committed[0])
                await worker.commit(held, batch(f"{ONE} {turn} after {known}"))
            except ShardFenced:
                continue

    async def by_shard_id() -> None:
        for turn in range(20):
            try:
                writer = await opened(kafka)
                known = len(kafka.committed[0])
                await writer.commit(batch(f"{SHARD_ID} {turn} after {known}"))
            except ShardFenced:
                continue

    async def both() -> None:
        await asyncio.gather(by_claim(), by_shard_id())

    play(both())
    found = [key.decode() for _, key in kafka.committed[0]]
    assert [int(one.rpartition(" ")[2]) for one in found] == list(range(len(found)))
    assert {one.partition(" ")[0] for one in found} <= {ONE, SHARD_ID}
    assert found
