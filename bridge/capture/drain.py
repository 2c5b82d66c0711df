"""The orderly shutdown of a worker on SIGTERM and SIGINT."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from bridge.facts import Drained, Draining

if TYPE_CHECKING:
    from bridge.capture.worker import Worker
    from bridge.telemetry import Telemetry


def on_signals(loop: asyncio.AbstractEventLoop) -> asyncio.Future[signal.Signals]:
    """Return a future that the first SIGTERM or SIGINT sets. A second one ends the process."""
    stop: asyncio.Future[signal.Signals] = loop.create_future()

    def received(which: signal.Signals) -> None:
        for other in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(other)
        if not stop.done():
            stop.set_result(which)

    for which in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(which, received, which)
    return stop


async def drain(worker: Worker, seconds: float, telemetry: Telemetry) -> bool:
    """Drain within `seconds`; return whether all input is committed or handed over.

    Input that is not committed in time is not lost: it never counted as captured (P3), and the next owner reads it
    again from the chats' histories.
    """
    telemetry.emit(Draining(seconds=seconds))
    try:
        async with asyncio.timeout(seconds):
            await worker.drain(seconds)
        drained = worker.drained
    except TimeoutError:
        drained = False
    finally:
        await worker.close()
    telemetry.emit(Drained(complete=drained))
    return drained
