"""Builds the wheel and the source distribution, twice the same bytes: their time is that of the last commit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
EARLIEST: Final = 315_532_800
"""The first moment that a wheel, a zip file, can hold: 1980-01-01."""
COMPILED: Final = "CHATBRIDGE_COMPILED"
"""The variable by which `compiled_wheel` is asked for."""


def commit_time() -> int:
    """Return SOURCE_DATE_EPOCH, or the time of the last commit, or EARLIEST outside of a repository."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given is not None:
        return int(given)
    done = subprocess.run(
        ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"], capture_output=True, text=True, check=False
    )
    return int(done.stdout) if done.returncode == 0 and done.stdout.strip() else EARLIEST


def build(folder: Path, *, source: Path = ROOT, epoch: int | None = None) -> tuple[Path, Path]:
    """Build into `folder`; return wheel and source distribution. Raises CalledProcessError."""
    _hatchling(folder, source, epoch, compiled=False)
    [wheel], [archive] = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, archive


def build_compiled(folder: Path, *, source: Path = ROOT, epoch: int | None = None) -> Path:
    """Build the wheel with a compiled core, for this interpreter; return it. Raises CalledProcessError."""
    _hatchling(folder, source, epoch, "--target", "wheel", compiled=True)
    [wheel] = folder.glob("*.whl")
    return wheel


def _hatchling(folder: Path, source: Path, epoch: int | None, *words: str, compiled: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    ours = {"SOURCE_DATE_EPOCH": str(commit_time() if epoch is None else epoch), COMPILED: str(int(compiled))}
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder), *words],
        cwd=source,
        env={**os.environ, **ours},
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        sys.stderr.write(done.stderr.decode(errors="replace"))  # of a compiler, too
    done.check_returncode()
