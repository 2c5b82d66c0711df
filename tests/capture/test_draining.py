"""SIGTERM of the only worker: what it holds is committed, or counted; every chat is left in time, whatever hangs."""

from __future__ import annotations

import asyncio

import pytest

from bridge.capture.hand_over import HandOver
from bridge.facts import Drained, ShardCrashed
from tests.capture.recorded_facts import RecordedFacts
from tests.capture.scripted_kafka import ScriptedKafka
from tests.capture.virtual_engine import VirtualEngine
from tests.capture.virtual_servers import VirtualClock, play
from tests.transcript.build import CHAT

A = "chat-1:4800"
ONE, TWO = "0000ONE000000001", "0000TWO000000001"
SECONDS = 25.0


def drained(*, handed_over: int = 0) -> Drained:
    return Drained(complete=True, handed_over=handed_over, unfinished=0, inputs=0, bytes=0)


def outcome(engine: VirtualEngine) -> Drained:
    return engine.facts(Drained)[-1]


@pytest.mark.parametrize("refused", [0, 1, 3])
def test_a_commit_that_fails_while_draining_is_tried_again(refused: int) -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            worker = await engine.start(0)
            engine.kafka.announce(0, ONE, A)
            await asyncio.sleep(2)
            engine.kafka.slow[0] = 0.5
            engine.kafka.refuses[0] = refused
            engine.says(A, ONE, 1, "Over")
            await asyncio.sleep(0.1)  # the transaction is under way
            assert await engine.drain(worker)
            assert engine.kafka.events(ONE) == [1]
            assert engine.kafka.closed() == [ONE]
            assert outcome(engine) == drained()

    play(scene())


@pytest.mark.parametrize("broken", ["away", "refuses"])
def test_what_is_not_on_kafka_when_the_time_is_over_is_counted(broken: str) -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            worker = await engine.start(0, 1)
            engine.kafka.announce(0, ONE, A)
            engine.kafka.announce(1, TWO, A)
            await asyncio.sleep(2)
            if broken == "away":
                engine.kafka.away = True
            else:
                engine.kafka.refuses[0] = 1_000_000
            engine.says(A, ONE, 1)
            engine.says(A, ONE, 2, "Over")
            began = engine.kafka.clock.monotonic()
            assert not await engine.drain(worker, SECONDS)
            assert engine.kafka.clock.monotonic() - began <= SECONDS + 1
            told = outcome(engine)
            assert (told.complete, told.handed_over, told.unfinished, told.inputs) == (False, 0, 1, 2)
            assert told.bytes > 400
            assert sorted(engine.servers[A].left) == [TWO]  # the other one is over
            assert engine.open_connections() == []

    play(scene())


def test_a_shard_leaves_its_chats_while_another_one_still_commits() -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            worker = await engine.start(0, 1)
            engine.kafka.announce(0, ONE, A)
            engine.kafka.announce(1, TWO, A)
            await asyncio.sleep(2)
            engine.kafka.slow[1] = 4.0
            engine.says(A, TWO, 1)
            await asyncio.sleep(1)
            draining = asyncio.create_task(engine.drain(worker))
            await asyncio.sleep(1)
            assert sorted(engine.servers[A].left) == [ONE, TWO]
            assert engine.open_connections() == []
            engine.says(A, ONE, 1, "Over")  # to nobody: its next owner reads it from its history
            assert not draining.done()
            assert await draining
            assert engine.kafka.events(TWO) == [1]
            assert outcome(engine) == drained()

    play(scene())


def test_one_shard_is_drained_while_another_one_tries_again_until_the_end() -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            worker = await engine.start(0, 1)
            engine.kafka.announce(0, ONE, A)
            engine.kafka.announce(1, TWO, A)
            await asyncio.sleep(2)
            engine.kafka.refuses[1] = 1_000_000
            engine.says(A, ONE, 1, "Over")
            engine.says(A, TWO, 1, "Over")
            await asyncio.sleep(0.005)
            draining = asyncio.create_task(engine.drain(worker))
            await asyncio.sleep(3)
            assert [shard.partition for shard in worker.shards] == [1]
            assert engine.kafka.events(ONE) == [1]
            assert not await draining
            assert (outcome(engine).unfinished, outcome(engine).inputs) == (1, 1)

    play(scene())


@pytest.mark.parametrize(("pause", "commit"), [(0.2, 0.05), (0.04, 0.05), (0.009, 0.01), (0.0005, 0.01)])
def test_a_busy_shard_is_drained(pause: float, commit: float) -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            worker = await engine.start(0)
            engine.kafka.announce(0, ONE, A)
            await asyncio.sleep(2)
            engine.kafka.slow[0] = commit
            received: list[int] = []

            async def talk() -> None:
                (wire,) = engine.servers[A].wires
                for number in range(1, 10**6):
                    if not wire.closed:
                        received.append(number)
                    engine.says(A, ONE, number)
                    await asyncio.sleep(pause)

            talking = asyncio.create_task(talk())
            await asyncio.sleep(1)
            began = engine.kafka.clock.monotonic()
            assert await engine.drain(worker)
            assert engine.kafka.clock.monotonic() - began < 5
            talking.cancel()
            await asyncio.wait([talking])
            assert engine.kafka.events(ONE) in (received, received[:-1])  # the last may have come too late

    play(scene())


@pytest.mark.parametrize("closes_after", [0.01, 1.0, 9.0])
def test_every_chat_is_left_in_time_whatever_hangs(closes_after: float) -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            worker = await engine.start(0)
            engine.kafka.announce(0, ONE, A)
            await asyncio.sleep(2)
            kafka = engine.kafka
            kafka.closes_after, kafka.leaves_after, kafka.silent, kafka.away = closes_after, 10_000.0, True, True
            engine.says(A, ONE, 1)
            await asyncio.sleep(closes_after + 5)
            began = kafka.clock.monotonic()
            draining = asyncio.create_task(engine.drain(worker, SECONDS))
            await asyncio.sleep(SECONDS / 2 + 1)
            assert engine.servers[A].left == [ONE]
            assert engine.open_connections() == []
            assert not await draining
            assert kafka.clock.monotonic() - began <= SECONDS + 3  # a writer is hurried after two seconds
            assert (outcome(engine).unfinished, outcome(engine).inputs) == (1, 1)

    play(scene())


def test_a_worker_that_cannot_leave_its_group_drains_all_the_same() -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            worker = await engine.start(0)
            engine.kafka.announce(0, ONE, A)
            await asyncio.sleep(2)
            engine.kafka.leaves_after = 10_000.0
            engine.says(A, ONE, 1)
            began = engine.kafka.clock.monotonic()
            assert await engine.drain(worker, SECONDS)
            assert engine.kafka.clock.monotonic() - began < 7
            assert engine.kafka.events(ONE) == [1]
            assert engine.servers[A].left == [ONE]

    play(scene())


@pytest.mark.parametrize("waited", [0.0, 0.005, 0.015, 0.025, 0.1])
@pytest.mark.parametrize("away", [False, True])
def test_a_worker_that_is_stopped_while_it_starts_has_nothing_to_lose(waited: float, *, away: bool) -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            engine.kafka.announce(0, ONE, A)
            worker = engine.kafka.worker(engine.servers.make_source, frozenset({0}))
            engine.workers.append(worker)
            run = asyncio.create_task(worker.run())
            engine._runs.append(run)
            await asyncio.sleep(waited)  # 0: nothing is assigned; then the shard is being opened, or restored
            engine.kafka.away = away
            began = engine.kafka.clock.monotonic()
            assert await engine.drain(worker, SECONDS)
            assert engine.kafka.clock.monotonic() - began <= SECONDS + 3
            assert outcome(engine) == drained()

    play(scene())


def test_an_announcement_that_is_not_committed_is_no_loss() -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            worker = await engine.start(0)
            engine.servers[A].mute = True
            engine.kafka.refuses[0] = 1_000_000
            engine.kafka.announce(0, ONE, A)
            await asyncio.sleep(2)
            assert [shard.buffer_bytes > 0 for shard in worker.shards] == [True]
            assert await engine.drain(worker, SECONDS)
            assert outcome(engine) == drained()

    play(scene())


def test_a_transaction_that_kafka_aborted_is_no_other_owner() -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            worker = await engine.start(0)
            engine.kafka.announce(0, ONE, A)
            await asyncio.sleep(2)
            engine.kafka.slow[0] = 1.0
            engine.says(A, ONE, 1, "Over")
            draining = asyncio.create_task(engine.drain(worker))
            await asyncio.sleep(0.5)
            engine.kafka.steal(0)  # so does a coordinator that gives a transaction up
            assert await draining
            assert engine.kafka.events(ONE) == [1]
            assert outcome(engine) == drained()

    play(scene())


@pytest.mark.parametrize("inputs", [0, 1])
def test_a_shard_that_crashed_before_counts_as_unfinished(inputs: int) -> None:
    async def scene() -> None:
        kafka = ScriptedKafka(VirtualClock(), frozenset({0}))
        worker = kafka.worker()
        run = asyncio.create_task(worker.run())
        kafka.announce(0)
        await asyncio.sleep(1)
        kafka.sources[0].fails(ZeroDivisionError())
        await asyncio.sleep(0.01)
        for _ in range(inputs):
            kafka.sources[0].says()
        result = await worker.drain(SECONDS)
        assert (result.unfinished, result.inputs, result.handed_over) == (1, inputs, 0)
        assert kafka.sources[0].left == [CHAT]
        assert [fact.error for fact in kafka.telemetry.facts if isinstance(fact, ShardCrashed)] == ["ZeroDivisionError"]
        await asyncio.wait([run])
        assert kafka.open == set()

    play(scene())


def test_a_source_that_closes_slowly_is_waited_for_until_the_end() -> None:
    async def scene() -> None:
        kafka = ScriptedKafka(VirtualClock(), frozenset({0}))
        worker = kafka.worker()
        run = asyncio.create_task(worker.run())
        kafka.announce(0)
        await asyncio.sleep(1)
        kafka.sources[0].closes_after = 2.0
        kafka.sources[0].says()
        result = await worker.drain(SECONDS)
        assert (result.unfinished, result.inputs) == (0, 0)
        assert kafka.events() == [1, 2, 3]
        await asyncio.wait([run])
        assert kafka.open == set()

    play(scene())


def test_the_group_is_alone_only_when_it_says_so() -> None:
    async def scene() -> None:
        kafka = ScriptedKafka(VirtualClock(), silent=True, telemetry=RecordedFacts())
        group = HandOver(kafka.member(0))
        watching = asyncio.create_task(group.watch())
        await asyncio.sleep(100)
        assert not group.alone.done()
        kafka.silent = False
        await asyncio.sleep(100)
        assert group.alone.done()
        group.check()
        watching.cancel()
        await asyncio.wait([watching])

    play(scene())


def test_announcements_that_are_queued_are_left_to_the_next_owner() -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            worker = await engine.start(0)
            engine.kafka.slow[0] = 1.0
            engine.kafka.announce(0, ONE, A)
            await asyncio.sleep(0.5)  # being committed
            engine.kafka.announce(0, TWO, A)
            await asyncio.sleep(0.3)
            assert await engine.drain(worker, SECONDS)
            assert engine.kafka.offsets[0] == 1
            assert [chat for _, chat in engine.servers[A].joins] == [ONE]

    play(scene())


@pytest.mark.parametrize("silent", [False, True])
def test_a_failed_commit_is_tried_again_whenever_the_signal_comes(*, silent: bool) -> None:
    async def scene(after: float) -> None:
        async with VirtualEngine(A) as engine:
            worker = await engine.start(0)
            engine.kafka.announce(0, ONE, A)
            await asyncio.sleep(2)
            engine.kafka.refuses[0] = 1
            engine.says(A, ONE, 1, "Over")
            await asyncio.sleep(after)  # committing, closing the writer, waiting, asking the group, opening, restoring
            engine.kafka.silent, engine.kafka.leaves_after = silent, 0.001
            complete = await engine.drain(worker)
            assert complete or silent
            assert (engine.kafka.events(ONE), outcome(engine).handed_over) == ([1] * complete, 0)

    for step in range(100):
        play(scene(step * 0.005))


def test_fenced_without_knowing_by_whom_is_not_handed_over_once_the_chats_are_left() -> None:
    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            worker = await engine.start(0)
            engine.kafka.announce(0, ONE, A)
            await asyncio.sleep(2)
            engine.kafka.silent = True
            engine.kafka.slow[0] = 2.0
            draining = asyncio.create_task(engine.drain(worker, SECONDS))
            await asyncio.sleep(SECONDS / 2 - 0.1)
            engine.says(A, ONE, 1)
            await asyncio.sleep(1)
            engine.kafka.steal(0)
            assert not await draining
            assert (outcome(engine).handed_over, outcome(engine).unfinished, outcome(engine).inputs) == (0, 1, 1)

    play(scene())
