"""The memory limit of a control group, and the sampling of the event loop's delay."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import pytest

from bridge.adapters.event_loop_lag import sample_event_loop_lag
from bridge.adapters.memory_limit import memory_limit

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "limit"), [("268435456\n", 268_435_456), ("max\n", None), ("9223372036854771712\n", None), ("", None)]
)
def test_the_limit_is_a_number_of_bytes_or_there_is_none(text: str, limit: int | None, tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text(text, encoding="ascii")
    assert memory_limit((tmp_path / "missing", tmp_path / "memory.max")) == limit


def test_without_such_a_file_there_is_no_limit(tmp_path: Path) -> None:
    assert memory_limit((tmp_path / "missing",)) is None


def test_what_blocks_the_loop_is_in_the_samples() -> None:
    samples: list[float] = []

    async def scene() -> None:
        sampled = asyncio.Event()

        def observe(seconds: float) -> None:
            samples.append(seconds)
            sampled.set()

        sampling = asyncio.get_running_loop().create_task(sample_event_loop_lag(observe))
        await asyncio.sleep(0)
        time.sleep(0.6)  # noqa: ASYNC251 - this is what is measured
        await sampled.wait()
        sampling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sampling

    asyncio.run(scene())
    assert samples[0] > 0.3  # of 0.6 s, a quarter of a second was the sampling's own
