"""A shard that another worker had in between, without the first one being told: what both do then."""

from __future__ import annotations

import asyncio

import pytest

from bridge.capture.chat import FOLLOWED, GIVEN_UP, OVER
from bridge.capture.ownership import ProbeTimer
from bridge.facts import ChatsReconciled, ShardCrashed
from tests.capture.virtual_engine import VirtualEngine, joined_at, state_of
from tests.capture.virtual_servers import play

A, B = "chat-1:4800", "chat-2:4800"
ONE, TWO = "0000GONE00000001", "0000GONE00000002"


@pytest.mark.parametrize("told", [True, False])
def test_a_shard_that_is_idle_learns_that_another_worker_had_it_and_joins_its_chats(told: bool) -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            first, second = await engine.start(0), await engine.start()
            engine.member(first).deaf = True
            await engine.member(second).rebalance(0)  # the first worker does not notice
            engine.kafka.announce(0, ONE, A)
            await asyncio.sleep(5)
            assert joined_at(second, ONE) == A
            await engine.member(second).rebalance()
            if told:
                await engine.member(first).rebalance(0)
            await asyncio.sleep(5 if told else 35)
            assert joined_at(second, ONE) is None
            assert joined_at(first, ONE) == A
            assert first.problems() == []
            assert engine.facts(ChatsReconciled) == [ChatsReconciled(shard=0, followed=1, forgotten=0)]

    play(scene())


def test_a_shard_that_nobody_else_had_is_not_opened_anew_by_an_assignment_that_keeps_it() -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            worker = await engine.start(0)
            engine.kafka.announce(0, ONE, A)
            await asyncio.sleep(2)
            for _ in range(3):
                await engine.member(worker).rebalance(0)
                await asyncio.sleep(1)
            assert engine.kafka.epochs[0] == 1
            assert len(engine.servers[A].joins) == 1

    play(scene())


def test_a_chat_that_another_worker_ended_meanwhile_is_forgotten() -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            first, second = await engine.start(0), await engine.start()
            engine.kafka.announce(0, ONE, A)
            await asyncio.sleep(2)
            engine.member(first).cut_off = True
            await engine.member(second).rebalance(0)
            await asyncio.sleep(2)
            assert joined_at(second, ONE) == joined_at(first, ONE) == A
            server = engine.servers[A]
            server.watched[ONE].pop(0)  # the first worker is not told
            engine.says(A, ONE, 1, "Over")
            await asyncio.sleep(1)
            assert state_of(second, ONE) == OVER
            engine.member(first).cut_off = False
            await engine.assign((0,), ())
            await asyncio.sleep(5)
            assert state_of(first, ONE) == OVER
            assert joined_at(first, ONE) is None
            assert list(next(iter(first.shards)).source.followed) == []
            assert engine.facts(ChatsReconciled) == [ChatsReconciled(shard=0, followed=0, forgotten=1)]

    play(scene())


def test_a_chat_that_two_workers_gave_up_in_turn_is_followed_when_it_is_announced_again() -> None:
    async def scene() -> None:
        async with VirtualEngine(A, B) as engine:
            first, second = await engine.start(0), await engine.start()
            engine.kafka.announce(0, ONE, A)
            await asyncio.sleep(2)
            engine.member(first).deaf = engine.member(first).cut_off = True
            await engine.member(second).rebalance(0)
            await asyncio.sleep(2)
            engine.servers[A].dies()  # both workers lose the chat, and both give it up
            await asyncio.sleep(200)
            assert state_of(second, ONE) == GIVEN_UP
            engine.member(first).deaf = engine.member(first).cut_off = False
            await engine.assign((0,), ())
            await asyncio.sleep(30)
            assert state_of(first, ONE) == GIVEN_UP
            assert list(next(iter(first.shards)).source.followed) == []
            engine.kafka.announce(0, ONE, B)
            await asyncio.sleep(5)
            assert state_of(first, ONE) == FOLLOWED
            assert joined_at(first, ONE) == B

    play(scene())


def test_two_workers_that_have_a_shard_in_turn_again_and_again_watch_every_chat_all_the_time() -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            first, second = await engine.start(0), await engine.start()
            for number in range(6):
                engine.kafka.announce(0, f"0000TURN{number:08}", A)
                await asyncio.sleep(3)
                await engine.assign(*([(), (0,)] if number % 2 else [(0,), ()]))
                await asyncio.sleep(3)
                owner = second if number % 2 else first
                assert [joined_at(owner, f"0000TURN{one:08}") for one in range(number + 1)] == [A] * (number + 1)
            assert engine.facts(ShardCrashed) == []
            assert len(engine.open_connections()) == 1

    play(scene())


def test_a_failed_probe_is_an_ordinary_failed_commit() -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            worker = await engine.start(0)
            engine.kafka.announce(0, ONE, A)
            await asyncio.sleep(2)
            engine.kafka.refuses[0] = 1
            await asyncio.sleep(40)
            assert (engine.kafka.refuses[0], engine.kafka.epochs[0]) == (0, 2)
            assert joined_at(worker, ONE) == A
            assert len(engine.servers[A].joins) == 1
            assert engine.facts(ChatsReconciled) == []

    play(scene())


def test_an_idle_shard_proves_its_ownership_once_in_its_interval() -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            await engine.start(0)
            before = engine.kafka.commits
            await asyncio.sleep(301)
            assert engine.kafka.commits - before == 10

    play(scene())


def test_a_probe_is_due_when_asked_for_or_after_the_interval() -> None:
    timer = ProbeTimer(30.0)
    timer.proved(100.0)
    assert (timer.rest(100.0), timer.rest(129.0), timer.rest(131.0)) == (30.0, 1.0, 0.0)
    timer.ask()
    assert timer.rest(100.0) == 0.0
    assert timer.begin(100.0)
    assert not timer.begin(100.0)
    timer.ask()  # while a transaction is under way, which may have begun too early to tell
    timer.proved(101.0)
    assert timer.rest(101.0) == 0.0
    timer.begin(101.0)
    timer.hand_over()
    assert timer.rest(101.0) == 1.0
