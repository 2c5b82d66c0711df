"""The memory limit of the control group that this process is in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_FILES: Final = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Of version 2 and 1 of Linux's control groups, as a container sees its own."""


def memory_limit(files: tuple[Path, ...] = _FILES) -> int | None:
    """Return the limit in bytes; None without one, or where it cannot be told.

    A number beyond the machine's memory is how version 1 says that there is none.
    """
    for file in files:
        try:
            limit = int(file.read_text("ascii"))
        except (OSError, ValueError):  # no such file, or the word `max`
            continue
        return limit if limit <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") else None
    return None
