"""Ctrl-C at any moment of any command but `run` and `simulate` ends it within three seconds, and quietly."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bridge.cli import COMMANDS
from bridge.sandbox.process import LOOPBACK
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[1]
INTERRUPTED = 130
SECONDS_TO_END = 3.0
STARTED = "started\n"
SAMPLE = "tests/samples/silent-monitor-files.xml"
PUBLIC_KEYS = "tests/evidence/public_keys.txt"
PLAIN = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/"}
CONSOLE_SCRIPT = "import sys; from bridge.__main__ import main; print('started', flush=True); sys.exit(main())"
IMPORTING = """
import os, signal, sys

class Interrupting:
    asked_for = sys.argv.pop(1)

    def find_spec(self, name, path=None, target=None):
        if name == self.asked_for:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
from bridge.__main__ import main
sys.exit(main())
"""
"""The console script, interrupted when a module is imported."""
REASON = ("--reason", "asked")
SUBJECTS = (
    *("--reason", "a test", "--set", 'privacy.subjects=["EmailAddress"]'),
    *("--set", f"privacy.hash_key_file={SAMPLE}"),
)
ASKING = {
    "tail": ["tail"],
    "verify": ["verify"],
    "proof": ["proof", "s1", "--keys", PUBLIC_KEYS],
    "topics": ["topics", "plan"],
    "topics apply": ["topics", "apply"],
    "announce": ["announce", "s1", "host:1"],
    "coverage": ["coverage"],
    "reconcile": ["reconcile", SAMPLE],
    "backfill": ["backfill", SAMPLE],
    "doctor": ["doctor"],
    "export": ["export", "{folder}/exported"],
    "erase": ["erase", "s1", *REASON],
    "hold": ["hold", "s1", *REASON],
    "release": ["release", "s1", *REASON],
    "subject": ["subject", "find", "jane", *SUBJECTS],
    "unseal": ["unseal", *REASON],
}
"""Commands that ask a Kafka, whose address is added, and wait for its answer."""
AT_ANY_MOMENT = ("tail", "verify", "proof", "topics", "announce", "doctor", "coverage", "reconcile")
"""Those that are interrupted after some time; the others when they have connected."""
SAYS = {
    "backfill": "chatbridge: interrupted; Kafka has confirmed 0 documents, with --state FILE the same command would go "
    "on from there. Sending them again is harmless.\n"
}
"""What a command says, that has begun, when it is interrupted; the others say nothing."""
READING = {
    "acls": ["acls", "--config", "{file}"],
    "config": ["config", "--config", "{file}"],
    "convert": ["convert", "{file}"],
    "keys": ["keys", "list", "--list", "{file}"],
    "redact": ["redact", "{file}"],
}
"""Commands that ask nobody, and wait for a file that somebody else still writes."""
ELSEWHERE = {"demo": ROOT / "tests/integration/test_interrupted_demo.py"}
"""It starts servers, and gives a verdict after Ctrl-C."""
ENDED_IN_ORDER = {"run", "simulate"}
"""Services: they take Ctrl-C as they take SIGTERM."""


class SilentServer:
    """It takes connections, and answers nothing."""

    def __init__(self) -> None:
        self._listening = socket.create_server((LOOPBACK, 0), backlog=64)
        self._listening.settimeout(30)
        self.port: int = self._listening.getsockname()[1]
        self.address = f"{LOOPBACK}:{self.port}"
        self._taken: list[socket.socket] = []

    def take(self, _: object) -> None:
        """Wait for a connection."""
        self._taken.append(self._listening.accept()[0])

    def close(self) -> None:
        for each in (*self._taken, self._listening):
            each.close()


@pytest.fixture
def silent() -> Iterator[SilentServer]:
    with closing(SilentServer()) as server:
        yield server


@contextmanager
def started(*words: str, stdin: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[str]]:
    """Run a command as its console script does; it has begun to import its modules."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have told us to ignore it
    try:
        with subprocess.Popen(
            [sys.executable, "-c", CONSOLE_SCRIPT, *words],
            cwd=ROOT,
            env=PLAIN,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as child:
            try:
                assert child.stdout is not None
                assert child.stdout.readline() == STARTED
                yield child
            finally:
                child.kill()
    finally:
        signal.signal(signal.SIGINT, before)


def interrupted(
    *words: str, when: Callable[[subprocess.Popen[str]], object], stdin: int = subprocess.DEVNULL, says: str = ""
) -> None:
    """Send Ctrl-C once `when` has returned: the command ends within three seconds, and says nothing but `says`."""
    with started(*words, stdin=stdin) as child:
        when(child)
        assert child.poll() is None, "it has ended before"
        child.send_signal(signal.SIGINT)
        at = time.monotonic()
        _, errors = child.communicate(timeout=30)
        assert (child.returncode, errors) == (INTERRUPTED, says)
        assert time.monotonic() - at < SECONDS_TO_END


def after(seconds: float) -> Callable[[subprocess.Popen[str]], object]:
    """Return a wait for a moment of a command, whatever it does then."""

    def wait(child: subprocess.Popen[str]) -> None:
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            return

    return wait


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        *(("tail", seconds) for seconds in (0.01, 0.1, 0.3, 0.6, 4.0)),
        *((name, 2.0) for name in AT_ANY_MOMENT[1:]),
    ],
)
def test_ctrl_c_at_any_moment_ends_a_command_quietly(silent: SilentServer, name: str, seconds: float) -> None:
    interrupted(*ASKING[name], "--bootstrap-servers", silent.address, when=after(seconds))


@pytest.mark.parametrize(
    ("module", "command"),
    [
        ("bridge.cli", "doctor"),
        ("bridge.commands.doctor", "doctor"),
        ("datetime", "doctor"),  # by pydantic_core, which is written in Rust, and panics where it cannot import it
        ("_cffi_backend", "keys"),  # by cryptography, as well
        ("bridge.doctor.process_checks", "doctor"),
    ],
)
def test_ctrl_c_while_modules_are_imported_ends_a_command_quietly(module: str, command: str) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have told us to ignore it
    try:
        words = [sys.executable, "-c", IMPORTING, module, command, "--help"]
        ended = subprocess.run(words, cwd=ROOT, env=PLAIN, capture_output=True, text=True, check=False, timeout=60)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (ended.returncode, ended.stdout, ended.stderr) == (INTERRUPTED, "", "")


@pytest.mark.parametrize("name", [name for name in ASKING if name not in AT_ANY_MOMENT])
def test_ctrl_c_ends_a_command_that_waits_for_kafka(silent: SilentServer, name: str, tmp_path: Path) -> None:
    words = [word.format(folder=tmp_path) if "{folder}" in word else word for word in ASKING[name]]
    interrupted(*words, "--bootstrap-servers", silent.address, when=silent.take, says=SAYS.get(name, ""))


@pytest.mark.parametrize("name", READING)
def test_ctrl_c_ends_a_command_that_waits_for_a_file(name: str, tmp_path: Path) -> None:
    file, writing = tmp_path / "file", list[int]()
    os.mkfifo(file)

    def is_read() -> bool:
        with suppress(OSError):  # nobody has opened it
            writing.append(os.open(file, os.O_WRONLY | os.O_NONBLOCK))
        return bool(writing)

    try:
        words = [word.format(file=file) for word in READING[name]]
        interrupted(*words, when=lambda _: wait_for(is_read, 30, "it does not read"))
    finally:
        for each in writing:
            os.close(each)


@pytest.mark.parametrize("seconds", [0.1, 1.0])  # it gives up after two
def test_ctrl_c_ends_a_healthcheck(silent: SilentServer, seconds: float) -> None:
    interrupted("healthcheck", "--set", f"http.port={silent.port}", when=after(seconds))


def test_ctrl_c_ends_a_command_at_every_moment_of_its_start(silent: SilentServer) -> None:
    for number in range(20):
        interrupted("healthcheck", "--set", f"http.port={silent.port}", when=after(0.1 + 0.04 * number))


def test_ctrl_c_ends_a_command_that_asks_a_registry(silent: SilentServer) -> None:
    url = f"http://{silent.address}"
    interrupted("schemas", "check", "--set", f"schema_registry.url={url}", when=silent.take)


@pytest.mark.parametrize("words", [["announce", "-"], ["subject", "find", "-", *SUBJECTS]])
def test_ctrl_c_ends_a_command_that_reads_standard_input(silent: SilentServer, words: list[str]) -> None:
    reading, writing = os.pipe()
    try:
        interrupted(*words, "--bootstrap-servers", silent.address, when=after(2.0), stdin=reading)
    finally:
        os.close(reading)
        os.close(writing)


def test_every_command_is_interrupted() -> None:
    assert all(file.is_file() for file in ELSEWHERE.values())
    assert set(COMMANDS) - ENDED_IN_ORDER == {
        *(words[0] for words in (*ASKING.values(), *READING.values())),
        *("healthcheck", "schemas"),
        *ELSEWHERE,
    }
