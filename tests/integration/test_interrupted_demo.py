"""`chatbridge demo` that Ctrl-C interrupts: it ends soon, gives its verdict and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

INTERRUPTED = 130
SECONDS_TO_END = 3.0
VERDICT = "is on Kafka exactly once."
EVENTS_SHOWN = 30


@contextmanager
def demonstration(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run `chatbridge demo` with its files in a folder."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have told us to ignore it
    try:
        with subprocess.Popen(
            [sys.executable, "-u", "-m", "bridge", "demo", "--seconds", "60"],
            env={**os.environ, "TMPDIR": str(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as demo:
            try:
                yield demo
            finally:
                demo.kill()
    finally:
        signal.signal(signal.SIGINT, before)


def interrupted(demo: subprocess.Popen[str]) -> tuple[str, str, float]:
    """Return what it says after Ctrl-C, its errors, and the seconds until its end."""
    demo.send_signal(signal.SIGINT)
    at = time.monotonic()
    out, errors = demo.communicate(timeout=60)
    return out, errors, time.monotonic() - at


def lines_until(demo: subprocess.Popen[str], word: str) -> None:
    assert demo.stdout is not None
    for line in demo.stdout:
        if word in line:
            return
    raise AssertionError(f"it ended without {word!r}")


def left_behind(folder: Path) -> list[str]:
    """Return files in the folder, and processes that work in it."""
    commands = []
    for one in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = one.read_bytes().decode("utf-8", "replace").replace("\0", " ")
        except OSError:  # it has ended
            continue
        if str(folder) in command:
            commands.append(command)
    return [*map(str, folder.iterdir()), *commands]


def test_a_demonstration_that_is_interrupted_ends_soon_with_a_verdict_and_without_a_trace(tmp_path: Path) -> None:
    with demonstration(tmp_path) as demo:
        lines_until(demo, "starting chats")
        assert demo.stdout is not None
        for _ in range(EVENTS_SHOWN):
            demo.stdout.readline()
        out, errors, seconds = interrupted(demo)
    assert (demo.returncode, errors) == (INTERRUPTED, ""), out + errors
    assert seconds < SECONDS_TO_END
    numbers = json.loads(out.splitlines()[-1].partition(VERDICT)[2])
    assert numbers["events"] >= EVENTS_SHOWN // 2
    assert numbers["missing"] == numbers["duplicates"] == numbers["broken promises"] == 0
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("said", ["starting Apache Kafka", "starting the bridge"])
def test_one_that_has_no_chats_yet_ends_soon_and_quietly(said: str, tmp_path: Path) -> None:
    with demonstration(tmp_path) as demo:
        lines_until(demo, said)
        out, errors, seconds = interrupted(demo)
    assert (demo.returncode, errors) == (INTERRUPTED, ""), out + errors
    assert seconds < SECONDS_TO_END
    assert VERDICT not in out
    assert left_behind(tmp_path) == []
