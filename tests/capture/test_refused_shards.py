"""A shard of which a partition accepts or acknowledges nothing, although it has a leader: the others go on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from bridge.capture import blame
from bridge.capture import doubts as doubts_of_shards
from bridge.capture.doubts import Doubts
from bridge.errors import KafkaUnavailable
from tests.capture.claimed_kafka import ClaimedKafka, batch, play, taken

if TYPE_CHECKING:
    from bridge.capture.worker_transactions import WorkerTransactions

ONE = "one"
OTHER, REFUSED = 0, 1
TIMES = 8
"""More than a worker has ids."""

pytestmark = pytest.mark.usefixtures("nobody_leaves_in_order", "soon_looked_into")


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blame, "PATIENCE", 60.0)


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


@pytest.mark.parametrize("untold", [False, True])
def test_the_last_id_is_kept_from_a_shard_that_is_never_acknowledged_until_another_one_is_free(*, untold: bool) -> None:
    """Of a disk that stands still, Kafka tells nothing before: each try of the shard holds up an id."""
    kafka = ClaimedKafka(state_untold=untold)
    others: list[bytes] = []

    async def both() -> None:
        worker, owner = kafka.worker(ONE), object()
        [held] = await taken(worker, OTHER)

        async def goes_on() -> None:
            others.append(b"%d" % len(others))
            await worker.commit(held, batch(OTHER, others[-1].decode()))

        async def is_refused() -> None:
            stuck = await worker.take(REFUSED, owner)
            trying = asyncio.create_task(worker.commit(stuck, batch(REFUSED, "a")))
            while not trying.done():
                await goes_on()
            with pytest.raises(KafkaUnavailable):
                await trying

        await worker.commit(await worker.take(REFUSED, owner), batch(REFUSED, "a"))
        kafka.stuck.add(REFUSED)
        for _ in range(TIMES):
            await is_refused()
        assert kafka.not_marked == {ONE, f"{ONE}:2"}
        kafka.stuck.clear()
        kafka.state_untold = True
        await is_refused()
        kafka.state_untold = False
        await is_refused()  # the ends are not marked yet
        kafka.not_marked.clear()
        await worker.commit(await worker.take(REFUSED, owner), batch(REFUSED, "b"))
        await goes_on()
        await worker.close()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(blame, "PATIENCE", 0.05)
        play(both())
    assert [key for _, key in kafka.committed[OTHER]] == others
    assert kafka.committed[REFUSED] == [(ONE, b"a"), (f"{ONE}:3", b"b")]


def test_a_shard_that_has_ended_does_not_count_as_failing_any_more() -> None:
    kafka = ClaimedKafka(refusing={REFUSED})

    async def leaves() -> None:
        worker, owner = kafka.worker(ONE), object()
        [held] = await taken(worker, OTHER)
        await worker.commit(held, batch(OTHER, "a"))
        refused = await worker.take(REFUSED, owner)
        with pytest.raises(KafkaUnavailable):
            await worker.commit(refused, batch(REFUSED, "refused"))
        await worker.release(REFUSED, owner)
        kafka.doubted.clear()
        await worker.commit(held, batch(OTHER, "b"))
        assert kafka.doubted == []
        await worker.close()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(doubts_of_shards, "WAIT_SECONDS", 0.0)
        play(leaves())


def test_a_shard_that_is_left_while_its_transaction_fails_does_not_count_as_failing_after_that() -> None:
    kafka = ClaimedKafka(silent={REFUSED})

    async def leaves() -> None:
        worker, owner = kafka.worker(ONE), object()
        [held] = await taken(worker, OTHER)
        await worker.commit(held, batch(OTHER, "a"))
        refused = await worker.take(REFUSED, owner)
        kafka.began.clear()
        trying = asyncio.create_task(worker.commit(refused, batch(REFUSED, "refused")))
        await kafka.began.wait()
        other = asyncio.create_task(worker.commit(held, batch(OTHER, "b")))
        trying.cancel()
        await asyncio.wait([trying])
        await worker.release(REFUSED, owner)
        await other
        assert OTHER not in kafka.doubted
        await worker.close()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(blame, "PATIENCE", 0.05)
        play(leaves())
    assert kafka.transactions == [{OTHER}, {REFUSED}, {OTHER}]


def test_as_long_as_a_shard_fails_it_is_asked_about_all_once_a_second_and_about_it_each_time() -> None:
    doubts = Doubts()
    assert doubts.about([0, 1], [], 5.0, failing=False) == set()
    assert doubts.about([0, 1], [1], 5.0, failing=False) == {1}
    assert doubts.about([0, 1], [1], 5.0, failing=True) == {0, 1}
    assert doubts.about([0, 1, 2], [1], 5.9, failing=True) == {1, 2}
    assert doubts.about([0], [], 5.9, failing=True) == set()
    assert doubts.about([0, 1, 2], [1], 6.0, failing=True) == {0, 1}


def test_who_comes_after_a_process_with_shards_that_were_refused_asks_before_it_writes_any() -> None:
    kafka = ClaimedKafka(refusing={REFUSED})

    async def lives() -> None:
        for _ in range(TIMES):
            worker = kafka.worker(ONE)
            other, refused = await taken(worker, OTHER, REFUSED)
            with pytest.raises(KafkaUnavailable):
                await worker.commit(refused, batch(REFUSED, "refused"))
            await worker.commit(other, batch(OTHER, "a"))
            await worker.close()

    play(lives())
    assert len(kafka.committed[OTHER]) == TIMES
    assert kafka.not_marked == {ONE}


def test_who_comes_after_a_process_with_one_id_left_keeps_it_from_the_shards_that_hold_up_the_others() -> None:
    kafka = ClaimedKafka(stuck={REFUSED})

    async def lives() -> None:
        for _ in range(TIMES):
            worker = kafka.worker(ONE)
            other, stuck = await taken(worker, OTHER, REFUSED)
            trying = asyncio.create_task(worker.commit(stuck, batch(REFUSED, "refused")))
            while not trying.done():
                await worker.commit(other, batch(OTHER, "a"))
            with pytest.raises(KafkaUnavailable):
                await trying
            await worker.close()
        assert kafka.not_marked == {ONE, f"{ONE}:2"}
        kafka.stuck.clear()
        kafka.not_marked.clear()
        worker = kafka.worker(ONE)
        [stuck] = await taken(worker, REFUSED)
        await worker.commit(stuck, batch(REFUSED, "a"))
        await worker.close()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(blame, "PATIENCE", 0.05)
        play(lives())
    assert [key for _, key in kafka.committed[REFUSED]] == [b"a"]


@pytest.mark.parametrize("untold", [False, True])
def test_who_comes_with_one_id_left_asks_about_the_others_although_it_has_tried_none(*, untold: bool) -> None:
    """Until it is told."""
    kafka = ClaimedKafka(stuck={REFUSED}, not_marked={f"{ONE}:2", f"{ONE}:3"}, state_untold=untold)
    kafka.unmarked = {one: {REFUSED} for one in kafka.not_marked}

    async def comes() -> None:
        worker, owner = kafka.worker(ONE), object()
        if untold:
            kafka.unheard = 1
            with pytest.raises(KafkaUnavailable, match="not known"):
                await worker.commit(await worker.take(OTHER, owner), batch(OTHER, "a"))
            kafka.state_untold = False
        other, stuck = [await worker.take(shard, owner) for shard in (OTHER, REFUSED)]
        with pytest.raises(KafkaUnavailable, match="last transactional id"):
            await worker.commit(stuck, batch(REFUSED, "kept"))
        await worker.commit(other, batch(OTHER, "b"))
        await worker.close()

    play(comes())
    assert kafka.committed[OTHER][-1] == (ONE, b"b")
    assert kafka.transactions[-1] == {OTHER}


def test_a_shard_that_was_written_since_is_not_to_blame_although_a_mark_of_it_is_missing() -> None:
    """Kafka hears of the marks on one broker together, when the last one is written or given up."""
    kafka = ClaimedKafka(not_marked={ONE, f"{ONE}:2"}, unmarked={ONE: {OTHER, REFUSED}, f"{ONE}:2": {REFUSED}})

    async def told_together() -> None:
        worker = kafka.worker(ONE)
        owner = object()
        other, stuck = [await worker.take(shard, owner) for shard in (OTHER, REFUSED)]
        for held in (other, stuck):
            with pytest.raises(KafkaUnavailable, match="last transactional id"):
                await worker.commit(held, batch(held.partition, "kept"))
        kafka.unmarked[ONE] = {REFUSED}
        await worker.commit(other, batch(OTHER, "a"))
        kafka.unmarked[ONE] = {OTHER, REFUSED}
        await worker.commit(other, batch(OTHER, "b"))
        with pytest.raises(KafkaUnavailable, match="last transactional id"):
            await worker.commit(stuck, batch(REFUSED, "kept"))
        await worker.commit(other, batch(OTHER, "c"))
        await worker.release(OTHER, owner)
        other = await worker.take(OTHER, owner)
        with pytest.raises(KafkaUnavailable, match="last transactional id"):
            await worker.commit(other, batch(OTHER, "kept"))
        await worker.close()

    play(told_together())
    assert [key for _, key in kafka.committed[OTHER]] == [b"a", b"b", b"c"]
    assert kafka.committed[REFUSED] == []
