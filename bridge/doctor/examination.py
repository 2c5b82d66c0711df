"""Runs checks beside each other: each with a time limit, none before what it depends on, all within a total time.

A check whose prerequisites have no line that is ok or a warning is not run: its line says on which one it depends. A
check that finds nothing to look at says so, too; neither counts as ok.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.doctor.results.check_result import CheckState, failed, failed_by, not_checked
from bridge.doctor.results.doctor_codes import BLOCKED, DOCTOR_DEFECT, NO_ANSWER, NOTHING_FOUND
from bridge.errors import BridgeError, places

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from bridge.doctor.results.check_result import CheckResult

TOTAL_SECONDS: Final = 24.0
"""When everything that has not answered is given up; clients take up to five seconds more to be closed."""
_GOES_ON: Final = frozenset({CheckState.OK, CheckState.WARNING})


@dataclass(slots=True, frozen=True)
class Check:
    """One subject of the examination. `ask` is called once, and may raise BridgeErrors: each is a line.

    `after` are the names of checks without which it makes no sense; they come before it in the list.
    """

    name: str
    ask: Callable[[], Awaitable[Sequence[CheckResult]]]
    seconds: float
    after: tuple[str, ...] = ()


@dataclass(slots=True, frozen=True)
class CheckedSubject:
    """A check and its lines; there is at least one."""

    name: str
    results: tuple[CheckResult, ...]
    blocked_by: str = ""
    """The check that failed, on which this one depends, directly or not."""

    @property
    def blocking(self) -> bool:
        """Whether what depends on it makes no sense."""
        return not any(result.state in _GOES_ON for result in self.results)


async def examine(
    checks: Sequence[Check],
    tell: Callable[[CheckedSubject], object] = lambda _: None,
    total_seconds: float = TOTAL_SECONDS,
) -> list[CheckedSubject]:
    """Return the results in the order of `checks`; `tell` gets each as soon as those before it are there."""
    deadline = asyncio.get_running_loop().time() + total_seconds
    tasks: dict[str, asyncio.Task[CheckedSubject]] = {}
    try:
        for check in checks:
            before = [tasks[name] for name in check.after]
            tasks[check.name] = asyncio.create_task(_checked(check, before, deadline))
        for task in tasks.values():
            tell(await asyncio.shield(task))
    finally:  # also when `tell` cannot write: no group of tasks, which would wrap that error
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
    return [task.result() for task in tasks.values()]


async def _checked(check: Check, before: Sequence[asyncio.Task[CheckedSubject]], deadline: float) -> CheckedSubject:
    for task in before:
        needed = await asyncio.shield(task)
        if needed.blocking:
            cause = needed.blocked_by or needed.name
            line = not_checked(check.name, BLOCKED, f"because the check `{cause}` did not succeed")
            return CheckedSubject(check.name, (line,), blocked_by=cause)
    return CheckedSubject(check.name, tuple(await _results(check, deadline)))


async def _results(check: Check, deadline: float) -> Sequence[CheckResult]:
    began = asyncio.get_running_loop().time()
    limit = asyncio.timeout_at(min(began + check.seconds, deadline))
    try:
        async with limit:
            found = await check.ask()
    except BridgeError as error:
        return [failed_by(check.name, error)]
    except TimeoutError as error:
        if not limit.expired():
            return [_defect(check, error)]
        seconds = asyncio.get_running_loop().time() - began
        step = "look at the other side and at what is between: its log, its load, the network"
        return [failed(check.name, NO_ANSWER, f"no answer within {seconds:.0f} s", step)]
    except Exception as error:  # noqa: BLE001 - a defect of one check is a line, and the others go on
        return [_defect(check, error)]
    return found or [not_checked(check.name, NOTHING_FOUND, "there is nothing to look at")]


def _defect(check: Check, error: Exception) -> CheckResult:
    """Return a line without the text of the error, which may quote anything (P5)."""
    where = places(error)[-1] if places(error) else "an unknown place"
    text = f"a defect of this command: {type(error).__name__} at {where}"
    return not_checked(check.name, DOCTOR_DEFECT, text, "report it with this line; the other lines hold")
