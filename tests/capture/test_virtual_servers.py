"""A scene in virtual time leaves nothing behind: what the scene's tests find is then never another test's."""

from __future__ import annotations

import asyncio

import pytest

from tests.capture.virtual_servers import play


@pytest.mark.parametrize("error", [None, ValueError("the scene fails")])
def test_tasks_that_a_left_task_starts_as_it_is_cancelled_end_too(error: Exception | None) -> None:
    ended: list[str] = []

    async def last() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("started as the other ended")

    started: list[asyncio.Task[None]] = []

    async def left() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            started.append(asyncio.create_task(last()))
            await asyncio.sleep(1)
            ended.append("left")

    async def scene() -> None:
        started.append(asyncio.create_task(left()))
        await asyncio.sleep(1)
        if error is not None:
            raise error

    if error is None:
        play(scene())
    else:
        with pytest.raises(ValueError, match="the scene fails"):
            play(scene())
    assert sorted(ended) == ["left", "started as the other ended"]
