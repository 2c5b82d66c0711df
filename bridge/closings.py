"""Closing in the background: whatever is opened next does not wait for it, and the end of its owner does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from bridge.waiting import all_ended

if TYPE_CHECKING:
    from collections.abc import Coroutine

_MOST: Final = 3


class Closings:
    """What the owner has begun to close while it goes on. `ended` is for its own end.

    Each must end within a bounded time, within less when it is cancelled, and raise a cancellation only when it has
    closed everything. Three at a time may take their time: if more are under way, the oldest are cancelled.
    """

    def __init__(self, name: str) -> None:
        """Nothing closes yet. `name`: of the tasks."""
        self._name = name
        self._tasks: list[asyncio.Task[None]] = []
        self._error: BaseException | None = None

    def begin(self, closing: Coroutine[Any, Any, None]) -> None:
        """Begin to close; return at once."""
        self._collect()
        loop = asyncio.get_running_loop()
        self._tasks.append(loop.create_task(closing, name=self._name))
        for task in self._tasks[:-_MOST]:
            loop.call_soon(task.cancel)  # after its first step: a task that is cancelled before does nothing

    async def ended(self) -> None:
        """Wait until all have closed; raise the first error of one. A cancellation is passed on, and raised then."""
        await all_ended(self._tasks)
        self._collect()
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _collect(self) -> None:
        """Forget what has closed, but not the first error."""
        for task in [task for task in self._tasks if task.done()]:
            self._tasks.remove(task)
            if not task.cancelled():
                self._error = self._error or task.exception()
