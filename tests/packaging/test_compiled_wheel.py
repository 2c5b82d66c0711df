"""The compiled wheel: what it holds, and that the core does the same in both forms."""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from typing import TYPE_CHECKING, Final

import pytest

from bridge import __version__
from tests.packaging.compiled_environment import CompiledEnvironment
from tests.packaging.core_build import LEFT_OUT, LICENCE, modules
from tests.packaging.published_files import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.compiled, pytest.mark.timeout(900)]
FIGURES: Final = logging.getLogger("figures")
SUFFIX: Final = sysconfig.get_config_var("EXT_SUFFIX")
OF_CAPTURE: Final = (
    "chat_subjects",
    "cut_histories",
    "inputs_in_parts",
    "known_offsets",
    "output_parts",
    "outputs",
    "reported_ends",
    "session_store",
    "split_in_outputs",
    "stored_folding",
    "whole_or_not_at_all",
)
"""The tests of the store of chats, and of what it calls: those of its engine wait for sockets and clocks."""
SAME_IN_BOTH: Final = (
    *("tests/golden", "tests/transcript", "tests/chatserver", "tests/records"),
    *(f"tests/capture/test_{name}.py" for name in OF_CAPTURE),
)
SOME: Final = ("bridge/records/ids.py", "bridge/transcript/holes.py", "bridge/transcript/ranges.py")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> CompiledEnvironment:
    return CompiledEnvironment(tmp_path_factory.mktemp("compiled"))


def test_it_is_for_this_python_and_machine_and_has_python_and_extension_of_each_module(
    installed: CompiledEnvironment,
) -> None:
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    tag = rf"{python}-{python}-linux_\w+"
    assert re.fullmatch(rf"chatbridge-{re.escape(__version__)}-{tag}\.whl", installed.wheel.name)
    with zipfile.ZipFile(installed.wheel) as wheel:
        names = set(wheel.namelist())
        libraries = {name: wheel.read(name) for name in names if name.endswith(".so")}
        about = wheel.read(f"chatbridge-{__version__}.dist-info/WHEEL").decode()
    compiled = set(modules(ROOT))
    assert {name.removesuffix(SUFFIX) + ".py" for name in libraries if "/" in name} == compiled
    assert compiled | LEFT_OUT.keys() | {LICENCE} <= names
    assert not compiled & LEFT_OUT.keys()
    assert "Root-Is-Purelib: false" in about
    FIGURES.info("%d modules, %.1f MB", len(compiled), sum(map(len, libraries.values())) / 1e6)
    places = [str(ROOT).encode(), b"/tmp/", sys.prefix.encode(), sys.base_prefix.encode()]
    assert [(name, place) for name, text in libraries.items() for place in places if place in text] == []


def test_the_core_is_compiled_where_the_wheel_is_installed_and_python_here(installed: CompiledEnvironment) -> None:
    says = "from bridge.core_form import core_form; import bridge.cli; print(core_form(), bridge.__file__)"
    done = installed.run("-c", says)
    form, place = done.stdout.split()
    assert form == "compiled", done.stderr
    assert str(ROOT) not in place


def test_the_golden_run_and_the_tests_of_the_packages_pass_on_it(installed: CompiledEnvironment) -> None:
    done = installed.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "--numprocesses=2", *SAME_IN_BOTH)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-1000:]
    FIGURES.info("%s", done.stdout.rstrip().rpartition("\n")[2])
    assert re.search(r"^\d{4,} passed", done.stdout, re.MULTILINE), done.stdout[-300:]


def test_the_same_source_gives_the_same_bytes_wherever_it_lies(tmp_path: Path) -> None:
    found: list[dict[str, bytes]] = []
    for source, target in ((tmp_path / "one", tmp_path / "first"), (tmp_path / "another/place", tmp_path / "second")):
        shutil.copytree(ROOT / "bridge", source / "bridge", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", source)
        program = str(ROOT / "tests/packaging/core_build.py")
        subprocess.run([sys.executable, program, str(target), *SOME], cwd=source, check=True)
        files = [path for path in target.rglob("*") if path.is_file()]
        found.append({str(path.relative_to(target)): path.read_bytes() for path in files})
    assert found[0] == found[1]
    assert len(found[0]) == len(SOME) + 2  # the library, and the licence
