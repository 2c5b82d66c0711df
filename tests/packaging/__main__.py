"""Writes to dist: wheel, source distribution, the wheel's bill of materials, third-party notices."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.metadata import distribution
from typing import TYPE_CHECKING, Final

from tests.packaging.bills_of_materials import bill, direct_purls, locked_names, python_materials
from tests.packaging.published_files import ROOT, build, commit_time
from tests.packaging.published_links import VARIABLE
from tests.packaging.third_party_notices import notices

if TYPE_CHECKING:
    from pathlib import Path

DIST: Final = ROOT / "dist"


def write(folder: Path) -> list[Path]:
    """Write everything; return the files. What is installed has to be what the lock pins."""
    wheel, archive = build(folder)
    locked = [distribution(name) for name in locked_names((ROOT / "requirements.lock").read_text("utf-8"))]
    materials = python_materials(locked)
    inside = folder / f"{wheel.name}.cdx.json"
    inside.write_text(bill("library", materials, direct_purls(materials), commit_time()), "utf-8")
    told = folder / "THIRD-PARTY-NOTICES.txt"
    told.write_text(notices(locked), "utf-8")
    return [wheel, archive, inside, told]


if __name__ == "__main__":
    shutil.rmtree(DIST, ignore_errors=True)
    for path in write(DIST):
        print(path.relative_to(ROOT))  # noqa: T201 - a command prints
    if not os.environ.get(VARIABLE):
        sys.stderr.write(f"packages: {VARIABLE} is not set: the metadata have no links (CONTRIBUTING.md)\n")
