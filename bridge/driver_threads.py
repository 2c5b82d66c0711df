"""Runs blocking calls of drivers, of databases and tokens, in threads that nobody has to wait for.

A driver may hang in a dead connection for hours. The threads of an executor are waited for when the process ends; these
are not.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_Result = TypeVar("_Result")


def in_thread(name: str, work: Callable[[], _Result]) -> asyncio.Future[_Result]:
    """Call `work` in a thread of its own, which has the name; return its result as a future, which may be abandoned."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_Result] = loop.create_future()
    future.add_done_callback(_seen)

    def settle(result: _Result | None, error: Exception | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # without an error there is one

    def run() -> None:
        result: _Result | None = None
        failed: Exception | None = None
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised where the result is awaited
            failed = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends
            loop.call_soon_threadsafe(settle, result, failed)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


def _seen(future: asyncio.Future[_Result]) -> None:
    """Look at the error of a future that may be abandoned, so that it is not reported as never retrieved."""
    if not future.cancelled():
        future.exception()
