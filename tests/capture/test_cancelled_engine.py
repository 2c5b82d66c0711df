"""Worker, shard and drain, cancelled wherever they can be: each ends, as cancelled, and leaves nothing open."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from bridge.capture.drain import drain
from bridge.telemetry import Telemetry
from tests.capture.scripted_kafka import ScriptedKafka
from tests.capture.virtual_servers import VirtualClock, VirtualServers, play
from tests.support.cancellation import cancelled_everywhere
from tests.transcript.build import CHAT

if TYPE_CHECKING:
    from bridge.capture.shard import Shard
    from bridge.capture.worker import Worker
    from tests.support.cancellation import Attempt

A = "chat-1:4800"


async def never_asked() -> None:
    await asyncio.sleep(0.01)


async def events_and_faults(kafka: ScriptedKafka) -> None:
    """What happens to a worker of two shards: a failed commit, a revoked partition, a fenced shard, a new consumer."""
    kafka.announce(0)
    await asyncio.sleep(0.5)
    kafka.fails.add(kafka.commits + 1)
    for source in list(kafka.sources):
        source.says()
    await asyncio.sleep(1)
    await kafka.members[-1].rebalance(0)
    await asyncio.sleep(0.3)
    await kafka.members[-1].rebalance(0, 1)
    kafka.fenced.add(0)
    for source in list(kafka.sources):
        source.says()
    await asyncio.sleep(0.3)
    kafka.fenced.clear()
    kafka.members[-1].break_down()
    await asyncio.sleep(2)


async def running(kafka: ScriptedKafka) -> tuple[Worker, asyncio.Task[None]]:
    worker = kafka.worker()
    run = asyncio.get_running_loop().create_task(worker.run())
    kafka.announce(0)
    await asyncio.sleep(0.5)
    kafka.sources[0].says()
    return worker, run


def test_a_cancelled_worker_leaves_its_group_and_its_shards_can_be_closed() -> None:
    async def scene(attempt: Attempt) -> None:
        kafka = ScriptedKafka(VirtualClock())
        worker = kafka.worker()
        run = attempt.victim(worker.run())
        await events_and_faults(kafka)
        await worker.close()
        await attempt.ended(run, seconds=1)
        assert kafka.open == set()

    assert cancelled_everywhere(scene) > 50


@pytest.mark.parametrize("others", [False, True])
@pytest.mark.parametrize("closes_after", [0.01, 5.0])
def test_a_cancelled_drain_closes_every_shard_before_it_ends(closes_after: float, *, others: bool) -> None:
    async def scene(attempt: Attempt) -> None:
        kafka = ScriptedKafka(VirtualClock(), others=others, closes_after=closes_after)
        worker, run = await running(kafka)
        await attempt.outcome(drain(worker, 10.0, Telemetry()), seconds=3 * closes_after + 1)
        assert list(worker.shards) == []
        await asyncio.wait([run])
        assert kafka.open == set()

    cancelled_everywhere(scene)


@pytest.mark.parametrize("closes_after", [0.01, 5.0])
def test_a_cancelled_close_of_a_worker_has_stopped_every_shard_when_it_ends(closes_after: float) -> None:
    async def scene(attempt: Attempt) -> None:
        kafka = ScriptedKafka(VirtualClock(), closes_after=closes_after)
        worker, run = await running(kafka)
        await kafka.members[-1].rebalance(0)  # shard 1 is being released meanwhile
        await attempt.outcome(worker.close(), seconds=3 * closes_after + 1)
        assert kafka.open <= set(kafka.members)
        await asyncio.wait([run])
        assert kafka.open == set()

    cancelled_everywhere(scene)


def test_a_cancelled_shard_closes_its_writer_whatever_it_was_doing() -> None:
    async def life(shard: Shard, kafka: ScriptedKafka) -> None:
        try:
            await shard.run()
        finally:
            assert kafka.open <= {shard.source}

    async def scene(attempt: Attempt) -> None:
        kafka = ScriptedKafka(VirtualClock(), fails={2})
        shard = kafka.shard(0, never_asked)
        shard.source.follow(CHAT, (A,), None)
        run = attempt.victim(life(shard, kafka))
        for _ in range(4):
            await asyncio.sleep(0.2)
            kafka.sources[0].says()
        await shard.drain()
        await attempt.ended(run, seconds=1)
        await shard.close(leave=True)
        assert kafka.open == set()

    assert cancelled_everywhere(scene) > 20


def test_a_cancelled_drain_of_a_shard_does_not_end_the_shard() -> None:
    async def scene(attempt: Attempt) -> None:
        kafka = ScriptedKafka(VirtualClock())
        shard = kafka.shard(0, never_asked)
        run = asyncio.get_running_loop().create_task(shard.run())
        await asyncio.sleep(0.2)
        kafka.sources[0].says()
        await attempt.outcome(shard.drain(), seconds=0)
        await run
        await shard.close(leave=True)
        assert kafka.open == set()

    cancelled_everywhere(scene)


def test_a_close_of_a_shards_source_that_is_cancelled_closes_it_first() -> None:
    async def scene(attempt: Attempt) -> None:
        kafka = ScriptedKafka(VirtualClock())
        shard = kafka.shard(0, never_asked)
        await attempt.outcome(shard.close(leave=True), seconds=1)
        assert kafka.open == set()

    cancelled_everywhere(scene)


@pytest.mark.parametrize("turns", range(4))
def test_a_shard_revoked_in_the_turn_in_which_an_input_arrives_is_stopped_every_time(turns: int) -> None:
    async def scene() -> None:
        servers = VirtualServers(A)
        managers = []

        def make_source(deliver: object, _failed: object) -> object:
            servers.manager._deliver = deliver  # type: ignore[assignment]
            managers.append(servers.manager)
            return servers.manager

        kafka = ScriptedKafka(servers.clock, frozenset({0}))
        worker = kafka.worker(make_source)  # type: ignore[arg-type]
        run = asyncio.get_running_loop().create_task(worker.run())
        kafka.announce(0)
        await asyncio.sleep(1.5)
        assert servers.where(CHAT) == A
        servers[A].pushes(CHAT, 1, "Alive")  # arrives in the next turn
        for _ in range(turns):
            await asyncio.sleep(0)
        await kafka.members[0].rebalance()  # the partition is revoked
        await asyncio.sleep(1)
        assert list(worker.shards) == []
        assert [writer for writer in kafka.open if writer not in kafka.members] == []
        assert servers[A].left == [CHAT]
        async with asyncio.timeout(60):
            await worker.close()
            await run
        assert kafka.open == set()

    for _ in range(100):
        play(scene())
