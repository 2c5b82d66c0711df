"""Ctrl-C in commands: what is in progress is cancelled, closes in order within seconds, and says nothing."""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import TYPE_CHECKING, Any, Final, TypeVar

from bridge.commands.whole_files import end_by

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import FrameType

    _Result = TypeVar("_Result")

_CLOSING_SECONDS: Final = 2.0


def run_in_loop(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run `work` as `asyncio.run` does. SIGINT waits while the event loop is made: half of one tells of that itself.

    Call it in the main thread, which alone hears signals.
    """
    with asyncio.Runner(loop_factory=_whole_loop) as runner:
        return runner.run(work)


def _whole_loop() -> asyncio.AbstractEventLoop:
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:
        return asyncio.new_event_loop()
    # A handler, not a mask of signals: another thread of the process takes what this one does not.
    received: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _frame: received.append(number))
    try:
        loop = asyncio.new_event_loop()
    finally:
        signal.signal(signal.SIGINT, before)
    if received:
        loop.close()
        raise KeyboardInterrupt
    return loop


def run_until_interrupted(
    work: Coroutine[Any, Any, _Result],
    interrupt: Callable[[], object] | None = None,
    *,
    closing_seconds: float = _CLOSING_SECONDS,
) -> _Result:
    """Run `work` as `asyncio.run` does; SIGINT cancels it, or calls `interrupt` in its place.

    The process ends `closing_seconds` after the signal, whatever is still in progress. Raises KeyboardInterrupt when
    the work was cancelled, or at a second signal.
    """
    one = _Interruptible(interrupt, closing_seconds)
    try:
        return run_in_loop(one.run(work))
    except asyncio.CancelledError:
        if one.interrupted:
            raise KeyboardInterrupt from None
        raise


class _Interruptible:
    def __init__(self, interrupt: Callable[[], object] | None, closing_seconds: float) -> None:
        self.interrupted = False
        self._interrupt = interrupt
        self._closing_seconds = closing_seconds
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        self._loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if self._interrupt is None and task is not None:
            self._interrupt = task.cancel
        before = signal.getsignal(signal.SIGINT)
        if before is not signal.SIG_IGN:  # as in a command that a shell has started in the background
            # Not a handler of the loop: that would wait for a call that blocks, such as reading standard input.
            signal.signal(signal.SIGINT, self._received)
        try:
            return await work
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGINT, before)

    def _received(self, _number: int, _frame: FrameType | None) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True
        logging.disable()  # clients tell that their connections are closed
        signal.signal(signal.SIGALRM, _end_now)
        signal.setitimer(signal.ITIMER_REAL, self._closing_seconds)
        if self._loop is not None and self._interrupt is not None:
            self._loop.call_soon_threadsafe(self._interrupt)


def _end_now(_number: int, _frame: FrameType | None) -> None:
    end_by(signal.SIGINT)
