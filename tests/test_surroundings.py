"""Commands where something is missing that is usually there: streams, a home, a user, files that can be written."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from contextlib import contextmanager, suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bridge.cli import COMMANDS
from bridge.config.layers import OWN_VARIABLES
from bridge.sandbox.jars import CACHE_VARIABLE
from bridge.sandbox.process import LOOPBACK, free_ports
from bridge.simulator.harness.ledger import read_ledger
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
SAMPLE = "tests/samples/silent-monitor-files.xml"
PUBLIC_KEYS = "tests/evidence/public_keys.txt"
KEY_LIST = "tests/evidence/key_list.txt"
PLAIN = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
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
    "subject": ["subject", "find", "a", "--reason", "a test"],
    "redact": ["redact", SAMPLE],
}
"""Commands that end by themselves within seconds, without Kafka."""
REFUSED = ("--bootstrap-servers", f"{LOOPBACK}:1")
REFUSED_COMMANDS = {
    "announce": ["announce", "s1", "host:1", *REFUSED],
    "coverage": ["coverage", *REFUSED],
    "hold": ["hold", "s1", "--reason", "asked", *REFUSED],
    "proof": ["proof", "s1", "--keys", PUBLIC_KEYS, *REFUSED],
    "reconcile": ["reconcile", SAMPLE, *REFUSED],
    "release": ["release", "s1", "--reason", "asked", *REFUSED],
    "tail": ["tail", *REFUSED],
    "unseal": ["unseal", "--reason", "asked", *REFUSED],
    "verify": ["verify", *REFUSED],
    "demo": ["demo"],  # which has no place for its cache
}
"""Commands that say what they lack and end with exit code 3."""


def shell(
    redirections: str, *words: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    command = f'exec "$0" -m bridge "$@" {redirections}'
    return subprocess.run(
        ["bash", "-c", command, sys.executable, *words],
        cwd=ROOT,
        env={**PLAIN, "HOME": "/", CACHE_VARIABLE: "/proc/nowhere", **(environment or {})},
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


@pytest.mark.many_variants
@pytest.mark.parametrize("redirections", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("words", QUICK_COMMANDS.values(), ids=list(QUICK_COMMANDS))
def test_a_closed_stream_changes_neither_the_exit_code_nor_what_is_said(words: list[str], redirections: str) -> None:
    expected, done = usual(*words), shell(redirections, *words)
    assert done.returncode == expected.returncode, done.stderr
    assert shape(done.stdout) == ([] if " >&-" in f" {redirections}" else shape(expected.stdout))
    assert "Traceback" not in done.stderr
    assert (done.stderr == "") == (expected.stderr == "" or "2>&-" in redirections)


@pytest.mark.parametrize("words", REFUSED_COMMANDS.values(), ids=list(REFUSED_COMMANDS))
def test_a_command_that_can_neither_read_nor_print_says_all_the_same_what_it_lacks(words: list[str]) -> None:
    done = shell("<&- >&-", *words)
    assert (done.returncode, done.stdout) == (3, ""), done.stderr
    assert "Traceback" not in done.stderr
    assert (CACHE_VARIABLE if words == ["demo"] else "chatbridge: KAFKA_REFUSES: ") in done.stderr


WITHOUT: dict[str, tuple[list[str], dict[str, str], str]] = {
    "streams": (["-m", "bridge"], {"HOME": "/"}, "<&- >&-"),
    "nobody": (["-c", NOBODY], {}, ""),
}
"""What is missing -> program, environment and redirections."""


@contextmanager
def started(which: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    program, home, redirections = WITHOUT[which]
    with subprocess.Popen(
        ["bash", "-c", f'exec "$0" "$@" {redirections}', sys.executable, *program, *words],
        cwd=ROOT,
        env={**PLAIN, **home},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            yield child
        finally:
            child.kill()


@pytest.mark.parametrize("which", WITHOUT)
def test_a_worker_runs_and_ends_in_order_without_streams_home_or_user(which: str) -> None:
    [port] = free_ports(1)

    def lives() -> bool:
        with suppress(OSError), urllib.request.urlopen(f"http://{LOOPBACK}:{port}/livez", timeout=5) as answer:
            return bool(answer.status == 200)
        return False

    with started(which, "run", *REFUSED, "--set", f"http.port={port}") as worker:
        wait_for(lives, 30, "it does not live")
        worker.terminate()
        _, errors = worker.communicate(timeout=40)
        assert worker.returncode == 0, errors
        assert "Traceback" not in errors
        assert "KAFKA_REFUSES" in errors


@pytest.mark.parametrize("which", WITHOUT)
def test_a_simulated_server_has_its_chats_without_streams_home_or_user(which: str, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    few = ("--chats", "2", "--concurrent-chats", "2", "--think-scale", "0", "--finish", "1")
    with started(which, "simulate", *few, "--ledger", str(ledger)) as server:
        out, errors = server.communicate(timeout=40)
        assert server.returncode == 0, errors
    assert "Traceback" not in errors
    assert (out == "") == (which == "streams")
    assert len([one for one in read_ledger(ledger).values() if one.closed]) == 2


def test_announcing_from_a_closed_standard_input_announces_nothing() -> None:
    done = shell("<&-", "announce", "-", "--bootstrap-servers", f"{LOOPBACK}:1")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("environment", [{}, {"PYTHONUNBUFFERED": "1"}], ids=["buffered", "as in the image"])
@pytest.mark.parametrize(
    "words",
    [["config"], ["convert", SAMPLE], ["redact", "LARGE"], ["--help"], ["--version"], ["verify", "--help"]],
    ids=" ".join,
)
def test_an_output_that_takes_nothing_is_named_in_one_line(
    tmp_path: Path, words: list[str], environment: dict[str, str]
) -> None:
    large = tmp_path / "large.txt"
    large.write_text("a word\n" * 50_000, "ascii")  # more than is kept in a buffer
    done = shell("> /dev/full", *(str(large) if word == "LARGE" else word for word in words), environment=environment)
    told = "chatbridge: standard output cannot be used: No space left on device\n"
    assert (done.returncode, done.stderr) == (3, told)


def test_who_reads_no_help_ends_it_as_other_output_and_quietly() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "bridge", "--help"],
            cwd=ROOT,
            env=PLAIN,
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


@pytest.mark.parametrize("environment", [{}, {"PYTHONUNBUFFERED": "1"}], ids=["buffered", "as in the image"])
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["topics", "plan", *REFUSED], 3),
        (["convert", "/no/such/file"], 1),
        (["config", "--set", "kafka.group"], 2),
        (["config", "--no-such-option"], 2),
    ],
    ids=["a cause", "a file", "a setting", "an option"],
)
def test_what_cannot_be_told_on_standard_error_does_not_change_the_exit_code(
    words: list[str], code: int, environment: dict[str, str]
) -> None:
    assert shell("2> /dev/full", *words, environment=environment).returncode == code


@pytest.mark.parametrize("name", [name for name, words in REFUSED_COMMANDS.items() if words[-1] == REFUSED[-1]])
def test_who_reaches_no_kafka_is_told_once_and_not_by_a_library(name: str) -> None:
    done = shell("", *REFUSED_COMMANDS[name])
    assert done.returncode == 3
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["chatbridge", "  next"]


@pytest.mark.parametrize(
    "words", [*QUICK_COMMANDS.values(), *REFUSED_COMMANDS.values()], ids=[*QUICK_COMMANDS, *REFUSED_COMMANDS]
)
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
    expected = {"topics": 3, "export": 3, "doctor": 1, "healthcheck": 1, "erase": 3, "subject": 2}
    refused = 3 if words[0] in REFUSED_COMMANDS else 0
    assert done.returncode == expected.get(words[0], refused), done.stderr
    if refused and words != ["demo"]:
        assert "KAFKA_REFUSES" in done.stderr
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


def test_a_simulation_whose_announcements_nobody_answers_is_exit_code_1() -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))  # nobody listens
        url = f"http://{LOOPBACK}:{taken.getsockname()[1]}"
        words = ["simulate", "--announce-url", url, "--chats", "2", "--think-scale", "0", "--concurrent-chats", "2"]
        done = shell("", *words, "--finish", "1")
    summary: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert (summary["announced"], summary["refused"], summary["unanswered"]) == (0, 0, 2)
    assert done.returncode == 1
    assert "2 announcements were not answered" in done.stderr
    assert f"{url}/v1/sessions does not answer" in done.stderr


def test_every_command_is_looked_at() -> None:
    assert set(COMMANDS) == {*QUICK_COMMANDS, *REFUSED_COMMANDS, "run", "simulate"}
