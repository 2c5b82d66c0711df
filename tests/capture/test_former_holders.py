"""Whom the next owner of a shard gives the time to remove its claim: only workers that are in the group."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from bridge.capture import shard_claims
from bridge.capture.shared_writer import SharedWriter
from bridge.errors import KafkaUnavailable, ShardFenced
from tests.capture.claimed_kafka import ClaimedKafka, batch, play, taken
from tests.capture.hand_fed_shard import until
from tests.capture.test_taken_shards import RecordedReads

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.capture.worker_transactions import WorkerTransactions

ONE, TWO = "one", "two"
SHARD = 0


def claimed(key: str, claimant: str) -> ClaimedKafka:
    """Return a Kafka in which somebody who does nothing any more has claimed the shard."""
    kafka = ClaimedKafka()
    kafka.logs[SHARD].append((key, claimant))
    return kafka


def looks(kafka: ClaimedKafka, name: str) -> int:
    """Let a worker take the shard from who has claimed it; return how often it looked whether the claim was removed."""

    async def takes() -> None:
        before = dict(kafka.epochs)
        [held] = await taken(kafka.worker(name), SHARD)
        assert kafka.in_force(SHARD) == [name]
        assert held.fenced
        assert kafka.epochs != before

    play(takes())
    return sum(shard == SHARD for shard, _ in kafka.reads) - 1  # the first one finds the claim


@pytest.mark.parametrize("members", [[TWO], [TWO, "three"]])
def test_who_has_left_the_group_is_fenced_at_once(members: Iterable[str]) -> None:
    kafka = claimed("/claim/one/1", ONE)
    kafka.group = set(members)
    assert looks(kafka, TWO) == 0
    assert kafka.epochs[ONE] == 1


@pytest.mark.parametrize("members", [{ONE, TWO}, {"three"}, set[str](), None])  # but for the first, nothing is known
@pytest.mark.usefixtures("nobody_leaves_in_order")
def test_who_may_be_in_the_group_is_fenced_when_it_has_had_its_time(members: set[str] | None) -> None:
    kafka = claimed("/claim/one/1", ONE)
    kafka.group = members
    assert looks(kafka, TWO) == shard_claims._LOOKS
    assert kafka.epochs[ONE] == 1


def test_a_claim_of_a_former_process_of_ones_own_is_not_waited_for() -> None:
    kafka = claimed("/claim/two/1", f"{TWO}:2")
    kafka.group = {ONE, TWO}
    assert looks(kafka, TWO) == 0
    assert kafka.epochs[f"{TWO}:2"] == 1


def test_only_who_is_in_the_group_is_waited_for_and_then_all_others_are_fenced() -> None:
    """The claims of several former holders may be there: each took the shard, and was ended before it removed them."""
    kafka = claimed("/claim/three/1", "three")
    kafka.group = {ONE, TWO}

    async def takes() -> None:
        one, two = kafka.worker(ONE), kafka.worker(TWO)
        kafka.logs[SHARD].append(("/claim/one/1", ONE))
        taking = asyncio.create_task(taken(two, SHARD))
        await until(lambda: TWO in kafka.in_force(SHARD) and len(kafka.reads) > 1)
        kafka.logs[SHARD].append(("/claim/one/1", None))
        await taking
        await taken(one, 1)

    play(takes())
    assert (kafka.epochs["three"], kafka.epochs[ONE]) == (1, 1)  # one's own: it has taken another shard
    assert kafka.in_force(SHARD) == [TWO]


def test_a_worker_that_stops_is_fenced_and_hears_of_it_with_its_next_commit() -> None:
    kafka = ClaimedKafka(group={ONE, TWO})

    async def stops() -> None:
        one, two = kafka.worker(ONE), kafka.worker(TWO)
        [held] = await taken(one, SHARD)
        kafka.group = {TWO}
        await taken(two, SHARD)
        with pytest.raises(ShardFenced):
            await one.commit(held, batch(SHARD, "a"))

    play(stops())
    assert kafka.committed[SHARD] == []


def test_shards_that_are_taken_at_the_same_time_ask_once_who_is_in_the_group() -> None:
    kafka = ClaimedKafka(group={TWO})

    async def takes() -> None:
        one, two = kafka.worker(ONE), kafka.worker(TWO)
        await taken(one, *range(4))
        await asyncio.gather(*(two.take(shard, object()) for shard in range(4)))
        assert kafka.questions == 1
        kafka.logs[4].append(("/claim/three/1", "three"))
        await taken(two, 4)
        assert kafka.questions == 2

    play(takes())


def shared_writer(worker: WorkerTransactions, owner: object) -> SharedWriter:
    return SharedWriter(SHARD, owner, worker, RecordedReads())


def test_a_shard_goes_on_without_a_claim_after_its_worker_was_fenced_for_another_one() -> None:
    """Its transaction ended in doubt, as the fence came when its end was asked for."""
    kafka, owner, other = ClaimedKafka(group={TWO}), object(), 1

    async def fenced() -> None:
        one, two = kafka.worker(ONE), kafka.worker(TWO)
        writer = shared_writer(one, owner)
        assert not await writer.goes_on()
        await writer.open()
        await taken(one, other)
        claims = len(kafka.logs[SHARD])
        kafka.before_end = lambda: kafka.epochs.update({ONE: kafka.epochs[ONE] + 1})
        with pytest.raises(KafkaUnavailable):
            await writer.commit(batch(SHARD, "a"))
        kafka.before_end = None
        await taken(two, other)
        writer = shared_writer(one, owner)
        assert await writer.goes_on()
        await writer.open()
        await writer.commit(batch(SHARD, "a"))
        assert len(kafka.logs[SHARD]) == claims

    play(fenced())
    assert kafka.committed[SHARD] == [(ONE, b"a")]


@pytest.mark.parametrize("when", ["before it is asked", "before it is opened"])
def test_a_shard_that_goes_on_claims_nothing_when_another_worker_has_it(when: str) -> None:
    kafka, owner = ClaimedKafka(group={TWO}), object()

    async def overtaken() -> None:
        one, two = kafka.worker(ONE), kafka.worker(TWO)
        await shared_writer(one, owner).open()
        other = await one.take(1, owner)
        writer = shared_writer(one, owner)
        if when == "before it is asked":
            await taken(two, SHARD)
            await one.commit(other, batch(1, "a"))  # which finds out that the worker was fenced
            assert not await writer.goes_on()
        else:
            assert await writer.goes_on()
            await taken(two, SHARD)
            await one.commit(other, batch(1, "a"))
            with pytest.raises(ShardFenced):
                await writer.open()
        assert kafka.in_force(SHARD) == [TWO]

    play(overtaken())


def test_a_shard_that_goes_on_keeps_its_claim_when_it_cannot_be_read_and_leaves_it_at_its_end() -> None:
    """Without it the shard would ask the group, hear that others have the partition, and leave its chats to nobody."""
    kafka, owner = ClaimedKafka(group={TWO}), object()

    async def read_in_vain() -> None:
        one = kafka.worker(ONE)
        await shared_writer(one, owner).open()
        for _ in range(2):
            writer = shared_writer(one, owner)
            assert await writer.goes_on()
            await writer.open()
            await writer.close()  # its records could not be read, or what is decided not be signed
        assert kafka.in_force(SHARD) == [ONE]
        await one.release(SHARD, owner)
        assert kafka.in_force(SHARD) == []

    play(read_in_vain())
