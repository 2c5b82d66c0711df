"""The event loop of a command is made as a whole before Ctrl-C is heard."""

from __future__ import annotations

import asyncio
import signal
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from bridge.commands.interruption import run_in_loop

if TYPE_CHECKING:
    from collections.abc import Iterator


async def nothing() -> None:
    """Done."""


@pytest.fixture(autouse=True)
def sigint_interrupts() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt, even where a shell has started the tests in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_signal_waits_until_the_event_loop_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[asyncio.AbstractEventLoop] = []
    new_event_loop = asyncio.new_event_loop

    def interrupted() -> asyncio.AbstractEventLoop:
        signal.raise_signal(signal.SIGINT)
        made.append(new_event_loop())
        return made[0]

    monkeypatch.setattr(asyncio, "new_event_loop", interrupted)
    expect_an_interruption()
    assert made[0].is_closed()


def test_another_thread_may_take_the_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[asyncio.AbstractEventLoop] = []
    new_event_loop = asyncio.new_event_loop
    ended = threading.Event()
    other = threading.Thread(target=ended.wait)

    def interrupted() -> asyncio.AbstractEventLoop:
        assert other.ident is not None
        signal.pthread_kill(other.ident, signal.SIGINT)
        ended.set()
        other.join()
        made.append(new_event_loop())
        return made[0]

    other.start()
    monkeypatch.setattr(asyncio, "new_event_loop", interrupted)
    expect_an_interruption()
    assert made[0].is_closed()


def expect_an_interruption() -> None:
    """Run nothing: KeyboardInterrupt, and SIGINT is heard as before."""
    work = nothing()
    with closing(work), pytest.raises(KeyboardInterrupt):
        run_in_loop(work)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_work_is_run_to_its_end() -> None:
    assert run_in_loop(asyncio.sleep(0, "done")) == "done"
