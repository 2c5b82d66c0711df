"""From whom the last transactional id of a worker is kept, when others than the shards that Kafka names hold up ids."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bridge.capture import blame
from bridge.errors import KafkaUnavailable
from tests.capture.claimed_kafka import ClaimedKafka, batch, play, taken

if TYPE_CHECKING:
    from bridge.capture.ports import Batch
    from bridge.capture.shard_claims import HeldShard
    from bridge.capture.worker_transactions import WorkerTransactions

ONE = "one"
OTHER, REFUSED = 0, 1
TIMES = 8
"""More than a worker has ids."""

pytestmark = pytest.mark.usefixtures("nobody_leaves_in_order", "soon_looked_into")


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blame, "PATIENCE", 0.05)


async def goes_on_beside(worker: WorkerTransactions, other: HeldShard, tried: HeldShard, write: Batch) -> None:
    """Have one shard try in vain to write a batch, while another one writes."""
    trying = asyncio.create_task(worker.commit(tried, write))
    while not trying.done():
        await worker.commit(other, batch(OTHER, "a"))
    with pytest.raises(KafkaUnavailable):
        await trying


def test_the_last_id_is_kept_from_a_shard_that_writes_to_a_stuck_partition_of_another_number() -> None:
    """As an announcement that is another shard's to take: Kafka names the partition, not who writes there."""
    elsewhere = TIMES
    kafka = ClaimedKafka(stuck={REFUSED})

    async def forwards() -> None:
        worker, owner = kafka.worker(ONE), object()
        [other] = await taken(worker, OTHER)
        for _ in range(TIMES):
            tried = await worker.take(REFUSED, owner)
            await goes_on_beside(worker, other, tried, batch(elsewhere, "forwarded"))
        assert kafka.not_marked == {ONE, f"{ONE}:2"}
        kafka.stuck.clear()
        kafka.not_marked.clear()
        await worker.commit(await worker.take(REFUSED, owner), batch(elsewhere, "b"))
        await worker.close()

    play(forwards())
    assert [key for _, key in kafka.committed[REFUSED]] == [b"b"]


@pytest.mark.parametrize("restarted", [False, True])
def test_the_last_id_is_kept_from_shards_that_take_announcements_if_offsets_hold_up_the_others(
    *, restarted: bool
) -> None:
    """One partition of the group's offsets: each shard that takes one for the first time has not failed before."""
    takers = range(OTHER + 1, OTHER + 1 + TIMES)
    kafka = ClaimedKafka()

    async def one_by_one() -> None:
        worker = kafka.worker(ONE)
        other, *taking = await taken(worker, OTHER, *takers)
        await worker.commit(other, replace(batch(OTHER, "a"), announcement_offset=7))
        kafka.offsets_stuck = True
        for held in taking[:2] if restarted else taking:
            await goes_on_beside(worker, other, held, replace(batch(held.partition, "a"), announcement_offset=7))
        if restarted:
            await worker.close()
            worker = kafka.worker(ONE)
            other, *taking = await taken(worker, OTHER, *takers)
            for held in taking:
                await goes_on_beside(worker, other, held, replace(batch(held.partition, "a"), announcement_offset=7))
        assert kafka.not_marked == {ONE, f"{ONE}:2"}
        kafka.offsets_stuck = False
        kafka.not_marked.clear()
        [last] = await taken(worker, takers[-1])
        await worker.commit(last, replace(batch(last.partition, "b"), announcement_offset=7))
        await worker.close()

    play(one_by_one())
    assert [key for _, key in kafka.committed[takers[-1]]] == [b"b"]


def test_what_holds_up_an_id_is_not_forgotten_when_the_id_is_tried_in_vain() -> None:
    """No other transaction of the id has begun since Kafka told it."""
    kafka = ClaimedKafka(not_marked={ONE, f"{ONE}:2"}, stuck={REFUSED})
    kafka.unmarked = {one: {REFUSED} for one in kafka.not_marked}

    async def comes() -> None:
        worker, owner = kafka.worker(ONE), object()
        other, stuck = [await worker.take(shard, owner) for shard in (OTHER, REFUSED)]
        with pytest.raises(KafkaUnavailable, match="last transactional id"):
            await worker.commit(stuck, batch(REFUSED, "kept"))
        kafka.unheard = 1
        with pytest.raises(KafkaUnavailable, match="not known"):
            await worker.commit(other, batch(OTHER, "a"))
        kafka.state_untold = True
        kafka.not_marked.add(f"{ONE}:3")
        with pytest.raises(KafkaUnavailable, match="cannot mark"):
            await worker.take(OTHER, owner)
        kafka.not_marked.remove(f"{ONE}:3")
        other, stuck = [await worker.take(shard, owner) for shard in (OTHER, REFUSED)]
        with pytest.raises(KafkaUnavailable, match="last transactional id"):
            await worker.commit(stuck, batch(REFUSED, "kept"))
        await worker.commit(other, batch(OTHER, "b"))
        await worker.close()

    play(comes())
    assert kafka.transactions == [{OTHER}, {OTHER}]


def test_who_takes_announcements_is_not_kept_from_the_last_id_if_offsets_were_committed_the_last_time() -> None:
    """Whatever holds up the others, it is not the group's offsets."""
    kafka = ClaimedKafka()

    async def goes_on() -> None:
        worker, owner = kafka.worker(ONE), object()
        for name in ("a", "b", "c"):
            kafka.leader_lost_at_end = name != "c"
            held = await worker.take(OTHER, owner)
            await worker.commit(held, replace(batch(OTHER, name), announcement_offset=7))
        await worker.close()

    play(goes_on())
    assert kafka.not_marked == {ONE, f"{ONE}:2"}
    assert kafka.committed[OTHER] == [(ONE, b"a"), (f"{ONE}:2", b"b"), (f"{ONE}:3", b"c")]
