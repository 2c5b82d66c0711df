"""A port that one process was given is nobody else's until that process has ended, whether something listens or not."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from bridge.sandbox.process import ReservedPorts, free_ports

if TYPE_CHECKING:
    from pathlib import Path

PORT = 20_000
RESERVES = """
import sys
from pathlib import Path
from bridge.sandbox.process import ReservedPorts
print(ReservedPorts(Path(sys.argv[1])).reserve(int(sys.argv[2])), flush=True)
sys.stdin.read()
"""


def test_a_port_of_another_process_is_free_when_that_has_ended(tmp_path: Path) -> None:
    words = [sys.executable, "-c", RESERVES, str(tmp_path / "ports"), str(PORT)]
    ports = ReservedPorts(tmp_path / "ports")
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "True\n"
        assert not ports.reserve(PORT)
        assert ports.reserve(PORT + 1)
        other.stdin.close()
        assert other.wait(10) == 0
    assert ports.reserve(PORT)
    assert not ports.reserve(PORT)


def test_no_port_is_given_twice() -> None:
    given = [*free_ports(100), *free_ports(100)]
    assert len(set(given)) == len(given) == 200


def test_where_no_file_can_be_made_no_port_is_given_twice_either(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ports = ReservedPorts(tmp_path / "file" / "ports")
    assert ports.reserve(PORT)
    assert not ports.reserve(PORT)
