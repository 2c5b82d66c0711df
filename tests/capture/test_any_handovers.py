"""Workers take shards from each other at any time, over a Kafka that answers late: each commit goes on from the last.

What `tests/handover` asks of a model, asked of the code: only its ports are replaced. Virtual time.
"""

from __future__ import annotations

import asyncio
import contextlib
from random import Random
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from bridge.capture.ports import Batch, Outgoing
from bridge.errors import AccessDenied, BridgeError
from tests.capture.claimed_kafka import ClaimedKafka
from tests.capture.virtual_servers import play

if TYPE_CHECKING:
    from bridge.capture.worker_transactions import WorkerTransactions

WORKERS = ("one", "two", "three")
SHARDS = 2
STEPS = 70
LATE = (0.0, 0.0, 0.0, 0.001, 0.01, 0.05, 0.4)
PAUSES = (0.0, 0.0, 0.01, 0.1, 1.0, 5.0)
HEALED_SECONDS = 120


class HandedOver:
    """Workers, each with a task for each shard that it was assigned; `step` does something to one of them."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.kafka = ClaimedKafka(late=lambda: rng.choice(LATE))
        self.workers = {name: self.kafka.worker(name) for name in WORKERS}
        self.writing: dict[tuple[str, int], asyncio.Task[None]] = {}
        self.releasing: set[asyncio.Task[None]] = set()

    async def step(self) -> None:
        name, shard = self.rng.choice(WORKERS), self.rng.randrange(SHARDS)
        kinds = (*(self.assign,) * 5, self.revoke, self.revoke, self.crash, self.disturb, self.heal, self.heal)
        await self.rng.choice(kinds)(name, shard)

    async def assign(self, name: str, shard: int) -> None:
        if (name, shard) not in self.writing:
            self.writing[name, shard] = asyncio.create_task(self.write(name, shard))

    async def revoke(self, name: str, shard: int) -> None:
        if (task := self.writing.pop((name, shard), None)) is not None:
            task.cancel()

    async def crash(self, name: str, _: int) -> None:
        """Let nobody hear any more of what a worker has asked for, some of which arrives all the same."""
        self.workers[name] = self.kafka.worker(name)
        for shard in range(SHARDS):
            await self.revoke(name, shard)

    async def disturb(self, name: str, shard: int) -> None:
        kafka = self.kafka
        which = self.rng.randrange(5)
        if which == 0:
            kafka.unheard += 1
        elif which == 1:
            kafka.leader_lost_at_end = True
        elif which == 2:
            kafka.refused[shard] = AccessDenied("a topic")
        elif which == 3:
            kafka.silent.add(shard)
        else:
            kafka.epochs[name] += 1

    async def heal(self, _: str = "", __: int = 0) -> None:
        for faults in (self.kafka.refused, self.kafka.silent, self.kafka.not_marked):
            faults.clear()

    async def write(self, name: str, shard: int) -> None:
        """Do what a shard does: take it, read what is there, commit; after an error, from the beginning."""
        worker, owner = self.workers[name], object()
        try:
            await self.write_as(worker, shard, owner)
        finally:
            if worker is self.workers[name] and self.rng.random() < 0.7:  # else it has crashed
                release = asyncio.create_task(self.release(worker, shard, owner))
                self.releasing.add(release)
                release.add_done_callback(self.releasing.discard)

    async def release(self, worker: WorkerTransactions, shard: int, owner: object) -> None:
        with contextlib.suppress(BridgeError, TimeoutError):
            async with asyncio.timeout(self.rng.choice((0.01, 2.0))):
                await worker.release(shard, owner)

    async def write_as(self, worker: WorkerTransactions, shard: int, owner: object) -> None:
        while True:
            try:
                held = await worker.take(shard, owner)
                known = len(self.kafka.committed[shard])
                for _ in range(self.rng.randrange(1, 8)):
                    await worker.commit(held, Batch([Outgoing("events", shard, str(known).encode(), b"")]))
                    known += 1
                    await asyncio.sleep(self.rng.choice(PAUSES))
                if self.rng.random() < 0.5:
                    await worker.leave(held)
            except BridgeError:
                await asyncio.sleep(self.rng.choice(PAUSES))

    async def all_written(self) -> None:
        """Heal Kafka; somebody writes each shard then."""
        await self.heal()
        self.kafka.unheard, self.kafka.leader_lost_at_end = 0, False
        before = [len(self.kafka.committed[shard]) for shard in range(SHARDS)]
        for shard in range(SHARDS):
            for name in WORKERS[1:]:
                await self.revoke(name, shard)
            await self.assign(WORKERS[0], shard)
        async with asyncio.timeout(HEALED_SECONDS):
            while any(len(self.kafka.committed[shard]) <= was for shard, was in enumerate(before)):  # noqa: ASYNC110
                await asyncio.sleep(1)
        for name, shard in list(self.writing):
            await self.revoke(name, shard)


@given(st.integers(0, 1 << 32))
def test_each_commit_goes_on_from_the_last_one(seed: int) -> None:
    async def scene() -> list[list[bytes]]:
        rng = Random(seed)
        handed_over = HandedOver(rng)
        for _ in range(STEPS):
            await handed_over.step()
            await asyncio.sleep(rng.choice(PAUSES))
        await handed_over.all_written()
        return [[key for _, key in handed_over.kafka.committed[shard]] for shard in range(SHARDS)]

    for keys in play(scene()):
        assert [int(key) for key in keys] == list(range(len(keys)))
