"""Writes to dist: wheel, source distribution, the wheel's bill of materials, third-party notices.

With CHATBRIDGE_COMPILED=1 a wheel with a compiled core, too, and its bill.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.packaging.bills_of_materials import bill, compiler_material, direct_purls, locked_names, python_materials
from tests.packaging.published_files import COMPILED, ROOT, build, build_compiled, commit_time
from tests.packaging.published_links import VARIABLE
from tests.packaging.third_party_notices import notices

if TYPE_CHECKING:
    from importlib.metadata import Distribution

    from tests.packaging.bills_of_materials import Material

DIST: Final = ROOT / "dist"


def write(folder: Path, *, compiled: bool = False) -> list[Path]:
    """Write everything, with a `compiled` wheel beside the other one; return the files.

    What is installed has to be what the lock pins.
    """
    wheel, archive = build(folder)
    locked = [distribution(name) for name in locked_names((ROOT / "requirements.lock").read_text("utf-8"))]
    files = [wheel, archive, _bill_beside(wheel, locked)]
    if compiled:
        with tempfile.TemporaryDirectory(dir=folder) as name:
            built = build_compiled(Path(name))
            fast = built.replace(folder / built.name)
        files += [fast, _bill_beside(fast, locked, compiler_material())]
    told = folder / "THIRD-PARTY-NOTICES.txt"
    told.write_text(notices(locked), "utf-8")
    return [*files, told]


def _bill_beside(wheel: Path, locked: list[Distribution], *parts: Material) -> Path:
    """Write the bill of a wheel; `parts` are what it has in itself."""
    materials = python_materials(locked)
    needs = [*direct_purls(materials), *(part.purl for part in parts)]
    inside = wheel.with_name(f"{wheel.name}.cdx.json")
    inside.write_text(bill("library", [*materials, *parts], needs, commit_time()), "utf-8")
    return inside


if __name__ == "__main__":
    shutil.rmtree(DIST, ignore_errors=True)
    for path in write(DIST, compiled=os.environ.get(COMPILED) == "1"):
        print(path.relative_to(ROOT))  # noqa: T201 - a command prints
    if not os.environ.get(VARIABLE):
        sys.stderr.write(f"packages: {VARIABLE} is not set: the metadata have no links (CONTRIBUTING.md)\n")
