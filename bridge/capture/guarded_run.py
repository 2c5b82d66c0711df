"""A task that ends with a defect, wherever that occurred: in the task itself, or in another one that works for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine


class GuardedRun:
    """Runs one coroutine in the calling task, until `fail` ends it. `defect` is what ended it, None if nothing did."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        self.defect: Exception | None = None
        self.ended = asyncio.Event()
        self._task: asyncio.Task[Any] | None = None

    async def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work`; raise its error, or that of `fail`. A cancellation of the task is raised as one."""
        self._task = asyncio.current_task()
        try:
            if self.defect is None:
                await work
        except asyncio.CancelledError:
            # As `asyncio.timeout` does it: only what is left after our own cancellation is somebody else's.
            if self.defect is None or self._task is None or self._task.uncancel():
                raise
        except Exception as error:  # noqa: BLE001 - raised below
            self.defect = error
        finally:
            work.close()  # it never began if `fail` was called before
            self.ended.set()
        if self.defect is not None:
            raise self.defect

    def fail(self, error: Exception) -> bool:
        """Let `run` raise `error`; return False when it has ended already. Later errors do not count."""
        if self.ended.is_set():
            return False
        if self.defect is None:
            self.defect = error
            if self._task is not None:
                self._task.cancel()
        return True
