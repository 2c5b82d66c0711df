"""Commands where something is missing that is usually there: streams, a home, files that can be written, time."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bridge.cli import COMMANDS
from bridge.config.layers import OWN_VARIABLES
from bridge.sandbox.jars import CACHE_VARIABLE
from bridge.sandbox.process import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
INTERRUPTED = 130
SECONDS_TO_END = 3.0
STARTED = "started\n"
SAMPLE = "tests/samples/silent-monitor-files.xml"
PUBLIC_KEYS = "tests/evidence/public_keys.txt"
KEY_LIST = "tests/evidence/key_list.txt"
PLAIN = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
CONSOLE_SCRIPT = "import sys; from bridge.__main__ import main; print('started', flush=True); sys.exit(main())"
NOBODY = """
import pwd, sys
def unknown(uid):
    raise KeyError(uid)
pwd.getpwuid = unknown
from bridge.__main__ import main
sys.exit(main())
"""
QUICK_COMMANDS = {
    "config": ["config"],
    "schemas": ["schemas", "print"],
    "acls": ["acls"],
    "convert": ["convert", SAMPLE],
    "backfill": ["backfill", "--dry-run", SAMPLE],
    "topics": ["topics", "plan", "--bootstrap-servers", f"{LOOPBACK}:1"],
    "doctor": ["doctor", "--bootstrap-servers", f"{LOOPBACK}:1"],
    "healthcheck": ["healthcheck", "--set", "http.port=1"],
    "export": ["export", "/dev/null/exported"],
    "keys": ["keys", "list", "--list", KEY_LIST],
    "erase": ["erase", "s1", "--reason", "asked", "--bootstrap-servers", f"{LOOPBACK}:1"],
    "subject": ["subject", "find", "a"],
    "redact": ["redact", SAMPLE],
}
"""Commands that end by themselves within seconds, without Kafka."""


def shell(
    redirections: str, *words: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    command = f'exec "$0" -m bridge "$@" {redirections}'
    return subprocess.run(
        ["bash", "-c", command, sys.executable, *words],
        cwd=ROOT,
        env={**PLAIN, "HOME": "/", **(environment or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@cache
def usual(*words: str) -> subprocess.CompletedProcess[str]:
    return shell("", *words)


def shape(text: str) -> list[str]:
    """Return the beginnings of the lines: the rest of a record has the time at which it was made."""
    return [line[:40] for line in text.splitlines()]


@pytest.mark.parametrize("redirections", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("words", QUICK_COMMANDS.values(), ids=list(QUICK_COMMANDS))
def test_a_closed_stream_changes_neither_the_exit_code_nor_what_is_said(words: list[str], redirections: str) -> None:
    expected, done = usual(*words), shell(redirections, *words)
    assert done.returncode == expected.returncode, done.stderr
    assert shape(done.stdout) == ([] if " >&-" in f" {redirections}" else shape(expected.stdout))
    assert "Traceback" not in done.stderr
    assert (done.stderr == "") == (expected.stderr == "" or "2>&-" in redirections)


def test_announcing_from_a_closed_standard_input_announces_nothing() -> None:
    done = shell("<&-", "announce", "-", "--bootstrap-servers", f"{LOOPBACK}:1")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr


def test_an_output_that_takes_nothing_is_one_line_and_exit_code_1() -> None:
    done = shell("> /dev/full", "config")
    assert (done.returncode, done.stderr) == (1, "chatbridge: No space left on device: \n")


@contextmanager
def silent_port() -> Iterator[int]:
    with socket.create_server((LOOPBACK, 0), backlog=64) as listening:
        port: int = listening.getsockname()[1]
        yield port


def interrupted(*words: str, after: float, stdin: int = subprocess.DEVNULL) -> tuple[int, str, str, float]:
    """Return exit code, output, errors and the seconds that a command took to end after Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have told us to ignore it
    try:
        with subprocess.Popen(
            [sys.executable, "-c", CONSOLE_SCRIPT, *words],
            cwd=ROOT,
            env={**PLAIN, "HOME": "/"},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == STARTED
            try:
                child.wait(after)
            except subprocess.TimeoutExpired:
                child.send_signal(signal.SIGINT)
            at = time.monotonic()
            out, errors = child.communicate(timeout=30)
            return child.returncode, out, errors, time.monotonic() - at
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("name", "after"),
    [
        *(("tail", seconds) for seconds in (0.01, 0.1, 0.3, 0.6, 4.0)),
        *((name, 2.0) for name in ("verify", "proof", "topics", "announce", "schemas", "doctor")),
        *((name, 2.0) for name in ("coverage", "reconcile", "backfill")),
        *(("healthcheck", seconds) for seconds in (0.1, 1.0)),  # it gives up after two
    ],
)
def test_ctrl_c_ends_a_command_that_waits_within_three_seconds_and_quietly(name: str, after: float) -> None:
    with silent_port() as port:
        address = f"{LOOPBACK}:{port}"
        words = {
            "tail": ["tail", "--bootstrap-servers", address],
            "verify": ["verify", "--bootstrap-servers", address],
            "proof": ["proof", "s1", "--keys", PUBLIC_KEYS, "--bootstrap-servers", address],
            "topics": ["topics", "plan", "--bootstrap-servers", address],
            "announce": ["announce", "s1", "host:1", "--bootstrap-servers", address],
            "coverage": ["coverage", "--bootstrap-servers", address],
            "reconcile": ["reconcile", SAMPLE, "--bootstrap-servers", address],
            "backfill": ["backfill", SAMPLE, "--bootstrap-servers", address],
            "schemas": ["schemas", "check", "--set", f"schema_registry.url=http://{address}"],
            "doctor": ["doctor", "--bootstrap-servers", address],
            "healthcheck": ["healthcheck", "--set", f"http.port={port}"],
        }[name]
        code, _, errors, seconds = interrupted(*words, after=after)
    assert code == INTERRUPTED, errors
    assert errors == ""
    assert seconds < SECONDS_TO_END


def test_ctrl_c_ends_a_command_that_reads_standard_input() -> None:
    reading, writing = os.pipe()
    try:
        with silent_port() as port:
            words = ["announce", "-", "--bootstrap-servers", f"{LOOPBACK}:{port}"]
            code, _, errors, seconds = interrupted(*words, after=2.0, stdin=reading)
    finally:
        os.close(reading)
        os.close(writing)
    assert (code, errors) == (INTERRUPTED, "")
    assert seconds < SECONDS_TO_END


@pytest.mark.parametrize("words", [*QUICK_COMMANDS.values(), ["demo"]], ids=[*QUICK_COMMANDS, "demo"])
def test_no_command_needs_a_home_or_a_known_user_but_says_what_it_needs(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", NOBODY, *words],
        cwd=ROOT,
        env=PLAIN,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    expected = {"demo": 3, "topics": 3, "export": 3, "doctor": 1, "healthcheck": 1, "erase": 3, "subject": 2}
    assert done.returncode == expected.get(words[0], 0), done.stderr
    if words == ["demo"]:
        assert "HOME" in done.stderr
        assert CACHE_VARIABLE in done.stderr


def test_demo_without_a_place_for_its_cache_or_its_files_says_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for variables, word in (
        ({CACHE_VARIABLE: str(tmp_path / "file" / "cache")}, CACHE_VARIABLE),
        ({"CHATBRIDGE_CACHE": "/proc/nowhere"}, CACHE_VARIABLE),
    ):
        done = shell("", "demo", environment=variables)
        assert done.returncode == 3, done.stderr
        assert "Traceback" not in done.stderr
        assert word in done.stderr


def test_our_own_variables_are_no_settings() -> None:
    assert CACHE_VARIABLE in OWN_VARIABLES
    done = shell("", "config", environment={CACHE_VARIABLE: "/nowhere"})
    assert done.returncode == 0, done.stderr


class _Refusing(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_a_simulation_whose_announcements_are_all_refused_is_exit_code_1() -> None:
    server = HTTPServer((LOOPBACK, 0), _Refusing)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        url = f"http://{LOOPBACK}:{server.server_address[1]}"
        words = ["simulate", "--announce-url", url, "--chats", "2", "--think-scale", "0", "--concurrent-chats", "2"]
        done = shell("", *words, "--finish", "1")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    summary: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert (summary["announced"], summary["refused"]) == (0, 2)
    assert done.returncode == 1
    assert "all 2 announcements were refused" in done.stderr


def test_every_command_is_looked_at() -> None:
    assert set(COMMANDS) - {"run", "simulate"} <= {
        *QUICK_COMMANDS,
        *("tail", "verify", "proof", "announce", "coverage", "reconcile", "demo"),
        *("hold", "release", "unseal"),
    }
