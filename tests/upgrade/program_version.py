"""A version of the program in a folder of its own, run by this interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.support.processes import Bridge

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_PROGRAM: Final = ["-P", "-m", "bridge"]
"""Without the working directory, which has a `bridge` of its own, on the path."""
_COMMAND_SECONDS: Final = 120


@dataclass(slots=True, frozen=True)
class ProgramVersion:
    """`name` is what the progress calls it; `tree` has `bridge` and `schemas`; `settings` are those of its workers."""

    name: str
    tree: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def schemas(self) -> Path:
        return self.tree / "schemas"

    @property
    def worker_class(self) -> type[Bridge]:
        """Return a Bridge that runs this version."""
        return type("BridgeOfVersion", (Bridge,), {"program": _PROGRAM, "environment": {"PYTHONPATH": str(self.tree)}})

    def verify(self, bootstrap_servers: str, prefix: str, registry: str | None) -> tuple[int, str]:
        """Run `chatbridge verify` over the topics of a prefix; return its exit code and what it printed."""
        values = {"kafka.bootstrap_servers": bootstrap_servers, "kafka.topic_prefix": prefix}
        if registry is not None:
            values["schema_registry.url"] = registry
        words = [word for key, value in values.items() for word in ("--set", f"{key}={value}")]
        done = self._python(*_PROGRAM, "verify", *words)
        return done.returncode, (done.stdout + done.stderr).strip()

    def check(self) -> None:
        """Raise AssertionError unless the program that runs is that of the folder."""
        done = self._python("-P", "-c", "import bridge; print(bridge.__file__)")
        assert done.stdout.startswith(str(self.tree)), f"{self.name} is not run from {self.tree}: {done}"

    def _python(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *words],
            env={**os.environ, "PYTHONPATH": str(self.tree)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
