"""What is said when no temporary file can be made."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from bridge.errors import EnvironmentFault

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def made_in_a_temporary_folder() -> Iterator[None]:
    """Raise EnvironmentFault, with what to do, for an OSError in the block."""
    try:
        yield
    except OSError as error:
        raise EnvironmentFault(
            f"no temporary file can be made: {error.strerror}", next_step="set TMPDIR to a folder with room"
        ) from error
