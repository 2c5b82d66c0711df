"""The sampling of the event loop's delay."""

from __future__ import annotations

import asyncio
import contextlib
import time

from bridge.adapters.event_loop_lag import sample_event_loop_lag


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
