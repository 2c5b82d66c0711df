"""SIGTERM of one worker of several: its shards go on until their new owners have them, and each then ends at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from bridge.adapters.kafka.announcement_consumer import taken_over_by_others
from bridge.errors import KafkaUnavailable
from bridge.facts import Drained
from tests.capture.virtual_engine import VirtualEngine, joined_at
from tests.capture.virtual_servers import play

if TYPE_CHECKING:
    from bridge.capture.worker import Worker

A = "chat-1:4800"
ONE, TWO = "0000ONE000000001", "0000TWO000000001"
SECONDS = 25.0


async def two_workers(engine: VirtualEngine) -> tuple[Worker, Worker]:
    first, second = await engine.start(0, 1), await engine.start()
    engine.kafka.announce(0, ONE, A)
    engine.kafka.announce(1, TWO, A)
    await asyncio.sleep(2)
    return first, second


def handed_over(number: int) -> list[Drained]:
    return [Drained(complete=True, handed_over=number, unfinished=0, inputs=0, bytes=0)]


def test_each_shard_ends_as_soon_as_its_new_owner_has_it() -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            first, second = await two_workers(engine)
            began = engine.kafka.clock.monotonic()
            draining = asyncio.create_task(engine.drain(first, SECONDS))
            await asyncio.sleep(3)  # the group is sharing its partitions out
            assert engine.servers[A].left == []
            engine.says(A, ONE, 1)
            await asyncio.sleep(0.5)
            assert engine.kafka.events(ONE) == [1]  # it goes on capturing
            await engine.member(second).rebalance(0)
            await asyncio.sleep(2)
            assert engine.servers[A].left == [ONE]
            assert (joined_at(second, ONE), joined_at(first, TWO)) == (A, A)
            await engine.member(second).rebalance(0, 1)
            assert await draining
            assert engine.kafka.clock.monotonic() - began < SECONDS / 2
            assert engine.servers[A].left == [ONE, TWO]
            assert engine.facts(Drained) == handed_over(2)
            await asyncio.sleep(1)
            assert [joined_at(second, chat) for chat in (ONE, TWO)] == [A, A]

    play(scene())


def test_a_shard_that_is_drained_has_time_to_leave_in_order() -> None:
    """Its writer removes a claim then: else the next owner, or the same worker, finds it as after a kill."""

    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            worker = await engine.start(0)
            engine.kafka.announce(0, ONE, A)
            await asyncio.sleep(2)
            engine.kafka.closes_after = 0.5
            assert await engine.drain(worker, SECONDS)
            assert engine.servers[A].left == [ONE]
            assert engine.kafka.hurried == 0

    play(scene())


def test_a_chat_is_watched_by_somebody_at_every_moment() -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            first, second = await two_workers(engine)
            said = 0

            async def talk() -> None:
                nonlocal said
                while True:
                    said += 1
                    engine.says(A, ONE, said)
                    await asyncio.sleep(0.05)

            talking = asyncio.create_task(talk())
            draining = asyncio.create_task(engine.drain(first, SECONDS))
            await asyncio.sleep(2)
            await engine.member(second).rebalance(0, 1)
            assert await draining
            await asyncio.sleep(5)
            talking.cancel()
            await asyncio.wait([talking])
            await asyncio.sleep(1)
            events = [one for one in engine.kafka.events(ONE) if isinstance(one, int)]
            assert events == list(range(1, said + 1))

    play(scene())


def test_a_commit_that_fails_is_no_hand_over_while_the_group_is_sharing_out() -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            first, second = await two_workers(engine)
            draining = asyncio.create_task(engine.drain(first, SECONDS))
            await asyncio.sleep(1)
            engine.kafka.refuses[0] = 1
            engine.says(A, ONE, 1, "Over")
            await asyncio.sleep(5)
            assert engine.kafka.refuses[0] == 0
            assert engine.kafka.events(ONE) == []  # not opened again: another worker might have the shard by now
            assert not draining.done()
            await asyncio.sleep(1)
            await engine.member(second).rebalance(1)
            assert not await draining
            (told,) = engine.facts(Drained)
            assert (told.handed_over, told.unfinished, told.inputs) == (1, 1, 1)

    play(scene())


def test_a_shard_whose_commit_failed_counts_as_handed_over_once_the_group_says_so() -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            first, second = await two_workers(engine)
            engine.kafka.refuses[0] = 1
            engine.says(A, ONE, 1)
            await asyncio.sleep(0.1)
            draining = asyncio.create_task(engine.drain(first, SECONDS))
            await asyncio.sleep(3)
            assert engine.servers[A].left == []
            await engine.member(second).rebalance(0, 1)
            assert await draining
            assert engine.facts(Drained) == handed_over(2)

    play(scene())


def test_shards_that_nobody_takes_over_are_drained_after_half_of_the_time() -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            first, _ = await two_workers(engine)
            began = engine.kafka.clock.monotonic()
            draining = asyncio.create_task(engine.drain(first, SECONDS))
            await asyncio.sleep(SECONDS / 2 - 0.1)
            assert engine.servers[A].left == []
            engine.says(A, ONE, 1)
            assert await draining
            assert engine.kafka.clock.monotonic() - began < SECONDS / 2 + 6
            assert engine.kafka.events(ONE) == [1]
            assert sorted(engine.servers[A].left) == [ONE, TWO]
            assert engine.facts(Drained) == handed_over(0)

    play(scene())


@pytest.mark.parametrize("silent", ["hangs", "raises"])
def test_a_group_that_does_not_answer_costs_half_of_the_time_and_nothing_else(silent: str) -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            first = await engine.start(0)
            engine.kafka.announce(0, ONE, A)
            await asyncio.sleep(2)
            if silent == "hangs":
                engine.kafka.silent = True
            else:
                await engine.start()  # a worker that never gets the partitions: the group is never stable
            engine.says(A, ONE, 1)
            assert await engine.drain(first, SECONDS)
            assert engine.kafka.events(ONE) == [1]
            assert engine.servers[A].left == [ONE]

    play(scene())


def test_a_lone_worker_does_not_wait_for_new_owners() -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            worker = await engine.start(0)
            engine.kafka.announce(0, ONE, A)
            await asyncio.sleep(2)
            began = engine.kafka.clock.monotonic()
            assert await engine.drain(worker, SECONDS)
            assert engine.kafka.clock.monotonic() - began < 1
            assert engine.facts(Drained) == handed_over(0)

    play(scene())


def test_a_shard_is_handed_over_while_it_is_being_opened() -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            first, second = await two_workers(engine)
            await engine.member(second).rebalance(0)
            await engine.member(first).rebalance(1)
            await asyncio.sleep(1)
            await engine.member(first).rebalance(0, 1)
            draining = asyncio.create_task(engine.drain(first, SECONDS))
            await asyncio.sleep(0.5)
            await engine.member(second).rebalance(0, 1)
            assert await draining
            await asyncio.sleep(3)
            assert [joined_at(second, chat) for chat in (ONE, TWO)] == [A, A]

    play(scene())


OWN = "worker-1-e0b4"


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([(0, "Stable", ["other"])], True),
        ([(0, "Stable", ["other", "another"])], True),
        ([(0, "Empty", [])], False),
        ([(0, "Dead", [])], False),
        ([(0, "Stable", [OWN])], False),
        ([(0, "PreparingRebalance", [OWN])], False),
        ([(0, "Stable", [OWN, "other"])], None),
        ([(0, "PreparingRebalance", ["other"])], None),
        ([(0, "CompletingRebalance", ["other"])], None),
        ([(15, "", [])], None),
        ([], None),
    ],
)
def test_whether_other_members_have_the_partitions(
    groups: list[tuple[int, str, list[str]]], expected: bool | None
) -> None:
    if expected is None:
        with pytest.raises(KafkaUnavailable):
            taken_over_by_others(groups, OWN)
    else:
        assert taken_over_by_others(groups, OWN) is expected


def test_a_shard_whose_commit_fails_stays_in_its_chats_until_its_own_new_owner_has_it() -> None:
    """The worker is fenced for a shard that was taken before, and that it has others is all that the group knows."""

    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            engine.kafka.claims = {}
            first, second = await two_workers(engine)
            draining = asyncio.create_task(engine.drain(first, SECONDS))
            await asyncio.sleep(1)
            await engine.member(second).rebalance(0)
            engine.kafka.refuses[1] = 1
            engine.says(A, TWO, 1)
            await asyncio.sleep(5)
            assert engine.servers[A].left == [ONE]
            assert (joined_at(first, TWO), engine.kafka.events(TWO)) == (A, [1])
            await engine.member(second).rebalance(0, 1)
            assert await draining
            assert engine.servers[A].left == [ONE, TWO]
            assert engine.facts(Drained) == handed_over(2)

    play(scene())
