"""One transaction for all shards of a worker: what is written, what is written again, and by whom."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bridge.capture import blame
from bridge.capture.ports import Batch, Outgoing
from bridge.capture.worker_facts import TransactionRepeated, WorkerFenced
from bridge.errors import AccessDenied, KafkaUnavailable
from tests.capture.claimed_kafka import ClaimedKafka, batch, play, taken

if TYPE_CHECKING:
    from bridge.capture.shard_claims import HeldShard

ONE, TWO = "one", "two"

pytestmark = pytest.mark.usefixtures("nobody_leaves_in_order")


def test_what_shards_hand_in_together_is_one_transaction() -> None:
    kafka = ClaimedKafka()

    async def three() -> None:
        worker = kafka.worker(ONE)
        held = await taken(worker, 0, 1, 2)
        await asyncio.gather(*(worker.commit(one, batch(one.partition, "a")) for one in held))

    play(three())
    assert kafka.transactions == [{0, 1, 2}]
    assert dict(kafka.committed) == {shard: [(ONE, b"a")] for shard in range(3)}


@pytest.mark.parametrize("error", [AccessDenied("a topic"), ZeroDivisionError()])  # refused; a defect
def test_a_shard_that_fails_is_left_out_and_the_others_are_written_once(error: Exception) -> None:
    kafka = ClaimedKafka(refused={1: error})

    async def refused() -> None:
        worker = kafka.worker(ONE)
        held = await taken(worker, 0, 1, 2)
        outcomes = await asyncio.gather(
            *(worker.commit(one, batch(one.partition, "a")) for one in held), return_exceptions=True
        )
        assert [type(one) for one in outcomes] == [type(None), type(error), type(None)]

    play(refused())
    assert kafka.transactions == [{0, 1, 2}, {0, 2}]
    assert kafka.told == [TransactionRepeated(shards=2)]
    assert {shard: len(found) for shard, found in kafka.committed.items()} == {0: 1, 2: 1}


def test_a_shard_that_is_not_acknowledged_holds_the_others_up_for_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    kafka = ClaimedKafka(silent={1})
    monkeypatch.setattr(blame, "PATIENCE", 0.5)

    async def late() -> None:
        worker = kafka.worker(ONE)
        held = await taken(worker, 0, 1)
        outcomes = await asyncio.gather(
            *(worker.commit(one, batch(one.partition, "a")) for one in held), return_exceptions=True
        )
        assert [type(one) for one in outcomes] == [type(None), KafkaUnavailable]

    play(late())
    assert kafka.committed[0] == [(ONE, b"a")]
    assert kafka.committed[1] == []


def test_a_shard_that_is_not_acknowledged_does_not_hold_up_one_that_waits_for_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kafka = ClaimedKafka(silent={1})
    monkeypatch.setattr(blame, "PATIENCE", 0.5)

    async def late() -> None:
        worker = kafka.worker(ONE)
        other, silent = await taken(worker, 0, 1)
        failing = asyncio.create_task(worker.commit(silent, batch(1, "a")))
        await kafka.began.wait()
        await worker.turn()
        await worker.commit(other, batch(0, "a"))
        with pytest.raises(KafkaUnavailable):
            await failing

    play(late())
    assert kafka.committed[0] == [(ONE, b"a")]


def test_what_is_decided_when_it_is_the_turn_of_the_shards_is_one_transaction() -> None:
    kafka = ClaimedKafka()

    async def in_turn() -> None:
        worker = kafka.worker(ONE)
        first, *others = await taken(worker, 0, 1, 2)

        async def decide_and_commit(held: HeldShard) -> None:
            await worker.turn()
            await worker.commit(held, batch(held.partition, "b"))

        await worker.turn()  # nothing is under way
        earlier = asyncio.create_task(worker.commit(first, batch(0, "a")))
        await kafka.began.wait()
        await asyncio.gather(earlier, *map(decide_and_commit, others))

    play(in_turn())
    assert kafka.transactions == [{0}, {1, 2}]


def test_offsets_are_committed_when_all_records_are_acknowledged_and_not_before() -> None:
    kafka = ClaimedKafka(offsets_refused=AccessDenied("a group"))

    async def refused() -> None:
        worker = kafka.worker(ONE)
        held = await taken(worker, 0, 1)
        outcomes = await asyncio.gather(
            *(worker.commit(one, replace(batch(one.partition, "a"), announcement_offset=7)) for one in held),
            return_exceptions=True,
        )
        assert [type(one) for one in outcomes] == [AccessDenied, AccessDenied]

    play(refused())
    assert kafka.acknowledged_before_offsets == [2]
    assert not any(kafka.committed.values())


def test_a_shard_without_a_leader_is_not_even_tried() -> None:
    kafka = ClaimedKafka(leaderless={1})

    async def without() -> None:
        worker = kafka.worker(ONE)
        held = await taken(worker, 0, 1)
        outcomes = await asyncio.gather(
            *(worker.commit(one, batch(one.partition, "a")) for one in held), return_exceptions=True
        )
        assert [type(one) for one in outcomes] == [type(None), KafkaUnavailable]

    play(without())
    assert kafka.transactions == [{0}]


def test_after_an_end_without_an_answer_each_shard_has_to_read_what_is_there() -> None:
    kafka = ClaimedKafka(unheard=1)

    async def in_doubt() -> None:
        worker, owner = kafka.worker(ONE), object()
        held = [await worker.take(shard, owner) for shard in (0, 1)]
        outcomes = await asyncio.gather(
            *(worker.commit(one, batch(one.partition, "a")) for one in held), return_exceptions=True
        )
        assert [type(one) for one in outcomes] == [KafkaUnavailable, KafkaUnavailable]
        before = kafka.epochs[ONE]
        assert [await worker.take(shard, owner) for shard in (0, 1)] == held
        assert kafka.epochs[ONE] == before + 1  # only now is the outcome settled

    play(in_doubt())
    assert kafka.transactions == [{0, 1}]
    assert dict(kafka.committed) == {0: [(ONE, b"a")], 1: [(ONE, b"a")]}


def test_a_worker_that_is_fenced_in_the_middle_of_a_transaction_writes_it_again_in_the_same_order() -> None:
    kafka = ClaimedKafka()

    async def fenced() -> None:
        worker = kafka.worker(ONE)
        [held] = await taken(worker, 0)
        kafka.epochs[ONE] += 1  # of another shard, which this one does not hear of
        await worker.commit(held, Batch([Outgoing("events", 0, key, b"") for key in (b"a", b"b", b"c")]))

    play(fenced())
    assert kafka.transactions == [{0}, {0}]
    assert kafka.told == [WorkerFenced(), TransactionRepeated(shards=1)]
    assert kafka.committed[0] == [(ONE, b"a"), (ONE, b"b"), (ONE, b"c")]


def test_a_worker_that_is_fenced_before_it_asks_for_the_end_says_so_and_leaves_the_outcome_open() -> None:
    kafka = ClaimedKafka()

    async def fenced() -> None:
        worker = kafka.worker(ONE)
        [held] = await taken(worker, 0)
        kafka.before_end = lambda: kafka.epochs.update({ONE: 100})
        with pytest.raises(KafkaUnavailable, match="is not known"):
            await worker.commit(held, batch(0, "a"))

    play(fenced())
    assert kafka.told == [WorkerFenced()]
    assert kafka.committed[0] == []


def test_a_worker_whose_transactions_cannot_be_marked_writes_its_shards_under_another_id() -> None:
    kafka = ClaimedKafka()

    async def held_up() -> None:
        worker = kafka.worker(ONE)
        held = await taken(worker, 0, 1)
        kafka.not_marked.add(ONE)
        await asyncio.gather(*(worker.commit(one, batch(one.partition, "a")) for one in held))
        await worker.leave(held[1])

    play(held_up())
    assert dict(kafka.committed) == {shard: [(f"{ONE}:2", b"a")] for shard in (0, 1)}
    assert (kafka.in_force(0), kafka.in_force(1)) == ([f"{ONE}:2"], [])


def test_what_is_decided_and_not_marked_counts_as_committed_and_the_next_is_written_under_another_id() -> None:
    kafka = ClaimedKafka(leader_lost_at_end=True)

    async def decided() -> None:
        worker = kafka.worker(ONE)
        held = await taken(worker, 0, 1)
        for name in ("a", "b"):
            await asyncio.gather(*(worker.commit(one, batch(one.partition, name)) for one in held))

    play(decided())
    assert dict(kafka.committed) == {shard: [(ONE, b"a"), (f"{ONE}:2", b"b")] for shard in (0, 1)}
    assert (kafka.in_force(0), kafka.in_force(1)) == ([f"{ONE}:2"], [f"{ONE}:2"])


def test_a_worker_whose_shards_have_ended_does_not_wait_for_kafka_when_it_closes() -> None:
    kafka = ClaimedKafka(silent={0})

    async def closed() -> None:
        worker = kafka.worker(ONE)
        [held] = await taken(worker, 0)
        committing = asyncio.create_task(worker.commit(held, batch(0, "a")))
        await kafka.began.wait()
        committing.cancel()
        await asyncio.wait([committing])
        async with asyncio.timeout(2):
            await worker.close()

    play(closed())
    assert kafka.committed[0] == []
