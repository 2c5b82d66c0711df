"""Kafka acknowledges nothing of some shards, and does not say whether it accepts what others write."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from bridge.backoff import Backoff
from bridge.capture.doubts import WAIT_SECONDS, Doubts
from bridge.errors import KafkaUnavailable, ShardFenced
from tests.capture.claimed_kafka import ClaimedKafka, batch, taken
from tests.capture.virtual_servers import play

if TYPE_CHECKING:
    from bridge.capture.worker_transactions import WorkerTransactions

ONE = "one"
OTHER, STUCK, QUIET = 0, 1, 2
IDS = 4
SECONDS = 120.0
STILL = 30.0
"""Seconds: more than any attempts of stuck shards hold up others."""


def test_a_shard_that_was_not_acknowledged_since_one_was_not_waits_for_an_answer_for_some_seconds() -> None:
    doubts = Doubts()
    assert doubts.unproven([0, 1], 5.0) == set()
    doubts.acknowledged([1])
    doubts.not_acknowledged([0], 5.0)
    assert doubts.unproven([0, 1, 2], 5.1) == {1, 2}
    doubts.acknowledged([1])
    assert doubts.unproven([0, 1, 2], 5.2) == {2}
    assert doubts.seconds_left(5.0 + WAIT_SECONDS - 0.5) == 0.5
    doubts.forget([0])
    assert doubts.unproven([0, 1, 2], 5.3) == {0, 2}
    assert doubts.unproven([0, 1, 2], 5.0 + WAIT_SECONDS) == set()
    doubts.not_acknowledged([1], 20.0)
    assert doubts.unproven([0, 1, 2], 20.1) == {0, 2}


class StuckShard:
    """A worker with a shard of which Kafka acknowledges nothing. `other`: what one that is well has written."""

    def __init__(self, *quiet: int) -> None:
        self.kafka = ClaimedKafka(stuck={STUCK}, in_sync_untold=True)
        self.worker = self.kafka.worker(ONE)
        self.quiet = quiet
        self.other: list[bytes] = []

    async def fails(self) -> None:
        self.held, stuck, *self.waiting = await taken(self.worker, OTHER, STUCK, *self.quiet)
        for one in self.waiting:
            await self.worker.commit(one, batch(one.partition, "before"))
        trying = asyncio.create_task(self.worker.commit(stuck, batch(STUCK, "a")))
        while not trying.done():
            await self.goes_on()
        with pytest.raises(KafkaUnavailable):
            await trying
        assert self.kafka.not_marked == {ONE}

    async def goes_on(self) -> None:
        self.other.append(b"%d" % len(self.other))
        await self.worker.commit(self.held, batch(OTHER, self.other[-1].decode()))

    async def write_quiet(self) -> list[asyncio.Task[None]]:
        """Hand in a batch of each of the quiet shards; they wait."""
        trying = [asyncio.create_task(self.worker.commit(one, batch(one.partition, "a"))) for one in self.waiting]
        for _ in range(3):  # it may miss the first one, and would be in the second
            await self.goes_on()
        assert not any(one.done() for one in trying)
        return trying


def test_as_long_as_kafka_says_nothing_a_shard_waits_and_those_that_were_acknowledged_go_on() -> None:
    async def scene(world: StuckShard) -> None:
        await world.fails()
        waiting = await world.write_quiet()
        began = asyncio.get_running_loop().time()
        while not any(one.done() for one in waiting):
            await world.goes_on()
        assert WAIT_SECONDS - 1 < asyncio.get_running_loop().time() - began < WAIT_SECONDS + 1
        await asyncio.gather(*waiting)
        await world.worker.close()

    world = StuckShard(QUIET, QUIET + 1)
    play(scene(world))
    assert [key for _, key in world.kafka.committed[OTHER]] == world.other
    for shard in world.quiet:
        assert world.kafka.committed[shard] == [(ONE, b"before"), (f"{ONE}:2", b"a")]
    assert {QUIET, QUIET + 1} in [one - {OTHER} for one in world.kafka.transactions]


def test_what_kafka_says_of_others_lets_in_what_waits_and_it_is_asked_about_that() -> None:
    async def scene(world: StuckShard) -> None:
        await world.fails()
        waiting = await world.write_quiet()
        world.kafka.in_sync_untold = False
        world.kafka.refusing = {STUCK + 1}
        began = asyncio.get_running_loop().time()
        while not all(one.done() for one in waiting):
            await world.goes_on()
        assert asyncio.get_running_loop().time() - began < 2.0
        with pytest.raises(KafkaUnavailable):
            await waiting[0]
        await waiting[1]
        world.kafka.in_sync_untold = True
        began = asyncio.get_running_loop().time()
        await world.worker.commit(world.waiting[1], batch(QUIET + 1, "b"))
        assert asyncio.get_running_loop().time() - began < 1.0
        await world.worker.close()

    world = StuckShard(STUCK + 1, STUCK + 2)
    play(scene(world))
    assert world.kafka.not_marked == {ONE}
    assert [key for _, key in world.kafka.committed[QUIET + 1]] == [b"before", b"a", b"b"]


def test_a_shard_that_has_waited_has_not_failed_and_the_last_id_is_not_kept_from_it() -> None:
    async def scene(world: StuckShard) -> None:
        await world.fails()
        [waiting] = await world.write_quiet()
        world.kafka.leader_lost_at_end = True
        await world.goes_on()
        await waiting
        await world.worker.close()

    world = StuckShard(QUIET)
    play(scene(world))
    assert world.kafka.not_marked == {ONE, f"{ONE}:2"}
    assert world.kafka.committed[QUIET] == [(ONE, b"before"), (f"{ONE}:3", b"a")]


def test_what_waits_and_is_not_wanted_any_more_is_not_written() -> None:
    async def scene(world: StuckShard) -> None:
        await world.fails()
        [waiting] = await world.write_quiet()
        waiting.cancel()
        [waiting] = await world.write_quiet()  # asked a moment ago, and not answered
        waiting.cancel()
        await asyncio.sleep(2 * WAIT_SECONDS)
        await world.goes_on()
        await world.worker.close()

    world = StuckShard(QUIET)
    play(scene(world))
    assert world.kafka.committed[QUIET] == [(ONE, b"before")]


def test_what_waits_does_not_hear_of_a_defect_in_the_transaction_that_it_is_kept_out_of() -> None:
    def defect() -> None:
        raise RuntimeError("a defect")

    async def scene(world: StuckShard) -> None:
        await world.fails()
        await asyncio.sleep(1.0)
        world.kafka.before_end = defect
        both = [world.held, *world.waiting]
        trying = [asyncio.create_task(world.worker.commit(one, batch(one.partition, "a"))) for one in both]
        with pytest.raises(RuntimeError):
            await trying[0]
        world.kafka.before_end = None
        await trying[1]
        await world.worker.close()

    play(scene(StuckShard(QUIET)))


@pytest.mark.parametrize("refused", [False, True], ids=["left", "refused"])
def test_a_shard_that_was_acknowledged_waits_as_well_after_it_was(*, refused: bool) -> None:
    async def scene(world: StuckShard) -> None:
        await world.fails()
        world.kafka.in_sync_untold = False
        owner = object()
        await world.worker.commit(await world.worker.take(QUIET, owner), batch(QUIET, "a"))
        if refused:
            world.kafka.leaderless = {QUIET}
            with pytest.raises(KafkaUnavailable):
                await world.worker.commit(await world.worker.take(QUIET, owner), batch(QUIET, "refused"))
            world.kafka.leaderless = set()
        else:
            await world.worker.release(QUIET, owner)
        world.kafka.in_sync_untold = True
        world.waiting = [await world.worker.take(QUIET, owner)]
        [waiting] = await world.write_quiet()
        await waiting
        await world.worker.close()

    play(scene(StuckShard()))


def test_a_shard_waits_where_kafka_does_not_even_say_who_leads_its_partitions() -> None:
    async def says_nothing() -> None:
        raise KafkaUnavailable("no broker tells who leads the partitions")

    async def scene(world: StuckShard) -> None:
        await world.fails()
        world.kafka.in_sync_untold = False
        world.kafka.before_look = says_nothing
        [waiting] = await world.write_quiet()
        await waiting
        await world.worker.close()

    play(scene(StuckShard(QUIET)))


def test_a_shard_that_is_taken_again_while_its_batch_waits_writes_the_new_one_alone() -> None:
    async def scene(world: StuckShard) -> None:
        await world.fails()
        [former] = await world.write_quiet()
        again = await world.worker.take(QUIET, object())
        written = asyncio.create_task(world.worker.commit(again, batch(QUIET, "b")))
        with pytest.raises(ShardFenced, match="taken again"):
            await former
        await world.goes_on()
        assert not written.done()
        await written
        await world.worker.close()

    world = StuckShard(QUIET)
    play(scene(world))
    assert [key for _, key in world.kafka.committed[QUIET]] == [b"before", b"b"]


def test_what_is_acknowledged_late_is_written_although_kafka_says_nothing() -> None:
    kafka = ClaimedKafka(in_sync_untold=True)

    async def scene() -> None:
        worker = kafka.worker(ONE)
        [late, other] = await taken(worker, QUIET, OTHER)
        kafka.late = lambda: 2.0
        await asyncio.gather(*(worker.commit(one, batch(one.partition, "a")) for one in (late, other)))
        await worker.close()

    play(scene())
    assert kafka.committed == {QUIET: [(ONE, b"a")], OTHER: [(ONE, b"a")]}


def test_a_failure_that_holds_up_no_id_has_nobody_wait() -> None:
    """Kafka has marked the end of its transaction: nothing is the matter with its partitions any more."""

    async def scene(world: StuckShard) -> None:
        world.kafka.stuck, world.kafka.silent = set(), {STUCK}
        world.kafka.not_marked.add(f"{ONE}:2")  # since an hour ago
        held, silent, quiet = await taken(world.worker, OTHER, STUCK, QUIET)
        trying = asyncio.create_task(world.worker.commit(silent, batch(STUCK, "a")))
        while not trying.done():
            await world.worker.commit(held, batch(OTHER, "a"))
        with pytest.raises(KafkaUnavailable):
            await trying
        began = asyncio.get_running_loop().time()
        await world.worker.commit(quiet, batch(QUIET, "a"))
        assert asyncio.get_running_loop().time() - began < 1.0
        await world.worker.close()

    play(scene(StuckShard()))


async def tries_for_ever(worker: WorkerTransactions, shard: int, draw: random.Random) -> None:
    owner, backoff = object(), Backoff(draw.random, maximum=5.0)
    while True:
        try:
            await worker.commit(await worker.take(shard, owner), batch(shard, "a"))
        except KafkaUnavailable:
            await asyncio.sleep(backoff.next())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("told", [True, False], ids=["marks told", "marks not told"])
@pytest.mark.parametrize(("shards", "spread"), [(4, 20.0), (6, 10.0), (8, 20.0)])
def test_shards_that_are_stuck_one_after_the_other_leave_the_last_id_to_the_others(
    shards: int, spread: float, seed: int, *, told: bool
) -> None:
    kafka = ClaimedKafka(in_sync_untold=True, state_untold=not told)
    stuck = range(STUCK, STUCK + shards)
    longest = 0.0

    async def scene() -> None:
        nonlocal longest
        draw, worker, loop = random.Random(seed), kafka.worker(ONE, IDS), asyncio.get_running_loop()
        trying: list[asyncio.Task[None]] = []

        def begin(shard: int) -> None:
            trying.append(asyncio.create_task(tries_for_ever(worker, shard, draw)))

        [held] = await taken(worker, OTHER)
        await worker.commit(held, batch(OTHER, "a"))
        kafka.stuck |= set(stuck)
        for shard in stuck:
            loop.call_later(draw.uniform(0.0, spread), begin, shard)
        while loop.time() < SECONDS:
            began = loop.time()
            await worker.commit(held, batch(OTHER, "a"))
            longest = max(longest, loop.time() - began)
            await asyncio.sleep(0.5)
        assert [one.done() for one in trying] == [False] * shards

    play(scene())
    assert set(stuck) <= set().union(*kafka.transactions)
    assert len(kafka.not_marked) < IDS
    assert longest < STILL
