"""The orderly shutdown of a worker on SIGTERM and SIGINT."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from bridge.facts import Drained, Draining

if TYPE_CHECKING:
    import asyncio

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
    """Drain within `seconds`; return whether everything from the chats is committed or other workers have the shards.

    What is not committed in time never counted as captured (P3): the next owner reads it from the chats' histories, but
    for chats that ended meanwhile.
    """
    telemetry.emit(Draining(seconds=seconds))
    try:
        result = await worker.drain(seconds)
    finally:
        await worker.close()
    complete = not result.unfinished
    telemetry.emit(
        Drained(
            complete=complete,
            handed_over=result.handed_over,
            unfinished=result.unfinished,
            inputs=result.inputs,
            bytes=result.bytes,
        )
    )
    return complete
