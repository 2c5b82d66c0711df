"""Server processes that do not outlive this process, and the loopback ports they listen on."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.errors import EnvironmentFault
from bridge.sandbox.jars import cache_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LOOPBACK = "127.0.0.1"

_GUARD = Path(__file__).with_name("guard.py")
_LOWEST_PORT = 15_000
_PORT_ATTEMPTS = 5
_TAIL_LINES = 20
_POLL_SECONDS = 0.03


class GuardedProcess:
    """One server process under its guard (see `guard.py`).

    Args:
        command: what to run.
        root: the directory that the guard removes when it is released or when this process dies.
        output: where stdout and stderr go; appended to, so that a restart keeps what was there.
    """

    def __init__(self, command: Sequence[str], *, root: Path, output: Path) -> None:
        with output.open("ab") as sink:
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_GUARD), str(root), *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sink,
                start_new_session=True,  # Ctrl-C in a terminal must not reach the server
            )
        assert self._guard.stdout is not None  # noqa: S101 - for mypy: stdout is PIPE
        with self._guard.stdout as pid_line:
            self.pid = int(pid_line.readline())  #: of the server itself, not of its guard

    @property
    def running(self) -> bool:
        """Whether the server has not ended yet; a paused one is running."""
        return self._guard.poll() is None

    def wait(self, timeout_seconds: float) -> int:
        """Wait for the server's end and return its exit status, 128 + signal when a signal ended it.

        Raises:
            subprocess.TimeoutExpired: it still runs.
        """
        return self._guard.wait(timeout_seconds)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the server, if it runs."""
        if self.running:
            with suppress(ProcessLookupError):  # it may end between the check and the signal
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it with SIGKILL and wait until it has ended. The directory stays."""
        self.signal(signal.SIGKILL)
        self._guard.wait()

    def terminate(self, timeout_seconds: float) -> bool:
        """Send SIGTERM; SIGKILL if it does not end in time. Return whether it ended by itself."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            self._guard.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        return True

    def release(self) -> None:
        """Kill it if it runs, and let the guard remove the directory. Safe to repeat."""
        if self._guard.stdin is not None:
            self._guard.stdin.close()
        self._guard.wait()


def free_ports(count: int) -> list[int]:
    """Return ports on which nothing on the loopback address listens at the moment, none of them for a second time.

    Until this process has ended, no other process of this user is given them here: before a server first listens on its
    port, and while it is restarted, nothing else keeps the port for it. They are below the kernel's range for outgoing
    connections.
    """
    highest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    candidates = range(_LOWEST_PORT, max(highest, _LOWEST_PORT + 1_000))
    reserved = _reserved_ports()
    chosen: list[int] = []
    for port in random.sample(candidates, len(candidates)):
        if len(chosen) == count:
            break
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((LOOPBACK, port))
            if reserved.reserve(port):
                chosen.append(port)
    return chosen


class ReservedPorts:
    """A file of which each process locks the bytes at its ports; the kernel removes the locks when the process ends."""

    def __init__(self, path: Path) -> None:
        """Where the file cannot be made, ports are reserved in this process only."""
        self._own = set[int]()
        self._file: int | None = None
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            # It stays open: closing any descriptor of the file would remove all locks of this process.
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def reserve(self, port: int) -> bool:
        """Return whether the port belongs to this process from now on and was nobody's before."""
        if port in self._own:
            return False
        if self._file is not None:
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            except OSError:
                return False
        self._own.add(port)
        return True


@cache
def _reserved_ports() -> ReservedPorts:
    return ReservedPorts(cache_directory() / "ports")


def someone_listens(port: int) -> bool:
    """Whether a connection to the port succeeds."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


def start_on_free_ports(start: Callable[[list[int]], None], stop: Callable[[], None], *, count: int) -> None:
    """Call `start(ports)`, and again with other ports if one was taken before the server could listen on it.

    After a failed or interrupted `start`, `stop` is called.

    Raises:
        EnvironmentFault: from `start`, when other ports would not help.
    """
    for attempts_left in reversed(range(_PORT_ATTEMPTS)):
        ports = free_ports(count)
        try:
            start(ports)
        except EnvironmentFault:
            stop()
            if not attempts_left or not any(someone_listens(port) for port in ports):
                raise
        except BaseException:
            stop()
            raise
        else:
            return


def wait_until(
    answers: Callable[[], bool],
    *,
    title: str,
    process: GuardedProcess,
    logs: Sequence[Path],
    timeout_seconds: float,
) -> None:
    """Return as soon as `answers()` is true.

    Raises:
        EnvironmentFault: the process ended, or did not answer in time; the message shows its last log lines.
    """
    deadline = time.monotonic() + timeout_seconds
    while not answers():
        if not process.running:
            raise EnvironmentFault(
                f"{title} ended while starting (exit status {process.wait(0)}).\n{tail(logs)}",
                next_step="the lines above are from its own log",
            )
        if time.monotonic() > deadline:
            raise EnvironmentFault(
                f"{title} did not answer within {timeout_seconds:.0f} s.\n{tail(logs)}",
                next_step="is the machine short of memory or CPU?",
            )
        time.sleep(_POLL_SECONDS)


def tail(logs: Sequence[Path]) -> str:
    """Return the last lines of each file that has any, indented, under its name."""
    return "\n".join(
        "\n".join([f"  {log.name}:", *(f"    {line}" for line in lines[-_TAIL_LINES:])])
        for log in logs
        if log.exists() and (lines := log.read_text(encoding="utf-8", errors="replace").splitlines())
    )
