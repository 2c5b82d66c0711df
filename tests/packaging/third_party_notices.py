"""The notices of what is shipped with the program: `python -m tests.packaging.third_party_notices` prints them.

It prints those of all packages of the interpreter that runs it, and fails where a licence is unknown or not allowed:
the build of the image runs it with the image's own interpreter.
"""

from __future__ import annotations

import sys
from importlib.metadata import Distribution, distributions
from typing import TYPE_CHECKING, Final

from tests.packaging.installed_licences import licence_of, may_be_shipped

if TYPE_CHECKING:
    from collections.abc import Iterable

_HEAD: Final = """\
Third-party notices

chatbridge is shipped with the packages below, each under its own licence, whose text follows its name.
"""
_FILES: Final = ("LICEN", "COPYING", "NOTICE", "AUTHORS")


class LicenceNotAllowed(Exception):
    """Packages of which nobody has decided that they may be shipped."""


def notices(packages: Iterable[Distribution]) -> str:
    """Return the notices, sorted by name. Raises LicenceNotAllowed with every package that may not be shipped."""
    found = sorted(packages, key=lambda package: package.metadata["Name"].lower())
    refused = [
        f"{package.metadata['Name']} {package.version}: {licence_of(package.metadata) or 'licence unknown'}"
        for package in found
        if not may_be_shipped(licence_of(package.metadata))
    ]
    if refused:
        raise LicenceNotAllowed("; ".join(refused))
    return "\n".join([_HEAD, *(_notice(package) for package in found)])


def _notice(package: Distribution) -> str:
    title = f"{package.metadata['Name']} {package.version} ({licence_of(package.metadata)})"
    files = [path for path in package.files or [] if ".dist-info" in str(path) and path.name.startswith(_FILES)]
    texts = [path.read_text("utf-8").strip() for path in sorted(files, key=str)]
    return "\n\n".join([f"{'=' * 80}\n{title}", *texts]) + "\n"


if __name__ == "__main__":
    sys.stdout.write(notices(distributions()))
