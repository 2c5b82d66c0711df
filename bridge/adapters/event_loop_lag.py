"""Samples how late the event loop runs what is due: whatever blocks it delays every commit, answer and keep-alive."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

_PERIOD_SECONDS: Final = 0.25


async def sample_event_loop_lag(observe: Callable[[float], None]) -> NoReturn:
    """Pass the delay of each of this task's own steps, in seconds, to `observe`, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _PERIOD_SECONDS
        await asyncio.sleep(_PERIOD_SECONDS)
        observe(max(loop.time() - due, 0.0))
