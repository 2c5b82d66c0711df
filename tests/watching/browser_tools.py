"""What the tests in a browser need beside Python: Chromium, and axe-core, which looks for barriers in a page.

`python -m tests.watching.browser_tools` installs what is missing, or says what it is.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from typing import Final

from bridge.sandbox.jars import cache_directory
from tests.watching.chromium import PROGRAMS

_AXE_VERSION: Final = "4.14.1"
_AXE_SHA256: Final = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
_SECONDS: Final = 600


def missing_packages() -> list[str]:
    """Return Debian's packages that are needed and not there."""
    return [package for program, package in PROGRAMS.items() if shutil.which(program) is None]


def axe_script() -> str:
    """Return axe-core's text, from the cache or from npm. Raises OSError or CalledProcessError without npm."""
    folder = cache_directory() / f"axe-core-{_AXE_VERSION}"
    path = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not path.exists():
        words = ["npm", "install", "--silent", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"]
        words += ["--prefix", str(folder), f"axe-core@{_AXE_VERSION}"]
        subprocess.run(words, check=True, timeout=_SECONDS)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    assert found == _AXE_SHA256, f"{path} is not axe-core {_AXE_VERSION}"
    return path.read_text("utf-8")


def install() -> str:
    """Install what is missing; return what cannot be, empty when all is there."""
    packages = missing_packages()
    if packages and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-q"], check=True, timeout=_SECONDS)
        words = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages]
        subprocess.run(words, check=True, timeout=_SECONDS)
        packages = missing_packages()
    lacks = [f"Debian's packages {' '.join(packages)} (as root: apt-get install)"] if packages else []
    try:
        axe_script()
    except (OSError, subprocess.SubprocessError):
        lacks.append(f"axe-core {_AXE_VERSION} (npm and its registry)")
    return "; ".join(lacks)


if __name__ == "__main__":
    sys.exit(f"missing: {lacks}" if (lacks := install()) else 0)
