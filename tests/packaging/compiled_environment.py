"""An environment in which `bridge` is that of the compiled wheel, and a tree of the tests without the source."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from typing import TYPE_CHECKING

from tests.packaging.published_files import ROOT, build_compiled

if TYPE_CHECKING:
    from pathlib import Path


class CompiledEnvironment:
    """Builds the wheel below `folder` and installs it there. Raises CalledProcessError with what was said.

    Everything else is that of the environment which runs this: the same versions, of which none is fetched. `wheel` is
    the wheel, `tree` where `tests` are; `python` is the interpreter, to be started in `tree`.
    """

    def __init__(self, folder: Path) -> None:
        self.wheel = build_compiled(folder / "dist")
        self.tree = folder / "tree"
        self.python = folder / "venv/bin/python"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
        [packages] = (folder / "venv/lib").glob("python3.*/site-packages")
        pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", self.python]
        subprocess.run([*pip, "install", "--quiet", "--disable-pip-version-check", "--no-deps", self.wheel], check=True)
        # Files of this kind in that folder are not read: the source of an editable install is not on the path.
        (packages / "tools.pth").write_text(f"{sysconfig.get_path('purelib')}\n", "utf-8")
        for name in ("tests", "schemas"):
            unwanted = shutil.ignore_patterns("__pycache__", "node_modules")
            shutil.copytree(ROOT / name, self.tree / name, ignore=unwanted)
        shutil.copy(ROOT / "pyproject.toml", self.tree)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the interpreter in `tree`; return how it ended and what it printed."""
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.run(
            [self.python, *words], cwd=self.tree, env=environment, capture_output=True, text=True, check=False
        )
