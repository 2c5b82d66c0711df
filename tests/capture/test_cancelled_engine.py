"""Worker, shard and drain, cancelled wherever they can be: each ends, as cancelled, and leaves nothing open."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from bridge.capture.drain import drain
from bridge.telemetry import Telemetry
from tests.capture.scripted_kafka import ScriptedKafka
from tests.capture.virtual_servers import VirtualClock, VirtualServers, play
from tests.support.cancellation import cancelled_everywhere
from tests.transcript.build import CHAT

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from bridge.capture.shard import Shard
    from bridge.capture.worker import Worker
    from tests.support.cancellation import Attempt

A = "chat-1:4800"


async def never_asked() -> None:
    await asyncio.sleep(0.01)


async def events_and_faults(kafka: ScriptedKafka) -> None:
    """What happens to a worker of two shards: failed commits, a partition revoked, kept, or stolen, a new consumer.

    An assignment that keeps a partition makes its shard probe.
    """
    kafka.announce(0)
    await asyncio.sleep(0.5)
    kafka.fails.add(kafka.commits + 1)
    for source in list(kafka.sources):
        source.says()
    await asyncio.sleep(1)
    await kafka.members[-1].rebalance(0)
    await asyncio.sleep(0.3)
    await kafka.members[-1].rebalance(0, 1)
    kafka.steal(0)  # found by a probe, and one that fails
    kafka.refuses[1] = 1
    await kafka.members[-1].rebalance(0, 1)
    await asyncio.sleep(0.3)
    kafka.steal(0)
    for source in list(kafka.sources):
        source.says()
    await asyncio.sleep(0.3)
    kafka.members[-1].break_down()
    await asyncio.sleep(2)


async def running(kafka: ScriptedKafka) -> tuple[Worker, asyncio.Task[None]]:
    worker = kafka.worker()
    run = asyncio.get_running_loop().create_task(worker.run())
    kafka.announce(0)
    await asyncio.sleep(0.5)
    kafka.sources[0].says()
    return worker, run


@pytest.mark.parametrize("closes_after", [0.01, 5.0])
def test_a_cancelled_worker_leaves_its_group_and_its_shards_can_be_closed(closes_after: float) -> None:
    async def scene(attempt: Attempt) -> None:
        kafka = ScriptedKafka(VirtualClock(), closes_after=closes_after)
        worker = kafka.worker()
        run = attempt.victim(worker.run())
        await events_and_faults(kafka)
        await worker.close()
        await attempt.ended(run, seconds=1)
        assert kafka.open == set()

    assert cancelled_everywhere(scene) > 50


@pytest.mark.many_variants
@pytest.mark.parametrize("others", [False, True])
@pytest.mark.parametrize("closes_after", [0.01, 5.0])
@pytest.mark.parametrize("fault", ["none", "refused", "away", "silent", "cannot leave"])
def test_a_cancelled_drain_closes_every_shard_before_it_ends(closes_after: float, fault: str, *, others: bool) -> None:
    async def scene(attempt: Attempt) -> None:
        kafka = ScriptedKafka(VirtualClock(), others=others, closes_after=closes_after, silent=fault == "silent")
        worker, run = await running(kafka)
        kafka.refuses[0] = 3 if fault == "refused" else 0
        kafka.away = fault == "away"
        kafka.leaves_after = 1_000.0 if fault == "cannot leave" else 0.01
        await attempt.outcome(drain(worker, 10.0, Telemetry()), seconds=3 * closes_after + 1)
        assert list(worker.shards) == []
        assert kafka.sources[0].left == [CHAT]
        run.cancel()
        await asyncio.wait([run])
        assert kafka.open == set()

    cancelled_everywhere(scene)


@pytest.mark.parametrize("victim", ["drain", "run", "new owner"])
def test_a_hand_over_between_two_workers_is_cancelled(victim: str) -> None:
    async def scene(attempt: Attempt) -> None:
        kafka = ScriptedKafka(VirtualClock())
        first, second = kafka.worker(), kafka.worker(partitions=frozenset())

        def started(name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
            return attempt.victim(work) if name == victim else asyncio.get_running_loop().create_task(work)

        runs = [started("run", first.run()), started("new owner", second.run())]
        kafka.announce(0)
        await asyncio.sleep(0.5)
        draining = started("drain", drain(first, 4.0, Telemetry()))
        await asyncio.sleep(0.3)
        await kafka.members[1].rebalance(0, 1)
        await asyncio.wait([draining])
        assert list(first.shards) == []
        await second.close()
        await attempt.ended({"drain": draining, "run": runs[0], "new owner": runs[1]}[victim], seconds=1)
        await asyncio.wait(runs)
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


@pytest.mark.parametrize("closes_after", [0.01, 5.0])
def test_a_cancelled_shard_closes_its_writers_whatever_it_was_doing(closes_after: float) -> None:
    async def life(shard: Shard, kafka: ScriptedKafka) -> None:
        try:
            await shard.run()
        finally:
            assert kafka.open <= {shard.source}

    async def scene(attempt: Attempt) -> None:
        kafka = ScriptedKafka(VirtualClock(), fails={2}, closes_after=closes_after)
        shard = kafka.shard(0, never_asked)
        shard.source.follow(CHAT, (A,), None)
        run = attempt.victim(life(shard, kafka))
        for _ in range(4):
            await asyncio.sleep(0.2)
            kafka.sources[0].says()
        shard.hand_over()
        await asyncio.sleep(1.2)
        kafka.refuses[0] = 2
        kafka.sources[0].says()
        await shard.drain()
        await attempt.ended(run, seconds=closes_after + 1)
        await shard.close()
        assert kafka.open == set()

    assert cancelled_everywhere(scene) > 20


def test_a_shard_that_a_defect_of_its_source_ends_closes_its_writer_and_a_cancellation_counts_more() -> None:
    async def life(shard: Shard) -> None:
        with contextlib.suppress(ZeroDivisionError):
            await shard.run()

    async def scene(attempt: Attempt) -> None:
        kafka = ScriptedKafka(VirtualClock())
        shard = kafka.shard(0, never_asked)
        shard.source.follow(CHAT, (A,), None)
        run = attempt.victim(life(shard))
        failing = asyncio.get_running_loop().call_later(0.0355, kafka.sources[0].fails, ZeroDivisionError())
        await attempt.ended(run, seconds=1)
        failing.cancel()
        assert kafka.open == {shard.source}
        await shard.close()

    cancelled_everywhere(scene)


def test_a_cancelled_drain_of_a_shard_does_not_end_the_shard() -> None:
    async def scene(attempt: Attempt) -> None:
        kafka = ScriptedKafka(VirtualClock())
        shard = kafka.shard(0, never_asked)
        run = asyncio.get_running_loop().create_task(shard.run())
        await asyncio.sleep(0.2)
        kafka.sources[0].says()
        await attempt.outcome(shard.drain(), seconds=0)
        await run
        await shard.close()
        assert kafka.open == set()

    cancelled_everywhere(scene)


def test_a_close_of_a_shards_source_that_is_cancelled_closes_it_first() -> None:
    async def scene(attempt: Attempt) -> None:
        kafka = ScriptedKafka(VirtualClock())
        shard = kafka.shard(0, never_asked)
        await attempt.outcome(shard.close(), seconds=1)
        assert kafka.open == set()

    cancelled_everywhere(scene)


@pytest.mark.parametrize("turns", range(4))
def test_a_shard_revoked_in_the_turn_in_which_an_input_arrives_is_stopped_every_time(turns: int) -> None:
    async def scene() -> None:
        servers = VirtualServers(A)
        kafka = ScriptedKafka(servers.clock, frozenset({0}))
        worker = kafka.worker(servers.make_source)
        run = asyncio.get_running_loop().create_task(worker.run())
        kafka.announce(0)
        await asyncio.sleep(1.5)
        assert [shard.source.joined_at(CHAT) for shard in worker.shards] == [A]
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
