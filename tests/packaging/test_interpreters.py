"""The wheel works with each Python that it is for: installed with what the lock pins, in an environment of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

import pytest

from bridge import __version__
from tests.packaging.published_files import ROOT, build

pytestmark = [pytest.mark.image, pytest.mark.timeout(600)]
VERSIONS: Final = ("3.11", "3.12", "3.13")


def interpreter(version: str) -> Path:
    """Return a Python of this version, from PATH or from pyenv; the test is skipped where there is none."""
    known = [Path("/usr/bin"), Path("/usr/local/bin"), *sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin"))]
    for folder in known:
        program = folder / f"python{version}"
        if program.exists():
            return program
    pytest.skip(f"Python {version} is not on this machine")


def said(*words: str | Path, **variables: str) -> str:
    done = subprocess.run(words, cwd="/", env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("version", VERSIONS)
def test_the_wheel_works_with_each_python(version: str, tmp_path: Path) -> None:
    wheel, _ = build(tmp_path / "dist")
    said(interpreter(version), "-m", "venv", tmp_path / "venv")
    programs = tmp_path / "venv/bin"
    install: list[str | Path] = [programs / "python", "-m", "pip", "install", "--quiet", "--only-binary=:all:"]
    subprocess.run([*install, "--require-hashes", "-r", ROOT / "requirements.lock"], check=True)
    subprocess.run([*install, "--no-deps", wheel], check=True)
    assert said(programs / "chatbridge", "--version") == f"chatbridge {__version__}\n"
    assert "kafka.bootstrap_servers = " in said(programs / "chatbridge", "config")
    assert '"TranscriptEvent"' in said(programs / "chatbridge", "schemas", "print")
    records = said(programs / "chatbridge", "convert", *sorted((ROOT / "tests/samples").glob("*.xml")))
    assert records.count("\n") > 20
