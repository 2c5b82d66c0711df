"""The event loop of a command is made as a whole before Ctrl-C is heard."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import closing

import pytest

from bridge.commands.interruption import run_in_loop


async def nothing() -> None:
    """Done."""


def test_a_signal_waits_until_the_event_loop_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[asyncio.AbstractEventLoop] = []
    new_event_loop = asyncio.new_event_loop

    def interrupted() -> asyncio.AbstractEventLoop:
        os.kill(os.getpid(), signal.SIGINT)
        made.append(new_event_loop())
        return made[0]

    monkeypatch.setattr(asyncio, "new_event_loop", interrupted)
    work = nothing()
    with closing(work), pytest.raises(KeyboardInterrupt):
        run_in_loop(work)
    with closing(made[0]):
        assert not made[0].is_closed()
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_work_is_run_to_its_end() -> None:
    assert run_in_loop(asyncio.sleep(0, "done")) == "done"
