"""A build hook of hatchling: with CHATBRIDGE_COMPILED=1 the wheel has the pure packages compiled too (`core_build`).

Such a wheel is for the interpreter and the kind of machine that built it. Without the variable, and in an editable
install, nothing is compiled: the wheel is for every Python and every machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VARIABLE: Final = "CHATBRIDGE_COMPILED"
NEEDED: Final = ["mypy>=2.4", "setuptools>=80"]


class CompiledWheel(BuildHookInterface[Any]):
    """Adds the extension modules to a wheel that is to have them."""

    def dependencies(self) -> list[str]:
        """Return what compiling needs: mypyc, and the program's own dependencies, whose types it reads."""
        return [*NEEDED, *self.metadata.core.dependencies] if _wanted() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and name the files and what the wheel is for."""
        if version == "editable" or not _wanted():
            return
        self._folder = tempfile.TemporaryDirectory(prefix="chatbridge-wheel-")
        folder = Path(self._folder.name)
        # A process of its own: mypyc changes setuptools, and the working directory has to be another one.
        program = Path(self.root, "tests/packaging/core_build.py")
        subprocess.run([sys.executable, str(program), str(folder)], cwd=self.root, stdout=sys.stderr, check=True)
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        found = sorted(path for path in folder.rglob("*") if path.is_file())
        build_data["force_include"].update({str(path): str(path.relative_to(folder)) for path in found})

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was compiled; the wheel has it."""
        del version, build_data, artifact_path
        if hasattr(self, "_folder"):
            self._folder.cleanup()


def _wanted() -> bool:
    return os.environ.get(VARIABLE) == "1"
