"""A worker that writes down what it asks Kafka for, as a child process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.chaos.traced_bridge import NO_STEP
from tests.support.processes import Bridge

if TYPE_CHECKING:
    from pathlib import Path


class TracedWorker(Bridge):
    """A `Bridge` whose trace is a file in `traces`, without a step of the hand-over, if there is one to leave out."""

    def __init__(self, traces: Path, left_out: str | None, *args: object, **settings: object) -> None:
        self.program = ["-m", "tests.chaos.traced_bridge", str(traces), left_out or NO_STEP]  # type: ignore[misc]
        super().__init__(*args, **settings)  # type: ignore[arg-type]
