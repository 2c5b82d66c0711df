"""Finds the defects that nobody handles: in the main task, in callbacks of the event loop, in tasks that nobody awaits.

A defect is an exception that was raised in, or passed through, code of this package, and that no class of ours covers.
What remains unhandled in the code of clients (their background tasks, the event loop's transports) is none: they go on
or fail the next call of theirs.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bridge.errors import BridgeError, places
from bridge.facts import DefectFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.telemetry import Telemetry

    Handler = Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]

_PACKAGE: Final = f"{Path(__file__).parent}/"


class Defects:
    """Logs defects by class and place. `found` is done once there was one."""

    def __init__(self, telemetry: Telemetry, others: Handler, *, environment: tuple[type[Exception], ...] = ()) -> None:
        """`others` handles what the loop reports and is no defect, e.g. errors of the classes in `environment`."""
        self.found: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._telemetry = telemetry
        self._others = others
        self._expected = (BridgeError, OSError, *environment)

    def handle(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Handle what the event loop reports: see `loop.set_exception_handler`."""
        error = context.get("exception")
        if isinstance(error, Exception) and not isinstance(error, self._expected) and _is_ours(error):
            self.report(error)
        else:
            self._others(loop, context)

    def task_ended(self, task: asyncio.Task[Any]) -> None:
        """Report what ended a task, if it is no BridgeError: its owner handles those."""
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, BridgeError):
            self.report(error)

    def report(self, error: BaseException) -> None:
        """Log a defect; not its text, which may quote a chat (P5)."""
        if not self.found.done():
            self.found.set_result(None)
        self._telemetry.emit(DefectFound(error=type(error).__name__, at=places(error)))


def _is_ours(error: BaseException) -> bool:
    return any(place.startswith(_PACKAGE) for place in places(error))
