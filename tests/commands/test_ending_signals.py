"""Signals that end a command while it writes files: none is left, none is half of what it should be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bridge.cli import main
from bridge.commands.record_files import files_of
from bridge.commands.whole_files import whole_file
from bridge.errors import EnvironmentFault
from tests.commands.convert_process import SAMPLES
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
BEGUN = "begun"
HELD = """
import sys, asyncio
from pathlib import Path
from bridge.commands.interruption import run_until_interrupted
from bridge.commands.whole_files import whole_file

async def work():
    with whole_file(Path(sys.argv[1])) as file:
        file.write(b"half")
        file.flush()
        print("begun", flush=True)
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                pass  # it closes too slowly

run_until_interrupted(work(), closing_seconds=0.1)
"""
"""A command that has begun a file, and does not end in order."""
AT_A_STEP = """
import os, signal, sys
from pathlib import Path
from bridge.commands.whole_files import WholeFiles

step, signalled = getattr(os, sys.argv[1]), []

def with_a_signal(*words):
    done = step(*words)
    if not signalled:
        signalled.append(os.kill(os.getpid(), signal.SIGTERM))
    return done

setattr(os, sys.argv[1], with_a_signal)
with WholeFiles(Path(sys.argv[2])) as files:
    for name in ("one", "two"):
        files.new(Path(sys.argv[2], name)).write(name.encode())
"""
"""A command that gets a signal when it has begun the first of two files (open), or named it (link)."""


@pytest.fixture(autouse=True)
def _heard() -> Iterator[None]:
    """Give children signals that they hear: a shell, or nohup, may have told us to ignore some."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def names_in(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


@pytest.mark.parametrize(
    ("number", "code", "left"),
    [(signal.SIGKILL, -signal.SIGKILL, ["one.part"]), *((number, 128 + number, []) for number in ENDING)],
)
def test_a_process_that_ends_at_once_leaves_nothing_and_one_that_is_killed_what_the_next_one_is_told_of(
    tmp_path: Path, number: signal.Signals, code: int, left: list[str]
) -> None:
    words = [sys.executable, "-c", HELD, str(tmp_path / "one")]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline().strip() == BEGUN
            child.send_signal(number)
            assert child.wait(30) == code
        finally:
            child.kill()
    assert names_in(tmp_path) == left
    if left:
        with (
            pytest.raises(EnvironmentFault, match="another command writes it, or was killed"),
            whole_file(tmp_path / "one"),
        ):
            pytest.fail("it was begun")
        with pytest.raises(EnvironmentFault, match=r"one.part is not whole"):
            files_of([tmp_path])


@pytest.mark.parametrize("number", ENDING)
def test_a_command_that_is_ended_leaves_what_was_there_and_nothing_else(tmp_path: Path, number: signal.Signals) -> None:
    out, file, writing = tmp_path / "out.avro", tmp_path / "chat.xml", list[int]()
    assert main(["convert", "--avro", str(out), str(SAMPLES[0])]) == 0
    former = out.read_bytes()
    os.mkfifo(file)

    def is_read() -> bool:
        with suppress(OSError):  # nobody has opened it
            writing.append(os.open(file, os.O_WRONLY | os.O_NONBLOCK))
        return bool(writing)

    words = [sys.executable, "-m", "bridge", "convert", "--avro", str(out), str(file)]
    with subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True) as child:
        try:
            wait_for(is_read, 30, "it does not read")
            assert names_in(tmp_path) == ["chat.xml", "out.avro", "out.avro.part"]
            child.send_signal(number)
            _, errors = child.communicate(timeout=30)
        finally:
            child.kill()
            for each in writing:
                os.close(each)
    assert (child.returncode, errors) == (128 + number, "")
    assert (names_in(tmp_path), out.read_bytes()) == (["chat.xml", "out.avro"], former)


@pytest.mark.parametrize(("step", "left"), [("open", []), ("link", ["one", "two"])])
def test_a_signal_ends_no_step_halfway(tmp_path: Path, step: str, left: list[str]) -> None:
    words = [sys.executable, "-c", AT_A_STEP, step, str(tmp_path)]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stderr) == (128 + signal.SIGTERM, "")
    assert {each.name: each.read_text("ascii") for each in tmp_path.iterdir()} == {name: name for name in left}


def test_signals_that_are_ignored_or_handled_stay_so(tmp_path: Path) -> None:
    def handler(number: int, _: object) -> None:
        pytest.fail(f"signal {number}")

    others: dict[signal.Signals, Any] = {
        signal.SIGHUP: signal.SIG_IGN,
        signal.SIGINT: handler,
        signal.SIGTERM: signal.SIG_DFL,
    }
    for number, other in others.items():
        signal.signal(number, other)
    with whole_file(tmp_path / "one"):
        assert [signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGINT)] == [signal.SIG_IGN, handler]
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    assert {number: signal.getsignal(number) for number in others} == others
