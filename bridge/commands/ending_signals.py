"""Signals that end a command: what it would leave behind is removed first, and a step that it is in is finished.

Without a handler SIGTERM and SIGHUP end a process at once. Those that are handled already, or ignored, as SIGINT by
what runs in an event loop, or SIGHUP under `nohup`, are left as they are.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NoReturn

from bridge.errors import EXIT_SIGNAL_BASE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_ENDING: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_UNHANDLED: Final = (signal.SIG_DFL, signal.default_int_handler)


class EndingSignals:
    """Of this process: `clean` is called before a signal ends it."""

    def __init__(self, clean: Callable[[], object]) -> None:
        """Nothing is handled before `watched`."""
        self._clean = clean
        self._in_step = False
        self._received: int | None = None

    def watch(self) -> dict[signal.Signals, Any]:
        """Handle the signals that would end the process; return what `restore` takes. Only the main thread can."""
        if threading.current_thread() is not threading.main_thread():
            return {}
        unhandled = [each for each in _ENDING if signal.getsignal(each) in _UNHANDLED]
        return {each: signal.signal(each, self._take) for each in unhandled}

    def restore(self, before: dict[signal.Signals, Any]) -> None:
        """Handle no more of these."""
        for each, handler in before.items():
            signal.signal(each, handler)
        before.clear()

    @contextmanager
    def whole_step(self) -> Iterator[None]:
        """Let no signal end the process within the block; one that came meanwhile ends it after that."""
        self._in_step = True
        try:
            yield
        finally:
            self._in_step = False
            if self._received is not None:
                self._end(self._received)

    def end_by(self, number: int) -> None:
        """End the process as this signal would: at once, or after the step that it is in."""
        if self._in_step:
            self._received = number
        else:
            self._end(number)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        self.end_by(number)

    def _end(self, number: int) -> NoReturn:
        self._clean()
        os._exit(EXIT_SIGNAL_BASE + number)
