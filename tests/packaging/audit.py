"""Asks for known vulnerabilities of the locked packages: `make audit`.

Exit codes: 0 none is known, 1 some are, 3 the database cannot be asked from here.
"""

from __future__ import annotations

import subprocess
import sys

from bridge.errors import EXIT_ENVIRONMENT, EXIT_OK, EXIT_RUNTIME
from tests.packaging.published_files import ROOT

_FOUND = "known vulnerabilit"


def verdict(returncode: int, said: str) -> int:
    """Return the exit code: pip-audit itself ends with 1 in both cases."""
    if returncode == 0:
        return EXIT_OK
    return EXIT_RUNTIME if _FOUND in said else EXIT_ENVIRONMENT


def main() -> int:
    lock = str(ROOT / "requirements.lock")
    words = [sys.executable, "-m", "pip_audit", "--strict", "--disable-pip", "--require-hashes", "-r", lock]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    sys.stdout.write(done.stdout)
    code = verdict(done.returncode, done.stderr)
    sys.stderr.write(done.stderr[-3000:])
    if code == EXIT_ENVIRONMENT:
        sys.stderr.write("audit: the database of vulnerabilities could not be asked; nothing was checked\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
