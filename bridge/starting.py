"""Ctrl-C while a command starts, when nothing is open yet that has to be closed."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

INTERRUPTED: Final = 128 + signal.SIGINT


@contextmanager
def ended_by_ctrl_c() -> Iterator[None]:
    """End the process at once, and quietly, on Ctrl-C.

    A KeyboardInterrupt would not always end it: imports and libraries in C discard an exception that is raised within
    their callbacks, and the command goes on; libraries in Rust panic.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # as in the background of a shell
        yield
        return
    signal.signal(signal.SIGINT, lambda _number, _frame: os._exit(INTERRUPTED))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
