"""Interrupts what a worker asks for when it is told so: it stands still, waits, loses the answer, is refused.

An order is a file, the name of which says of which worker and of what; it holds an act for each time that this is asked
for. Whoever gives it waits until it is carried out: then the file is gone.
"""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from bridge.errors import KafkaUnavailable, TransactionNotMarked
from tests.handover.recorded_workers import TraceWriter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

_Answer = TypeVar("_Answer")

STOP: Final = "stop"
"""The process stops itself before it asks, until it is sent SIGCONT."""
LOSE: Final = "lose"
"""What is asked for is done, and the answer is lost."""
NOT_MARKED: Final = "not-marked"
"""It is not asked for: Kafka cannot mark the last transaction, as far as the worker is told."""
LATE: Final = "late"
"""It is asked for when it was ordered for `LATE_SECONDS`; the worker goes on with other things meanwhile."""
ALWAYS_LATE: Final = "always-late"
"""The same each time, until the order is taken back."""
LATE_SECONDS: Final = 5.0
RENEW: Final = "renew"
"""In place of `claim`, where a claim is written under another id."""
COMMIT_OF_ONE: Final = "commit-of-one"
"""In place of `commit`, where it is of one shard only."""


@dataclass(slots=True)
class InterruptedWriter(TraceWriter):
    """Writes a trace, and looks for orders to the worker `name` in `orders` each time that something is asked for."""

    name: str = ""
    orders: Path = field(kw_only=True)

    async def asked(
        self,
        what: str,
        answer: Callable[[], Awaitable[_Answer]],
        shard: int = -1,
        known: tuple[tuple[int, int], ...] = (),
        **more: Any,
    ) -> _Answer:
        ordered = RENEW if what == "claim" and more.get("renews") else COMMIT_OF_ONE if len(known) == 1 else what
        act = self._ordered(ordered)
        return await super(InterruptedWriter, self).asked(what, _changed(act, answer), shard, known, **more)

    def reached(self, what: str) -> None:
        self._ordered(what)

    def _ordered(self, what: str) -> str:
        """Return what is to be done now, if anything, other than to stop, which is done."""
        order = order_file(self.orders, self.name, what)
        if not order.exists():
            return ""
        act, *others = order.read_text(encoding="ascii").split(",")
        if others:
            give(order, *others)
        elif act != ALWAYS_LATE:
            order.unlink()
        if act == STOP:
            os.kill(os.getpid(), signal.SIGSTOP)
        return act


def give(order: Path, *acts: str) -> None:
    """Write an order, or write it anew, at once."""
    hidden = order.with_name(f"{order.name}.new")
    hidden.write_text(",".join(acts), encoding="ascii")
    hidden.rename(order)


def order_file(orders: Path, worker: str, what: str) -> Path:
    """Return the file of an order, which holds what is to be done."""
    return orders / f"{worker}.{what}"


def _changed(act: str, answer: Callable[[], Awaitable[_Answer]]) -> Callable[[], Awaitable[_Answer]]:
    async def late() -> _Answer:
        await asyncio.sleep(LATE_SECONDS)
        return await answer()

    async def lost() -> _Answer:
        await answer()
        raise KafkaUnavailable("the answer was lost")

    async def not_marked() -> _Answer:
        raise TransactionNotMarked("a partition has no leader")

    return {LATE: late, ALWAYS_LATE: late, LOSE: lost, NOT_MARKED: not_marked}.get(act, answer)
