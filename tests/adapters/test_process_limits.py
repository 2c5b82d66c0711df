"""The memory limit of a process's cgroup, in version 1 and 2, inside a container and outside."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

import pytest

from bridge.adapters.process_limits import memory_limit, open_files_limit

if TYPE_CHECKING:
    from pathlib import Path

V1 = "9:cpu,cpuacct:/other\n8:memory:/docker/abc\n"


@pytest.mark.parametrize(
    ("own", "files", "limit"),
    [
        ("0::/\n", {"memory.max": "268435456\n"}, 268_435_456),
        ("0::/a.slice/b\n", {"a.slice/memory.max": "100\n", "a.slice/b/memory.max": "max\n"}, 100),
        ("0::/a.slice/b\n", {"a.slice/memory.max": "100\n", "a.slice/b/memory.max": "50\n"}, 50),
        ("0::/\n", {"memory.max": "max\n"}, None),
        (V1, {"memory/docker/abc/memory.limit_in_bytes": "777\n"}, 777),
        (V1, {"memory/memory.limit_in_bytes": "9223372036854771712\n"}, None),
        ("", {}, None),
        (None, {"memory.max": "5\n"}, 5),
    ],
)
def test_the_lowest_limit_counts_and_none_is_none(
    tmp_path: Path, own: str | None, files: dict[str, str], limit: int | None
) -> None:
    place = tmp_path / "own"
    if own is not None:
        place.write_text(own)
    for name, text in files.items():
        file = tmp_path / "root" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert memory_limit(tmp_path / "root", place) == limit


def test_the_limit_of_open_files_is_that_in_force() -> None:
    assert open_files_limit() == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
