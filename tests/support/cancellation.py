"""Cancels a task at every point at which it can be cancelled, in virtual time, and looks for what it leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tests.capture.virtual_servers import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

T = TypeVar("T")

_MOST_SECONDS = 3600.0
"""Virtual seconds within which a scene ends; without a limit, a lost cancellation would be a test that hangs."""
_TURNS_TO_CLOSE = 3
"""Turns of the loop after which a transport that was closed has told its protocol, and a cancelled task has ended."""


class _Counted(Coroutine[Any, Any, T], Generic[T]):
    """A coroutine that says each time that it is about to be suspended."""

    def __init__(self, inner: Coroutine[Any, Any, T], suspended: Callable[[], None]) -> None:
        self._inner = inner
        self.__name__ = getattr(inner, "__name__", "")
        self._suspended = suspended

    @property
    def cr_frame(self) -> object:
        """The frame of the coroutine: `aiokafka_internals` looks for its `self`."""
        return getattr(self._inner, "cr_frame", None)

    def __await__(self) -> Any:
        return self._inner.__await__()

    def send(self, value: Any) -> Any:
        waited_for = self._inner.send(value)
        self._suspended()
        return waited_for

    def throw(self, kind: Any, value: BaseException | object | None = None, trace: TracebackType | None = None) -> Any:
        waited_for = self._inner.throw(kind) if value is None else self._inner.throw(kind, value, trace)
        self._suspended()
        return waited_for

    def close(self) -> None:
        self._inner.close()


class Attempt:
    """One run of a scene. `victim` starts the task that is cancelled when any task is suspended for the n-th time."""

    def __init__(self, at: int, turns: int) -> None:
        self._at = at
        self._turns = turns
        self._victim: asyncio.Task[Any] | None = None
        self._cancelled_at: float | None = None
        self._ended_at = 0.0
        self._begun = False
        self.suspensions = 0
        self.hit = False

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Count the suspensions of all tasks that are started from now on."""
        loop.set_task_factory(
            lambda loop, work, **more: asyncio.Task(_Counted(work, self.suspended), loop=loop, **more)
        )

    def victim(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a task; suspensions of all tasks count from its first one until it ends."""
        assert self._victim is None
        loop = asyncio.get_running_loop()
        self._victim = task = loop.create_task(work, name="victim")
        task.add_done_callback(self._note_end)
        return task

    async def outcome(self, work: Coroutine[Any, Any, Any], seconds: float = 60.0) -> None:
        """Run a victim to its end: see `ended`."""
        await self.ended(self.victim(work), seconds)

    async def ended(self, task: asyncio.Task[Any], seconds: float = 60.0) -> None:
        """Wait until the victim has ended: within `seconds` after its cancellation, and then as cancelled."""
        await asyncio.wait([task], timeout=_MOST_SECONDS)
        assert task.done(), f"the cancellation at suspension {self._at} was lost: {task}"
        if self._cancelled_at is not None:
            late = self._ended_at - self._cancelled_at
            assert late <= seconds, f"ended {late} s after its cancellation at suspension {self._at}"
        assert task.cancelled() == self.hit, f"the cancellation at suspension {self._at} was swallowed: {task}"
        if not self.hit:
            task.result()

    def _note_end(self, _: asyncio.Task[Any]) -> None:
        self._ended_at = asyncio.get_running_loop().time()

    def suspended(self) -> None:
        if self._victim is None or self._victim.done():
            return
        self._begun |= asyncio.current_task() is self._victim
        if not self._begun:
            return  # cancelled now, it would not run at all
        self.suspensions += 1
        if self.suspensions == self._at:
            self._cancel_after(self._turns)

    def _cancel_after(self, turns: int) -> None:
        loop = asyncio.get_running_loop()
        if turns:
            loop.call_soon(self._cancel_after, turns - 1)
        elif self._victim is not None and self._victim.cancel():
            self.hit = True
            self._cancelled_at = loop.time()


def cancelled_everywhere(scene: Callable[[Attempt], Coroutine[Any, Any, None]]) -> int:
    """Play a scene once for every suspension in it, and cancel its victim there; return the number of cancellations.

    Each time the cancellation comes at the suspension itself, and one and two turns of the loop later, when what the
    victim waits for may have come. A scene must end within virtual minutes and leave no task and no timer behind; an
    error that asyncio reports fails the test, too.
    """
    cancellations = 0
    for turns in (0, 1, 2):
        at = 1
        while _played(scene, attempt := Attempt(at, turns)):
            cancellations += attempt.hit
            at += 1
    assert cancellations, "nothing was cancelled"
    return cancellations


def _played(scene: Callable[[Attempt], Coroutine[Any, Any, None]], attempt: Attempt) -> bool:
    """Return whether the scene was suspended often enough for the attempt's cancellation."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(_checked(scene, attempt))
    return attempt.suspensions >= attempt._at


async def _checked(scene: Callable[[Attempt], Coroutine[Any, Any, None]], attempt: Attempt) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    reported: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: reported.append(context))
    attempt.watch(loop)
    async with asyncio.timeout(10 * _MOST_SECONDS):
        await scene(attempt)
    for _ in range(_TURNS_TO_CLOSE):
        await asyncio.sleep(0)
    where = f"after the cancellation at suspension {attempt._at}"
    assert asyncio.all_tasks() == {asyncio.current_task()}, where
    assert [timer for timer in loop.timers() if not timer.cancelled()] == [], where
    assert reported == [], where
