"""Fetching programs: once, whole, and with an answer to "what now?" when it fails. Maven is a script here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bridge.errors import EnvironmentFault
from bridge.sandbox.jars import JavaProgram, java

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = JavaProgram("Sample 1.0", "pom-kafka.xml", megabytes=1)

JAVA = """#!/bin/sh
echo "    java.specification.version = {version}" >&2
"""

# Slow, so that a second caller arrives while it runs; records each call.
MAVEN = """#!/bin/sh
for argument; do case $argument in -Dsandbox.directory=*) target=${{argument#*=}};; esac; done
echo called >> {calls}
sleep 0.3
mkdir "$target" && touch "$target/sample.jar"
"""

FAILING_MAVEN = """#!/bin/sh
echo "[INFO] working"
echo "[ERROR] Failed to execute goal: Unknown host central.invalid"
echo "[ERROR] "
exit 1
"""


class Machine:
    """A PATH with only the commands that a test puts there, and an empty cache."""

    def __init__(self, root: Path) -> None:
        self.commands = root / "bin"
        self.cache = root / "cache"
        self.calls = root / "calls"
        self.commands.mkdir()

    def install(self, name: str, script: str) -> None:
        path = self.commands / name
        path.write_text(script)
        path.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    made = Machine(tmp_path)
    made.install("java", JAVA.format(version="17"))
    made.install("mvn", MAVEN.format(calls=made.calls))
    monkeypatch.setenv("PATH", f"{made.commands}:/usr/bin:/bin")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("CHATBRIDGE_CACHE", str(made.cache))
    java.cache_clear()
    yield made
    java.cache_clear()


def test_a_program_is_fetched_once_and_the_user_is_told(machine: Machine, capfd: pytest.CaptureFixture[str]) -> None:
    directory = PROGRAM.fetch()
    assert [path.name for path in directory.iterdir()] == ["sample.jar"]
    assert PROGRAM.fetch() == directory
    assert machine.calls.read_text() == "called\n"
    assert capfd.readouterr().err == "fetching Sample 1.0 from Maven Central (about 1 MB, once)...\n"
    assert not list(machine.cache.glob(".fetching-*"))


def test_two_processes_at_once_fetch_a_program_once(machine: Machine) -> None:
    script = (
        "from bridge.sandbox.jars import JavaProgram\n"
        "print(JavaProgram('Sample 1.0', 'pom-kafka.xml', megabytes=1).fetch())\n"
    )
    command = [sys.executable, "-c", script]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ) as first,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ) as second,
    ):
        answers = {first.communicate()[0], second.communicate()[0]}
    assert len(answers) == 1
    assert Path(answers.pop().decode().strip(), "sample.jar").exists()
    assert machine.calls.read_text() == "called\n"


def test_a_failed_download_leaves_nothing_and_says_why(machine: Machine) -> None:
    machine.install("mvn", FAILING_MAVEN)
    with pytest.raises(EnvironmentFault, match=re.escape("Unknown host central.invalid")) as failure:
        PROGRAM.fetch()
    assert "proxy or mirror" in failure.value.next_step
    assert not [path for path in machine.cache.iterdir() if path.suffix != ".lock"]
    machine.install("mvn", MAVEN.format(calls=machine.calls))
    assert PROGRAM.fetch().exists()


def test_without_maven_the_error_says_what_to_install(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine.commands / "mvn").unlink()
    monkeypatch.setenv("PATH", str(machine.commands))
    with pytest.raises(EnvironmentFault, match="no mvn in PATH") as failure:
        PROGRAM.fetch()
    assert failure.value.next_step == "install Apache Maven 3.6 or later"


def test_without_java_the_error_says_what_to_install(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine.commands / "java").unlink()
    monkeypatch.setenv("PATH", str(machine.commands))
    with pytest.raises(EnvironmentFault, match="no Java in PATH") as failure:
        PROGRAM.fetch()
    assert "17 or later" in failure.value.next_step


@pytest.mark.parametrize(("version", "named"), [("11", "is Java 11"), ("1.8", "is Java 8"), ("?", "unknown version")])
def test_a_java_that_is_too_old_is_named(machine: Machine, version: str, named: str) -> None:
    machine.install("java", JAVA.format(version=version))
    with pytest.raises(EnvironmentFault, match=named):
        PROGRAM.fetch()


def test_java_home_wins_over_path(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))  # its bin/java is the machine's
    monkeypatch.setenv("PATH", "")
    assert java() == str(machine.commands / "java")
