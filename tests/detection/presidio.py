"""Runs Microsoft Presidio's recognisers, from an environment of their own in the cache of the sandbox."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.sandbox.jars import cache_directory
from tests.packaging.published_files import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.detection.judging import Finds

VERSION: Final = "2.2.366"
_INSTALL_SECONDS: Final = 900
_RUN_SECONDS: Final = 1_800
_SHOWN: Final = 300


class PresidioMissing(Exception):
    """Presidio cannot be installed or run from here; the text says why."""


@dataclass(frozen=True, slots=True)
class PresidioFinds:
    """What it found in each text, in their order."""

    version: str
    finds: list[Finds]


def presidio_finds(texts: list[str]) -> PresidioFinds:
    """Let Presidio look at texts; the first time it is installed.

    Raises:
        PresidioMissing: the package index cannot be reached, or Presidio does not run.
    """
    words = [str(_python()), "-m", "tests.detection.presidio_recognisers"]
    said = _output(words, json.dumps(texts), _RUN_SECONDS)
    answer = json.loads(said)
    return PresidioFinds(answer["version"], answer["finds"])


def _python() -> Path:
    """Return the interpreter that has Presidio. A file says that the environment is complete."""
    folder = cache_directory() / f"presidio-{VERSION}-py{sys.version_info.major}.{sys.version_info.minor}"
    python = folder / "bin" / "python"
    complete = folder / "complete"
    if not complete.exists():
        shutil.rmtree(folder, ignore_errors=True)
        _output([sys.executable, "-m", "venv", str(folder)], "", _INSTALL_SECONDS)
        package = f"presidio-analyzer=={VERSION}"
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package]
        _output(install, "", _INSTALL_SECONDS)
        complete.touch()
    return python


def _output(words: list[str], given: str, seconds: int) -> str:
    try:
        done = subprocess.run(words, input=given, capture_output=True, text=True, check=True, timeout=seconds, cwd=ROOT)
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise PresidioMissing(str(fault)) from fault
    except subprocess.CalledProcessError as fault:
        raise PresidioMissing(f"{words[0]} ended with {fault.returncode}: {fault.stderr.strip()[-_SHOWN:]}") from fault
    return done.stdout
