"""Text files that a command is given by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.errors import EnvironmentFault

if TYPE_CHECKING:
    from pathlib import Path


def text_of(file: Path) -> str:
    """Return the text of a file in UTF-8, its line ends as line feeds.

    Raises EnvironmentFault, the fault of who named it or wrote it.
    """
    return decoded(file, bytes_of(file)).replace("\r\n", "\n").replace("\r", "\n")


def bytes_of(file: Path) -> bytes:
    """Return what is in a file. Raises EnvironmentFault, the fault of who named it."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise EnvironmentFault(f"{file} cannot be read: {error.strerror}") from error


def decoded(file: Path, raw: bytes) -> str:
    """Return the text that a file holds, as it is. Raises EnvironmentFault, the fault of who wrote it."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise EnvironmentFault(f"{file} is no text in UTF-8") from error
