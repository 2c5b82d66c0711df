"""Every command where no file can be written: the whole file system is read-only, home and temporary folders included.

In a user and mount namespace of its own (`unshare`), which root and, on most systems, everybody else may make.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from bridge.cli import COMMANDS
from bridge.sandbox.process import LOOPBACK, free_ports

ROOT = Path(__file__).parents[1]
SAMPLE = str(ROOT / "tests" / "samples" / "silent-monitor-files.xml")
PUBLIC_KEYS = str(ROOT / "tests" / "evidence" / "public_keys.txt")
NOWHERE = ["--bootstrap-servers", f"{LOOPBACK}:1"]
FOLDERS = ("/tmp", "/var/tmp", "/dev/shm", str(ROOT), str(Path.home()))  # noqa: S108 - where programs write
READ_ONLY = f"""\
mount -o remount,bind,ro / || exit 90
for folder in {" ".join(map(shlex.quote, FOLDERS))}; do
    mount --rbind "$folder" "$folder" && mount -o remount,bind,ro "$folder" || exit 91
done
cd /tmp && exec "$0" "$@"
"""
WRITES = "import pathlib, sys; [pathlib.Path(folder, 'file').touch() for folder in sys.argv[1:2]]"
MODULE = ["-m", "bridge"]


@cache
def _namespaces() -> bool:
    if shutil.which("unshare") is None:
        return False
    return _done("-c", "")[0] == 0


def _started(*words: str) -> subprocess.Popen[str]:
    """Start Python with these arguments where nothing can be written; /tmp is also the home."""
    return subprocess.Popen(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", READ_ONLY, sys.executable, *words],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": FOLDERS[0], "TMPDIR": FOLDERS[0]},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _done(*words: str) -> tuple[int, str, str]:
    with _started(*words) as child:
        out, errors = child.communicate(timeout=60)
        return child.returncode, out, errors


@pytest.fixture
def _read_only() -> None:
    if not _namespaces():
        pytest.skip("user and mount namespaces are not permitted here")


CASES = {
    "config": (["config"], 0, ""),
    "schemas": (["schemas", "print"], 0, ""),
    "acls": (["acls"], 0, ""),
    "convert": (["convert", SAMPLE], 0, ""),
    "convert to a file": (["convert", SAMPLE, "--avro", "out"], 3, "out.part cannot be written: Read-only file system"),
    "simulate": (["simulate", "--chats", "2", "--concurrent-chats", "2", "--think-scale", "0", "--finish", "1"], 0, ""),
    "simulate with a ledger": (["simulate", "--ledger", "out", "--chats", "1"], 2, "Read-only file system: out"),
    "topics": (["topics", "plan", *NOWHERE], 3, "does not answer"),
    "tail": (["tail", *NOWHERE], 3, "does not answer"),
    "verify": (["verify", *NOWHERE], 3, "does not answer"),
    "export": (["export", "out", *NOWHERE], 3, "out cannot be made: Read-only file system"),
    "proof": (["proof", "s1", "--keys", PUBLIC_KEYS, *NOWHERE], 3, "does not answer"),
    "keys": (["keys", "new", "--out", "out", "--list", "keys"], 3, "out.part cannot be written: Read-only file system"),
    "doctor": (["doctor", *NOWHERE], 1, ""),
    "healthcheck": (["healthcheck", "--set", "http.port=1"], 1, "no live worker on port 1"),
    "backfill": (["backfill", SAMPLE, *NOWHERE], 3, "set TMPDIR"),
    "reconcile": (["reconcile", SAMPLE, *NOWHERE], 3, "does not answer"),
    "coverage": (["coverage", *NOWHERE], 3, "does not answer"),
    "erase": (["erase", "s1", "--reason", "asked", *NOWHERE], 3, "does not answer"),
    "hold": (["hold", "s1", "--reason", "asked", *NOWHERE], 3, "does not answer"),
    "release": (["release", "s1", "--reason", "asked", *NOWHERE], 3, "does not answer"),
    "subject": (["subject", "find", "a", "--reason", "a test", *NOWHERE], 2, "privacy.subjects is not set"),
    "unseal": (["unseal", "--reason", "asked", *NOWHERE], 3, "does not answer"),
    "redact": (["redact", SAMPLE], 0, ""),
    "redact to show": (["redact", "--dry-run", SAMPLE], 0, ""),
    "announce": (["announce", "s1", "chat-1:4800", *NOWHERE], 3, "does not answer"),
    "demo": (["demo"], 3, "TMPDIR"),
    "demo that keeps": (["demo", "--keep", "out"], 3, "no folder for ledger and logs: Read-only file system"),
}
"""Name -> words, exit code, and what is said on standard error."""


@pytest.mark.usefixtures("_read_only")
@pytest.mark.parametrize("folder", FOLDERS)
def test_nothing_can_be_written_there(folder: str) -> None:
    code, _, errors = _done("-c", WRITES, folder)
    assert code == 1
    assert "Read-only file system" in errors


@pytest.mark.usefixtures("_read_only")
@pytest.mark.parametrize("name", CASES)
def test_a_command_works_or_says_what_it_cannot_write(name: str) -> None:
    words, expected, said = CASES[name]
    code, out, errors = _done(*MODULE, *words)
    assert "Traceback" not in errors
    assert (code, said in errors) == (expected, True), errors
    assert out or expected


@pytest.mark.usefixtures("_read_only")
def test_a_worker_starts_and_stops_in_order() -> None:
    words = ["run", *NOWHERE, "--set", f"http.port={free_ports(1)[0]}"]
    with _started(*MODULE, *words) as worker:
        assert worker.stderr is not None
        said = []
        for line in worker.stderr:
            said.append(json.loads(line)["event"])
            if said[-1] == "start_waits":
                worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
    assert said[-1] == "drained"


def test_every_command_is_looked_at() -> None:
    assert set(COMMANDS) == {"run", *(words[0] for words, _, _ in CASES.values())}
