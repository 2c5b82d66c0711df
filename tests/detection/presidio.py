"""Runs Microsoft Presidio's recognisers, from an environment of their own in the cache of the sandbox."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.packaging.published_files import ROOT
from tests.support.python_environments import python_with

if TYPE_CHECKING:
    from tests.detection.judging import Finds

VERSION: Final = "2.2.366"
_RUN_SECONDS: Final = 1_800
_SHOWN: Final = 300


class PresidioMissing(Exception):
    """Presidio cannot be run from here; the text says why."""


@dataclass(frozen=True, slots=True)
class PresidioFinds:
    """What it found in each text, in their order."""

    version: str
    finds: list[Finds]


def presidio_finds(texts: list[str]) -> PresidioFinds:
    """Let Presidio look at texts; the first time it is installed.

    Raises:
        EnvironmentFault: the package index cannot be reached, or Presidio cannot be installed.
        PresidioMissing: it does not run.
    """
    python = python_with(f"presidio-{VERSION}", [f"presidio-analyzer=={VERSION}"])
    words = [str(python), "-m", "tests.detection.presidio_recognisers"]
    said = _output(words, json.dumps(texts), _RUN_SECONDS)
    answer = json.loads(said)
    return PresidioFinds(answer["version"], answer["finds"])


def _output(words: list[str], given: str, seconds: int) -> str:
    try:
        done = subprocess.run(words, input=given, capture_output=True, text=True, check=True, timeout=seconds, cwd=ROOT)
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise PresidioMissing(str(fault)) from fault
    except subprocess.CalledProcessError as fault:
        raise PresidioMissing(f"{words[0]} ended with {fault.returncode}: {fault.stderr.strip()[-_SHOWN:]}") from fault
    return done.stdout
