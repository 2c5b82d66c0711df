"""Memory that was freed between blocks that are in use goes back to the operating system."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bridge.adapters.heap import FreedMemory

SCRIPT = """
from pathlib import Path
from bridge.adapters.heap import FreedMemory

def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) // 1024

blocks = [bytes(1000 + number % 3000) for number in range(20000)]
kept, full = blocks[::50], resident()
del blocks
freed = FreedMemory()
freed.give_back()
print(full - resident())
"""


def test_what_was_freed_between_blocks_in_use_is_given_back() -> None:
    if not FreedMemory().bytes:
        pytest.skip("another C library than glibc")
    done = subprocess.run([sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True)
    assert int(done.stdout) > 30  # of 48 MB, MB
