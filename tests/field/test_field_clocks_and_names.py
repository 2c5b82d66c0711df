"""A clock that was wrong for a moment."""

from __future__ import annotations

import pytest

from tests.field.field_environment import (
    ROOT,
    E2EEnvironment,
    alter,
    captured,
    capturing,
    preconditions,
    reported,
    run_by,
    wait_for,
)

pytestmark = pytest.mark.field

AHEAD_SECONDS = 150
LIMIT_SECONDS = 60
SHIFTED_CLOCK = """
import pathlib, sys, time
sys.path.insert(0, {root!r})
from bridge.adapters.clock import SystemClock
shift = pathlib.Path({shift!r})
SystemClock.now_us = lambda self: time.time_ns() // 1000 + int(shift.read_text()) * 1_000_000
from bridge.cli import main
sys.exit(main())
"""


def test_capture_goes_on_soon_after_a_clock_that_was_ahead_is_right_again(prepared: E2EEnvironment) -> None:
    shift, program = prepared.folder / "shift", prepared.folder / "shifted.py"
    shift.write_text("0", encoding="ascii")
    program.write_text(SHIFTED_CLOCK.format(root=str(ROOT), shift=str(shift)), encoding="utf-8")
    told: set[str] = set()

    def refused_or_going_on(before: float) -> bool:
        if not bridge.ready:
            told.add(reported(bridge))
        return bridge.metric("chatbridge_transactions_total", outcome="failed") >= 3 or captured(bridge) > before + 500

    with prepared.bridge(make=run_by(program)) as bridge, prepared.chats() as chats:
        capturing(bridge)
        for kind in ("events", "sessions", "quarantine"):
            # As their owner may have made them: with the times of producers.
            alter(prepared.broker, prepared.topic(kind), "message.timestamp.type", "CreateTime")
            limit = "message.timestamp.after.max.ms"
            alter(prepared.broker, prepared.topic(kind), limit, str(LIMIT_SECONDS * 1000))
        shift.write_text(str(AHEAD_SECONDS), encoding="ascii")
        before = captured(bridge)
        with preconditions():
            wait_for(lambda: refused_or_going_on(before), 40, "neither refused nor captured")
        shift.write_text("0", encoding="ascii")
        before = captured(bridge)
        wait_for(
            lambda: bridge.ready and captured(bridge) > before + 50,
            30,
            lambda: f"not going on: {reported(bridge)}",
        )
        prepared.finish(chats)
    assert not told or any("clock" in one for one in told)
