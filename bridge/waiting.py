"""Waiting that a cancellation neither shortens nor loses: for whatever must have ended before its owner returns."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

_Result = TypeVar("_Result")


async def uninterrupted(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run `work` to its end, even if this call is cancelled meanwhile; only then raise the cancellation.

    `work` must end within a bounded time. Its error is lost if this call was cancelled, else it is raised.
    """
    task = asyncio.get_running_loop().create_task(work)
    await _wait([task], pass_on=False)
    return task.result()


async def all_ended(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Wait until all tasks have ended, whatever their results.

    A cancellation of this call is passed on to the tasks, each time that it comes, and raised once all have ended.
    Unlike `asyncio.gather`, it reaches only tasks that have begun: one cancelled before its first step does nothing,
    not even its `finally`.
    """
    await _wait(tasks, pass_on=True)


async def _wait(tasks: Iterable[asyncio.Future[Any]], *, pass_on: bool) -> None:
    pending = {task for task in tasks if not task.done()}
    cancelled: asyncio.CancelledError | None = None
    while pending:
        try:
            _, pending = await asyncio.wait(pending)
        except asyncio.CancelledError as error:
            cancelled = error
            for task in pending if pass_on else ():
                task.cancel()
            pending = {task for task in pending if not task.done()}
    if cancelled is not None:
        try:
            raise cancelled
        finally:
            del cancelled  # its traceback refers to this frame: a cycle, which would keep all objects of the callers
