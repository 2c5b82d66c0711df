"""What the operating system allows this process: open files, and memory of its cgroup."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Final

_ROOT: Final = Path("/sys/fs/cgroup")
_OWN: Final = Path("/proc/self/cgroup")
_UNLIMITED: Final = 1 << 60
"""Version 1 of cgroups says a number near 2**63 where there is no limit."""


def open_files_limit() -> int:
    """Return how many files and sockets this process may have open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def memory_limit(root: Path = _ROOT, own: Path = _OWN) -> int | None:
    """Return the lowest memory limit of this process's cgroup and those above it, in bytes; None without one.

    `root` is where cgroups are mounted, `own` names the one of this process.
    """
    found = [limit for file in _files(root, own) if (limit := _limit_in(file)) is not None]
    return min(found, default=None)


def _files(root: Path, own: Path) -> list[Path]:
    try:
        lines = own.read_text("ascii", "replace").splitlines()
    except OSError:
        lines = []
    files = [
        root / "memory.max",
        root / "memory" / "memory.limit_in_bytes",
    ]  # in a container its own cgroup is the root
    for line in lines:
        _, controllers, path = line.split(":", 2)
        top, name = (root, "memory.max") if not controllers else (root / "memory", "memory.limit_in_bytes")
        if controllers and "memory" not in controllers.split(","):
            continue
        parts = [part for part in path.split("/") if part]
        files += [top.joinpath(*parts[:count], name) for count in range(1, len(parts) + 1)]
    return files


def _limit_in(file: Path) -> int | None:
    try:
        text = file.read_text("ascii").strip()
    except OSError:
        return None
    limit = int(text) if text.isdigit() else _UNLIMITED
    return limit if limit < _UNLIMITED else None
