"""ConnectionWatch: one line when a cause begins, one when it ends, no question while all is well."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from bridge.adapters.kafka.connection_causes import Cause
from bridge.connection_watch import ConnectionWatch
from bridge.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

PASSWORD = Cause("KAFKA_PASSWORD_REFUSED", "the password is refused", "check it")
SILENT = Cause("KAFKA_SILENT", "no answer", "look")


class ScriptedProbe:
    def __init__(self, *causes: Cause | None) -> None:
        self.left = list(causes)

    async def cause(self) -> Cause | None:
        return self.left.pop(0)


def watched(caplog: pytest.LogCaptureFixture, causes: Sequence[Cause | None], needed: Sequence[bool]) -> list[str]:
    """Check as often as `needed` says; return the lines."""
    probe, answers = ScriptedProbe(*causes), iter(needed)
    watch = ConnectionWatch(probe, lambda: next(answers), Telemetry())

    async def scene() -> None:
        for _ in needed:
            await watch.check()

    with caplog.at_level(logging.INFO, logger="bridge"):
        asyncio.run(scene())
    assert probe.left == []
    return [f"{record.getMessage()} {record.__dict__['fields']['code']}" for record in caplog.records]


def test_a_cause_that_stays_is_said_once_and_its_end_once(caplog: pytest.LogCaptureFixture) -> None:
    assert watched(caplog, [PASSWORD, PASSWORD, PASSWORD, None], [True] * 4) == [
        "kafka_problem_began KAFKA_PASSWORD_REFUSED",
        "kafka_problem_ended KAFKA_PASSWORD_REFUSED",
    ]


def test_a_new_cause_ends_the_former_one(caplog: pytest.LogCaptureFixture) -> None:
    assert watched(caplog, [PASSWORD, SILENT], [True, True]) == [
        "kafka_problem_began KAFKA_PASSWORD_REFUSED",
        "kafka_problem_ended KAFKA_PASSWORD_REFUSED",
        "kafka_problem_began KAFKA_SILENT",
    ]


def test_a_worker_that_is_ready_asks_nothing_and_has_no_cause(caplog: pytest.LogCaptureFixture) -> None:
    assert watched(caplog, [SILENT], [False, True, False]) == [
        "kafka_problem_began KAFKA_SILENT",
        "kafka_problem_ended KAFKA_SILENT",
    ]
