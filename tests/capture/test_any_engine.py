"""Whatever happens to workers, Kafka and Chat Servers, in whatever order: nothing is lost, and nothing stays open."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.capture.disturbed_engine import DisturbedEngine as Engine
from tests.capture.virtual_servers import play

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

OFTEN = [Engine.opens, Engine.speaks, Engine.speaks, Engine.speaks_much, Engine.is_announced_again, Engine.serves_again]
FAULTS = [
    Engine.starts,
    Engine.rebalances,
    Engine.misses_a_rebalance,
    Engine.hears_again,
    Engine.breaks_down,
    Engine.terminates,
    Engine.ends,
    Engine.ends_unseen,
    Engine.logs_out,
    Engine.drops,
    Engine.dies,
    Engine.is_mute,
    Engine.takes_no_bytes,
    Engine.steals,
    Engine.refuses,
    Engine.loses_an_answer,
    Engine.is_slow,
    Engine.answers_late,
    Engine.meets_a_defect,
    Engine.goes_away,
    Engine.does_not_answer,
]
PAUSES = st.sampled_from([0.0, 0.011, 0.05, 0.3, 1.0, 5.0, 20.0, 70.0])
STEPS = st.lists(st.tuples(st.sampled_from([*OFTEN, *FAULTS]), st.integers(0, 999), PAUSES), max_size=50)


@given(STEPS)
@settings(max_examples=min(100, settings().max_examples))  # each plays up to fifty steps
def test_whatever_happens_nothing_is_lost_and_every_chat_is_watched_by_the_owner_of_its_shard(
    steps: list[tuple[Callable[[Engine, int], Awaitable[None]], int, float]],
) -> None:
    async def scene() -> None:
        async with Engine() as engine:
            await engine.starts(0)
            await engine.opens(1)
            for step, number, pause in steps:
                await step(engine, number)
                await asyncio.sleep(pause)
            await engine.settle()

    play(scene())
