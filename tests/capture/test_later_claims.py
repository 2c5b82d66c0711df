"""Whoever finds that its claim to a shard is not the last one gives the shard up, and leaves the later claim."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from bridge.errors import ShardFenced
from tests.capture.claimed_kafka import ClaimedKafka, MemoryClaims, batch, play, taken

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.capture.worker_ports import ClaimRecord

ONE, TWO = "one", "two"

pytestmark = pytest.mark.usefixtures("nobody_leaves_in_order")


def test_who_finds_a_later_claim_than_its_own_does_not_take_the_shard(monkeypatch: pytest.MonkeyPatch) -> None:
    kafka, asked, two_has_taken, read = ClaimedKafka(), asyncio.Event(), asyncio.Event(), MemoryClaims.read

    async def late(topic: MemoryClaims, since: Mapping[int, int]) -> Mapping[int, tuple[Sequence[ClaimRecord], int]]:
        if not asked.is_set():  # the first to look is the first to have claimed
            asked.set()
            await two_has_taken.wait()
        return await read(topic, since)

    monkeypatch.setattr(MemoryClaims, "read", late)

    async def overtaken() -> None:
        one, two = kafka.worker(ONE), kafka.worker(TWO)
        taking = asyncio.create_task(taken(one, 0))
        await asked.wait()
        [held] = await taken(two, 0)
        two_has_taken.set()
        with pytest.raises(ShardFenced):
            await taking
        await two.commit(held, batch(0, "a"))

    play(overtaken())
    assert kafka.in_force(0) == [TWO]
    assert kafka.committed[0] == [(TWO, b"a")]


def test_two_workers_that_take_the_same_shard_at_once_do_not_both_write_it() -> None:
    kafka = ClaimedKafka()

    async def at_once(name: str) -> None:
        worker = kafka.worker(name)
        for turn in range(20):
            try:
                [held] = await taken(worker, 0)
                known = len(kafka.committed[0])
                await worker.commit(held, batch(0, f"{name} {turn} after {known}"))
            except ShardFenced:
                continue

    async def both() -> None:
        await asyncio.gather(at_once(ONE), at_once(TWO))

    play(both())
    found = [key.decode() for _, key in kafka.committed[0]]
    assert [int(one.rpartition(" ")[2]) for one in found] == list(range(len(found)))
    assert found
