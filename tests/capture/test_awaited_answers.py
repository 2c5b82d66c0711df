"""What happens to a shard while the worker that commits it waits for an answer about another one, or for none."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bridge.capture import blame
from bridge.capture.worker_facts import TransactionRepeated
from bridge.errors import KafkaUnavailable
from tests.capture.claimed_kafka import ClaimedKafka, batch, play, taken

ONE, TWO = "one", "two"

pytestmark = pytest.mark.usefixtures("nobody_leaves_in_order")


async def until_asked(kafka: ClaimedKafka) -> asyncio.Event:
    """Have whoever asks who leads the partitions wait for the event; return when somebody asks."""
    answered, asked = asyncio.Event(), asyncio.Event()

    async def look() -> None:
        asked.set()
        await answered.wait()

    kafka.before_look = look
    await asked.wait()
    return answered


def test_a_shard_that_is_left_while_it_is_asked_who_leads_is_not_written() -> None:
    kafka = ClaimedKafka()

    async def left() -> None:
        worker, other = kafka.worker(ONE), kafka.worker(TWO)
        zero, one = await taken(worker, 0, 1)
        commits = [asyncio.create_task(worker.commit(held, batch(held.partition, "a"))) for held in (zero, one)]
        answered = await until_asked(kafka)
        commits[0].cancel()
        await asyncio.wait(commits[:1])
        await worker.leave(zero)
        await taken(other, 0)
        answered.set()
        await commits[1]

    play(left())
    assert kafka.transactions == [{1}]
    assert kafka.committed[0] == []
    assert kafka.in_force(0) == [TWO]


def test_what_a_shard_object_had_handed_in_is_not_written_once_another_one_has_taken_the_shard() -> None:
    kafka = ClaimedKafka()

    async def again() -> None:
        worker = kafka.worker(ONE)
        [held] = await taken(worker, 0)
        former = asyncio.create_task(worker.commit(held, batch(0, "former")))
        answered = await until_asked(kafka)
        former.cancel()
        await asyncio.wait([former])
        await worker.leave(held)
        [retaken] = await taken(worker, 0)
        kafka.before_look = None
        answered.set()
        await worker.commit(retaken, batch(0, "next"))

    play(again())
    assert kafka.committed[0] == [(ONE, b"next")]


def test_when_nobody_says_who_leads_the_shards_are_written_all_the_same() -> None:
    kafka = ClaimedKafka()

    async def unknown() -> None:
        worker = kafka.worker(ONE)
        held = await taken(worker, 0, 1)

        async def look() -> None:
            raise KafkaUnavailable("no answer")

        kafka.before_look = look
        await asyncio.gather(*(worker.commit(one, batch(one.partition, "a")) for one in held))

    play(unknown())
    assert kafka.transactions == [{0, 1}]


def test_a_shard_whose_claims_cannot_be_read_is_not_called_another_workers() -> None:
    kafka = ClaimedKafka()

    async def unreadable() -> None:
        worker = kafka.worker(ONE)
        zero, one = await taken(worker, 0, 1)
        kafka.unreadable.add(0)
        kafka.epochs[ONE] += 1  # of another shard, which this one does not hear of
        outcomes = await asyncio.gather(
            worker.commit(zero, batch(0, "a")), worker.commit(one, batch(1, "a")), return_exceptions=True
        )
        assert [type(one) for one in outcomes] == [KafkaUnavailable, type(None)]
        kafka.unreadable.clear()
        [zero] = await taken(worker, 0)
        await worker.commit(zero, batch(0, "a"))

    play(unreadable())
    assert dict(kafka.committed) == {0: [(ONE, b"a")], 1: [(ONE, b"a")]}


@pytest.mark.parametrize("silent", [False, True])  # refused; not answered
def test_offsets_that_are_not_committed_fail_only_shards_that_have_one(
    silent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = None if silent else KafkaUnavailable("not the coordinator")
    kafka = ClaimedKafka(offsets_refused=refused, offsets_silent=silent)
    monkeypatch.setattr(blame, "PATIENCE", 0.1)

    async def committed() -> None:
        worker = kafka.worker(ONE)
        zero, one = await taken(worker, 0, 1)
        outcomes = await asyncio.gather(
            worker.commit(zero, replace(batch(0, "a"), announcement_offset=7)),
            worker.commit(one, batch(1, "a")),
            return_exceptions=True,
        )
        assert [type(one) for one in outcomes] == [KafkaUnavailable, type(None)]

    play(committed())
    assert kafka.transactions == [{0, 1}, {1}]
    assert kafka.told == [TransactionRepeated(shards=1)]
    assert dict(kafka.committed) == {1: [(ONE, b"a")]}


def test_claims_are_renewed_without_reading_the_whole_log() -> None:
    kafka = ClaimedKafka()
    kafka.logs[0] += [("/claim/three/1", "three"), ("/claim/three/1", None)]

    async def renewed() -> None:
        worker = kafka.worker(ONE)
        [held] = await taken(worker, 0)
        kafka.reads.clear()
        kafka.not_marked.add(ONE)
        await worker.commit(held, batch(0, "a"))

    play(renewed())
    assert kafka.committed[0] == [(f"{ONE}:2", b"a")]
    assert min(kafka.reads) == (0, 2), "from its own claim on"


def test_offsets_that_are_not_committed_hold_up_no_shard_that_comes_later(monkeypatch: pytest.MonkeyPatch) -> None:
    kafka = ClaimedKafka(offsets_silent=True)
    monkeypatch.setattr(blame, "PATIENCE", 0.5)

    async def late() -> None:
        worker = kafka.worker(ONE)
        zero, one = await taken(worker, 0, 1)
        failing = asyncio.create_task(worker.commit(zero, replace(batch(0, "a"), announcement_offset=7)))
        await kafka.began.wait()
        await worker.turn()
        await worker.commit(one, batch(1, "a"))
        with pytest.raises(KafkaUnavailable, match="did not acknowledge"):
            await failing

    play(late())
    assert dict(kafka.committed) == {1: [(ONE, b"a")]}
