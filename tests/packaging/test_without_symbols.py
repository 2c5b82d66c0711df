"""Extension modules without symbol tables are smaller and still load."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import uvloop

from tests.packaging.without_symbols import main, without_symbols

USES_IT = "import uvloop, asyncio; print(uvloop.__file__); uvloop.run(asyncio.sleep(0))"


def test_a_module_without_symbols_is_smaller_and_works(tmp_path: Path) -> None:
    package = Path(uvloop.__file__).parent
    shutil.copytree(package, tmp_path / "uvloop")
    before = sum(path.stat().st_size for path in tmp_path.rglob("*.so"))
    main(tmp_path)
    assert 0 < sum(path.stat().st_size for path in tmp_path.rglob("*.so")) <= before
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {USES_IT}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}/uvloop/__init__.py\n"), done.stderr


def test_what_is_no_library_stays_and_a_second_time_changes_nothing() -> None:
    assert without_symbols(b"INPUT(libexample.so)") == b"INPUT(libexample.so)"
    library = next(Path(uvloop.__file__).parent.glob("*.so")).read_bytes()
    once = without_symbols(library)
    assert without_symbols(once) == once
