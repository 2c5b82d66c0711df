"""Virtual environments for programs that are not among the project's own dependencies, in the cache of the sandbox."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from bridge.errors import EnvironmentFault
from bridge.sandbox.jars import cache_directory

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_INSTALL_SECONDS: Final = 900
_SHOWN: Final = 300


def python_with(name: str, wanted: Sequence[str]) -> Path:
    """Return the interpreter of the environment `name`, into which pip installs `wanted` the first time.

    Raises:
        EnvironmentFault: the package index cannot be reached, or the packages cannot be installed.
    """
    folder = cache_directory() / f"{name}-py{sys.version_info.major}.{sys.version_info.minor}"
    python = folder / "bin" / "python"
    complete = folder / "complete"  # the file says so
    if not complete.exists():
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted])
        complete.touch()
    return python


def _run(words: list[str]) -> None:
    try:
        subprocess.run(words, capture_output=True, text=True, check=True, timeout=_INSTALL_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise EnvironmentFault(str(fault)) from fault
    except subprocess.CalledProcessError as fault:
        why = fault.stderr.strip()[-_SHOWN:]
        raise EnvironmentFault(f"{words[0]} ended with {fault.returncode}: {why}") from fault
