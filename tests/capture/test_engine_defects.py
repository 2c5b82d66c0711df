"""Defects: what each of them ends, and how. One task's error never stays unseen."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import pytest

from bridge.capture.guarded_run import GuardedRun
from bridge.capture.readiness_codes import SHARD_CRASHED
from bridge.defects import Defects
from bridge.errors import KafkaUnavailable, Problem, ShardFenced
from bridge.facts import DefectFound, ShardCrashed
from tests.capture.recorded_facts import RecordedFacts
from tests.capture.scripted_kafka import ScriptedKafka
from tests.capture.virtual_servers import VirtualClock, play
from tests.transcript.build import CHAT

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.capture.worker import Worker
    from bridge.facts import Fact


def crashes(kafka: ScriptedKafka) -> list[str]:
    return [fact.error for fact in kafka.telemetry.facts if isinstance(fact, ShardCrashed)]


async def running(kafka: ScriptedKafka) -> tuple[Worker, asyncio.Task[None]]:
    worker = kafka.worker()
    run = asyncio.create_task(worker.run())
    kafka.announce(0)
    await asyncio.sleep(1)
    return worker, run


async def closed(kafka: ScriptedKafka, worker: Worker, run: asyncio.Task[None]) -> None:
    await worker.close()
    run.cancel()
    await asyncio.wait([run])
    assert kafka.open == set()


@pytest.mark.parametrize("doing", ["idle", "committing", "opening", "waiting to open"])
def test_a_defect_in_a_task_of_a_source_restarts_the_shard_whatever_it_was_doing(doing: str) -> None:
    async def scene() -> None:
        kafka = ScriptedKafka(VirtualClock(), frozenset({0}))
        worker, run = await running(kafka)
        source = kafka.sources[0]
        kafka.slow[0] = 5.0 if doing == "committing" else 0.0
        kafka.away = doing == "opening"
        kafka.refuses[0] = 5 if doing == "waiting to open" else 0
        if doing != "idle":
            source.says()
        if doing == "waiting to open":
            await asyncio.sleep(2)
        elif doing == "opening":
            await asyncio.sleep(70)
        else:
            await asyncio.sleep(0.5)
        source.fails(ZeroDivisionError())
        await asyncio.sleep(0.015)
        crashed = "shard 0: crashed because of a defect (see the log); restarting in seconds"
        assert worker.problems() == [Problem(SHARD_CRASHED, crashed)]
        await asyncio.sleep(0.3)
        assert crashes(kafka) == ["ZeroDivisionError"]
        kafka.away = False
        await asyncio.sleep(90 if doing == "opening" else 15)
        assert crashes(kafka) == ["ZeroDivisionError"]
        assert source.left == [CHAT]
        assert source not in kafka.open
        assert worker.problems() == []
        assert [shard.source.joined_at(CHAT) for shard in worker.shards] == ["chat-1:4800"]
        await closed(kafka, worker, run)

    play(scene())


def test_a_defect_in_a_source_whose_shard_has_ended_is_told_as_well() -> None:
    async def scene() -> None:
        kafka = ScriptedKafka(VirtualClock(), frozenset({0}))
        worker, run = await running(kafka)
        await worker.close()
        kafka.sources[0].fails(ZeroDivisionError())
        assert crashes(kafka) == ["ZeroDivisionError"]
        await closed(kafka, worker, run)

    play(scene())


def test_a_defect_in_a_source_that_comes_before_the_shard_runs_is_raised_by_its_run() -> None:
    async def scene() -> None:
        kafka = ScriptedKafka(VirtualClock())

        async def never() -> None:
            raise AssertionError

        shard = kafka.shard(0, never)
        kafka.sources[0].fails(ZeroDivisionError())
        with pytest.raises(ZeroDivisionError):
            await shard.run()
        await shard.close()
        assert kafka.open == set()

    play(scene())


def test_a_defect_in_the_run_of_a_worker_is_raised_and_its_chats_can_be_left() -> None:
    async def scene() -> None:
        kafka = ScriptedKafka(VirtualClock(), frozenset({0}))
        worker, run = await running(kafka)
        kafka.members[0].defect = ZeroDivisionError()
        await asyncio.wait([run])
        assert isinstance(run.exception(), ZeroDivisionError)
        result = await worker.drain(25.0)
        assert (result.unfinished, kafka.sources[0].left) == (0, [CHAT])
        await closed(kafka, worker, run)

    play(scene())


@pytest.mark.parametrize("which", ["leave", "taken_over", "close"])
def test_a_defect_on_the_way_out_is_raised_after_every_shard_has_ended(
    which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def defective(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    async def scene() -> None:
        kafka = ScriptedKafka(VirtualClock())
        worker, run = await running(kafka)
        first, second = kafka.sources
        member = kafka.members[0]
        leave, close = member.leave, second.close
        monkeypatch.setattr(second if which == "close" else member, which, defective)
        with pytest.raises(ZeroDivisionError):
            await worker.drain(5.0)
        assert first.left == [CHAT]
        assert list(worker.shards) == []
        await close(leave=True)
        await leave()
        await asyncio.wait([run])
        assert kafka.open == set()

    play(scene())


def test_a_crashed_shard_that_is_revoked_while_another_one_is_restarted_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene() -> None:
        kafka = ScriptedKafka(VirtualClock())
        worker, run = await running(kafka)
        [member], again = kafka.members, []

        async def rebalanced_meanwhile(partition: int) -> None:
            again.append(partition)
            await member.rebalance(0)

        monkeypatch.setattr(member, "reread", rebalanced_meanwhile)
        for source in kafka.sources:
            source.fails(ZeroDivisionError())
        await asyncio.sleep(15)
        assert crashes(kafka) == ["ZeroDivisionError"] * 2
        assert again == [0]
        assert (worker.problems(), [shard.partition for shard in worker.shards]) == ([], [0])
        await closed(kafka, worker, run)

    play(scene())


def test_a_guarded_run_raises_the_first_defect_only() -> None:
    async def scene() -> None:
        guard = GuardedRun()
        run = asyncio.create_task(guard.run(asyncio.sleep(10)))
        await asyncio.sleep(1)
        assert guard.fail(ZeroDivisionError())
        assert guard.fail(KeyError())
        with pytest.raises(ZeroDivisionError):
            await run
        assert not guard.fail(KeyError())
        assert isinstance(guard.defect, ZeroDivisionError)

    play(scene())


def test_a_cancellation_that_comes_with_a_defect_is_a_cancellation() -> None:
    async def scene(*, first: bool) -> None:
        guard = GuardedRun()
        run = asyncio.create_task(guard.run(asyncio.sleep(10)))
        await asyncio.sleep(1)
        if first:
            run.cancel()
        guard.fail(ZeroDivisionError())
        run.cancel()
        await asyncio.wait([run])
        assert run.cancelled()

    for first in (True, False):
        play(scene(first=first))


# --- what the event loop reports ------------------------------------------------------------------------------------


def of_bridge() -> None:
    """Raise from code of the bridge."""
    ScriptedKafka(VirtualClock()).shard(0, lambda: asyncio.sleep(0)).announced(None)  # type: ignore[arg-type]


def of_others() -> None:
    raise ZeroDivisionError


async def reported(defects: Defects, act: Callable[[], None], how: str) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(defects.handle)
    if how == "callback":
        loop.call_soon(act)
    else:

        async def task() -> None:
            act()

        background = asyncio.create_task(task())
        await asyncio.wait([background])
        del background
    await asyncio.sleep(0)
    gc.collect()


@pytest.mark.parametrize("how", ["callback", "task"])
@pytest.mark.parametrize(("act", "ours"), [(of_bridge, True), (of_others, False)])
def test_an_error_that_passed_through_the_bridge_is_a_defect(act: Callable[[], None], how: str, *, ours: bool) -> None:
    others: list[dict[str, Any]] = []
    telemetry = RecordedFacts()

    async def scene() -> None:
        defects = Defects(telemetry, lambda _, context: others.append(context))
        await reported(defects, act, how)
        assert defects.found.done() == ours

    play(scene())
    found: list[Fact] = [fact for fact in telemetry.facts if isinstance(fact, DefectFound)]
    assert (len(found), len(others)) == ((1, 0) if ours else (0, 1))
    if ours:
        (fact,) = telemetry.facts
        assert isinstance(fact, DefectFound)
        assert fact.error == "AttributeError"
        assert any("shard.py" in place for place in fact.at)


@pytest.mark.parametrize("error", [ShardFenced("x"), KafkaUnavailable("x"), ConnectionResetError(), KeyError()])
def test_what_is_expected_of_the_environment_is_no_defect(error: Exception) -> None:
    async def scene() -> None:
        guard = GuardedRun()
        guard.defect = error
        passed: list[dict[str, Any]] = []
        defects = Defects(RecordedFacts(), lambda _, context: passed.append(context), environment=(KeyError,))
        task = asyncio.create_task(guard.run(asyncio.sleep(0)))  # raises it from code of the bridge
        await asyncio.wait([task])
        defects.handle(asyncio.get_running_loop(), {"exception": task.exception()})
        assert not defects.found.done()
        assert len(passed) == 1

    play(scene())


def test_what_ended_the_main_task_is_a_defect_unless_it_is_an_error_of_ours() -> None:
    async def ended(error: Exception | None) -> list[Fact]:
        async def main() -> None:
            if error is not None:
                raise error

        telemetry = RecordedFacts()
        defects = Defects(telemetry, lambda *_: None)
        task = asyncio.create_task(main())
        await asyncio.wait([task])
        defects.task_ended(task)
        return telemetry.facts

    async def scene() -> None:
        assert await ended(None) == await ended(KafkaUnavailable("x")) == []
        (fact,) = await ended(ZeroDivisionError("0000TEST00000001"))
        assert isinstance(fact, DefectFound)
        assert fact.error == "ZeroDivisionError"
        assert "0000TEST00000001" not in str(fact)

    play(scene())
