"""A worker with a deliberate defect, as a child process."""

from __future__ import annotations

from tests.support.processes import Bridge


class MutantWorker(Bridge):
    """A `Bridge` with the defect `name` of `mutant_bridge.py`."""

    def __init__(self, name: str, *args: object, **settings: object) -> None:
        self.program = ["-m", "tests.chaos.mutant_bridge", name]  # type: ignore[misc]
        super().__init__(*args, **settings)  # type: ignore[arg-type]
