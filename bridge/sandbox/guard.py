"""Runs one command that must not outlive the process that started it: `guard.py DIRECTORY COMMAND...`.

Run as a script, not imported. It writes the command's pid to stdout and exits with its exit status. When its
stdin is closed, which the kernel does for a killed parent too, it kills the command and removes DIRECTORY.

Why not only PR_SET_PDEATHSIG in the parent: that signal follows the parent's *thread*, and a server started
from a worker thread would die with it. Here it ties the command to this process, which has one thread.
"""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys

_PR_SET_PDEATHSIG = 1


def main(directory: str, command: list[str]) -> int:
    """Run `command` to its end or to the end of stdin, whichever comes first."""
    libc = ctypes.CDLL(None, use_errno=True)  # loaded here: after the fork only async-signal-safe calls

    def die_with_me() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        preexec_fn=die_with_me,  # noqa: PLW1509 - this process has one thread
    )
    print(child.pid, flush=True)  # noqa: T201 - the pid is this script's output
    child_end = os.pidfd_open(child.pid)
    poller = select.poll()
    poller.register(sys.stdin.fileno(), select.POLLIN | select.POLLHUP)
    poller.register(child_end, select.POLLIN)
    ready = {descriptor for descriptor, _ in poller.poll()}
    if child_end not in ready:
        child.kill()
        child.wait()
        shutil.rmtree(directory, ignore_errors=True)  # guards of one cluster may do this side by side
    status = child.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
