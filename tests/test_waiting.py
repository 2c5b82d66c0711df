"""What is done at the same time ends at the same time, whatever ends it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from bridge.errors import KafkaUnavailable
from bridge.waiting import together
from tests.capture.virtual_servers import play
from tests.support.cancellation import cancelled_everywhere

if TYPE_CHECKING:
    from tests.support.cancellation import Attempt


async def after(seconds: float, result: int, ended: list[int] | None = None) -> int:
    try:
        await asyncio.sleep(seconds)
    finally:
        if ended is not None:
            ended.append(result)
    return result


async def fails(seconds: float, error: Exception) -> int:
    await asyncio.sleep(seconds)
    raise error


def test_results_are_in_order_whoever_ends_first() -> None:
    assert play(together(after(3, 0), after(1, 1), after(2, 2))) == (0, 1, 2)
    assert play(together()) == ()


def test_the_first_error_is_raised_as_it_is_and_the_rest_has_ended_by_then() -> None:
    async def scene() -> None:
        ended: list[int] = []
        first, second = KafkaUnavailable("first"), KafkaUnavailable("second")
        began = asyncio.get_running_loop().time()
        with pytest.raises(KafkaUnavailable) as raised:
            await together(fails(2, second), after(100, 7, ended), fails(1, first), after(0.5, 8, ended))
        assert raised.value is first
        assert asyncio.get_running_loop().time() - began < 1.5
        assert ended == [8, 7]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    play(scene())


def test_a_cancellation_reaches_all_and_nothing_is_left() -> None:
    async def scene(attempt: Attempt) -> None:
        async def slow_to_end() -> int:
            try:
                return await after(2, 1)
            finally:
                await asyncio.sleep(1)

        async def whole() -> None:
            assert await together(slow_to_end(), after(1, 2)) == (1, 2)

        await attempt.outcome(whole(), seconds=2)

    assert cancelled_everywhere(scene) > 5
