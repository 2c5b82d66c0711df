"""No opening of a shard and no joining of the group waits for the closing of anything; each end waits for all of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from bridge.closings import Closings
from bridge.facts import ShardCrashed
from tests.capture.scripted_kafka import CALL_SECONDS, ScriptedKafka, ScriptedWriter
from tests.capture.virtual_engine import VirtualEngine, joined_at
from tests.capture.virtual_servers import VirtualClock, play
from tests.support.cancellation import cancelled_everywhere
from tests.transcript.build import CHAT

if TYPE_CHECKING:
    from bridge.capture.shard import Shard
    from tests.support.cancellation import Attempt

A = "chat-1:4800"
ONE = "0000SHUT00000001"
FOR_EVER = 10_000.0


def writers(kafka: ScriptedKafka) -> int:
    return sum(isinstance(one, ScriptedWriter) for one in kafka.open)


async def never_asked() -> None:
    await asyncio.sleep(CALL_SECONDS)


def test_a_shard_opens_again_while_its_former_writers_close_a_few_at_a_time() -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            worker, kafka = await engine.start(0), engine.kafka
            kafka.announce(0, ONE, A)
            await asyncio.sleep(2)
            kafka.closes_after = FOR_EVER
            for failures in range(1, 7):
                kafka.fails.add(kafka.commits + 1)
                engine.says(A, ONE, failures)
                await asyncio.sleep(9)  # the longest pause
                assert kafka.events(ONE).count(failures) == 1, "it waits for the former writer to close"
                assert writers(kafka) == 1 + min(failures, 3)
            assert worker.problems() == []
            kafka.closes_after = CALL_SECONDS

    play(scene())


def test_the_end_of_a_shard_waits_for_its_closings_and_a_cancellation_hurries_them() -> None:
    async def scene() -> None:
        kafka = ScriptedKafka(VirtualClock(), closes_after=3.0)
        clock, shard = kafka.clock, kafka.shard(0, never_asked)
        run = asyncio.get_running_loop().create_task(shard.run())
        await asyncio.sleep(1)
        began = clock.monotonic()
        await shard.drain()
        await run
        assert clock.monotonic() - began == pytest.approx(3.0, abs=0.1)
        assert writers(kafka) == 0
        kafka.closes_after = FOR_EVER
        other = asyncio.get_running_loop().create_task(kafka.shard(0, never_asked).run())
        await asyncio.sleep(1)
        for _ in range(2):
            other.cancel()
            await asyncio.sleep(0.1)
        assert (other.cancelled(), writers(kafka)) == (True, 0)

    play(scene())


def test_a_defect_in_a_closing_ends_the_shard_that_is_open_by_then() -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            await engine.start(0)
            kafka = engine.kafka

            async def defective(self: ScriptedWriter) -> None:
                kafka.open.discard(self)
                await asyncio.sleep(3)
                raise ZeroDivisionError

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(ScriptedWriter, "close", defective)
                kafka.refuses[0] = 1
                kafka.announce(0, ONE, A)
                await asyncio.sleep(2)
                assert engine.facts(ShardCrashed) == []
                assert joined_at(engine.workers[0], ONE) == A
                await asyncio.sleep(8)
            crashes = [(fact.shard, fact.error) for fact in engine.facts(ShardCrashed)]
            assert crashes == [(0, "ZeroDivisionError")]
            await asyncio.sleep(25)
            assert engine.workers[0].problems() == []

    play(scene())


def test_a_failed_consumer_is_replaced_at_once_in_its_place_in_the_group_and_its_chats_stay() -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            worker, kafka = await engine.start(0), engine.kafka
            kafka.leaves_after = FOR_EVER
            kafka.announce(0, ONE, A)
            await asyncio.sleep(2)
            former = engine.member(worker)
            former.break_down()
            await asyncio.sleep(1)
            assert engine.member(worker) is not former
            assert former not in kafka.open
            assert kafka.left_at is None, "others would have taken its partitions over"
            assert joined_at(worker, ONE) == A
            assert len(engine.servers[A].joins) == 1
            kafka.leaves_after = CALL_SECONDS

    play(scene())


def test_a_worker_that_is_stopped_before_its_failed_consumer_is_replaced_leaves_the_group() -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            worker, kafka = await engine.start(0), engine.kafka
            engine.member(worker).break_down()
            await asyncio.sleep(0.3)
            assert worker.problem is not None
            assert kafka.left_at is None
            assert await engine.drain(worker)
            assert kafka.left_at is not None

    play(scene())


def test_a_shard_that_waits_to_be_opened_is_opened_as_soon_as_a_new_consumer_has_joined() -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            worker, kafka = await engine.start(0), engine.kafka
            engine.member(worker).cut_off = True
            kafka.refuses[0] = 1
            kafka.announce(0, ONE, A)
            await asyncio.sleep(60)  # pauses are ten seconds long by now
            shard = next(iter(worker.shards))
            for _ in range(3):  # at whatever moment of the pause
                await asyncio.sleep(2.3)
                assert shard.problem is not None
            engine.member(worker).break_down()
            await asyncio.sleep(1)
            assert shard.problem is None
            assert joined_at(worker, ONE) == A

    play(scene())


@pytest.mark.parametrize("closes_after", [CALL_SECONDS, 5.0])
def test_a_shard_with_several_closings_is_cancelled_anywhere(closes_after: float) -> None:
    async def life(shard: Shard, kafka: ScriptedKafka) -> None:
        try:
            await shard.run()
        finally:
            assert writers(kafka) == 0

    async def scene(attempt: Attempt) -> None:
        kafka = ScriptedKafka(VirtualClock(), closes_after=closes_after)
        shard = kafka.shard(0, never_asked)
        kafka.refuses[0] = 5
        run = attempt.victim(life(shard, kafka))
        shard.source.follow(CHAT, (A,), None)
        for _ in range(5):
            kafka.sources[0].says()
            await asyncio.sleep(0.6)
        draining = asyncio.get_running_loop().create_task(shard.drain())
        await attempt.ended(run, seconds=closes_after + 1)
        await draining
        assert kafka.open == set()

    assert cancelled_everywhere(scene) > 20


def test_closings_are_ended_by_a_cancellation_of_the_wait_for_them_and_their_first_error_is_raised() -> None:
    async def scene(attempt: Attempt) -> None:
        closed: list[int] = []

        async def close(number: int) -> None:
            try:
                await asyncio.sleep(number)
            finally:
                closed.append(number)

        async def owner() -> None:
            closings = Closings("release 0")
            try:
                for number in (1, 9, 9, 9, 9):
                    closings.begin(close(number))
                    await asyncio.sleep(2)
            finally:
                await closings.ended()

        await attempt.outcome(owner(), seconds=9)
        assert len(closed) == 5 or attempt.hit

    assert cancelled_everywhere(scene) > 5

    async def failing() -> None:
        async def close() -> None:
            raise ZeroDivisionError

        closings = Closings("release 0")
        closings.begin(close())
        await asyncio.sleep(1)
        closings.begin(asyncio.sleep(0))
        with pytest.raises(ZeroDivisionError):
            await closings.ended()
        await closings.ended()

    play(failing())


def test_what_begins_to_close_in_the_same_turn_of_the_loop_is_closed_although_it_is_hurried() -> None:
    async def scene() -> None:
        closed: dict[int, float] = {}
        began = asyncio.get_running_loop().time()

        async def close(number: int) -> None:
            try:
                await asyncio.sleep(5)
            finally:
                closed[number] = asyncio.get_running_loop().time() - began

        closings = Closings("release 0")
        for number in range(5):
            closings.begin(close(number))
        await closings.ended()
        assert closed == {0: 0.0, 1: 0.0, 2: 5.0, 3: 5.0, 4: 5.0}

    play(scene())
