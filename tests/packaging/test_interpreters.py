"""The wheel works with each Python that it is for: installed with what the lock pins, in an environment of its own."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from bridge import __version__
from tests.packaging.published_files import ROOT, build

pytestmark = [pytest.mark.image, pytest.mark.timeout(600)]
TOOLS: Final = (
    "hypothesis", "iniconfig", "packaging", "pluggy", "pygments", "pytest", "pytest-timeout", "sortedcontainers"
)  # fmt: skip
PURE: Final = ("tests/transcript", "tests/chatserver", "tests/records/test_detectors.py")
OWN: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
VERSIONS: Final = tuple(dict.fromkeys(("3.11", "3.12", "3.13", OWN)))


def interpreter(version: str) -> Path:
    """Return this Python of the system, of pyenv, or the one that runs the tests; skip the test where there is none."""
    known = [Path("/usr/bin"), Path("/usr/local/bin"), *sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin"))]
    for folder in known:
        program = folder / f"python{version}"
        if program.exists():
            return program
    if version == OWN:
        return Path(sys.executable)
    pytest.skip(f"Python {version} is not on this machine")


def pins_of_the_tests() -> str:
    """Return what the pure tests need of requirements-dev.lock, with its hashes."""
    lock = (ROOT / "requirements-dev.lock").read_text("utf-8")
    found = [re.search(rf"^{name}==.*(?:\n    --hash=.*)*", lock, re.MULTILINE) for name in TOOLS]
    return "".join(f"{one[0]}\n" for one in found if one is not None)


def said(*words: str | Path, **variables: str) -> str:
    done = subprocess.run(words, cwd="/", env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("version", VERSIONS)
def test_the_wheel_works_with_each_python(version: str, tmp_path: Path) -> None:
    wheel, _ = build(tmp_path / "dist")
    said(interpreter(version), "-m", "venv", "--without-pip", tmp_path / "venv")
    programs = tmp_path / "venv/bin"
    # The pip of this environment, run by that Python; modules are compiled when they are used.
    install: list[str | Path] = [sys.executable, "-m", "pip", "--python", programs / "python"]
    install += ["install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:", "--no-compile"]
    subprocess.run([*install, "--require-hashes", "-r", ROOT / "requirements.lock"], check=True)
    subprocess.run([*install, "--no-deps", wheel], check=True)
    assert said(programs / "chatbridge", "--version") == f"chatbridge {__version__}\n"
    assert "kafka.bootstrap_servers = " in said(programs / "chatbridge", "config")
    assert '"TranscriptEvent"' in said(programs / "chatbridge", "schemas", "print")
    records = said(programs / "chatbridge", "convert", *sorted((ROOT / "tests/samples").glob("*.xml")))
    assert records.count("\n") > 20
    needed = tmp_path / "tests.lock"
    needed.write_text(pins_of_the_tests(), "utf-8")
    subprocess.run([*map(str, install), "--require-hashes", "-r", str(needed)], check=True)
    shutil.copytree(ROOT / "tests", tmp_path / "tree/tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path / "tree")
    words: list[str | Path] = [programs / "python", "-m", "pytest", "-q", "-m", "not property", *PURE]
    done = subprocess.run(words, cwd=tmp_path / "tree", env={}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert re.search(r"^\d{3,} passed", done.stdout, re.MULTILINE), done.stdout[-300:]
