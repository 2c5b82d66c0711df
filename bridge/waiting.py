"""Waiting that a cancellation neither shortens nor loses: for whatever must have ended before its owner returns."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

_Result = TypeVar("_Result")
_Other = TypeVar("_Other")


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


@overload
async def together(
    one: Coroutine[Any, Any, _Result], other: Coroutine[Any, Any, _Other], /
) -> tuple[_Result, _Other]: ...


@overload
async def together(*work: Coroutine[Any, Any, _Result]) -> tuple[_Result, ...]: ...


async def together(*work: Coroutine[Any, Any, Any]) -> tuple[Any, ...]:
    """Do everything at the same time; return the results in order.

    The first error, or a cancellation of this call, cancels the rest, and is raised once all have ended: after
    `asyncio.gather` they would go on, on what their caller closes meanwhile. An error is not wrapped in a group.
    """
    create = asyncio.get_running_loop().create_task
    tasks = [create(one) for one in work]
    try:
        if tasks:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        failed = [task for task in tasks if _error(task) is not None]
    finally:
        for task in tasks:
            task.cancel()
        await all_ended(tasks)
        for task in tasks:
            _error(task)  # nobody asks for the other errors
    return tuple([task.result() for task in failed or tasks])


def _error(task: asyncio.Task[Any]) -> BaseException | None:
    return task.exception() if task.done() and not task.cancelled() else None


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
