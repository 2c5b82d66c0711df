"""Secrets and certificates that are kept in files, and are read again when the files change."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_SECRET_BYTES: Final = 64 * 1024
"""Bytes of a file that are read as a secret."""

_Value_co = TypeVar("_Value_co", covariant=True)
_Version = tuple[tuple[int, ...] | None, ...]


def read_secret(file: str) -> str:
    """Return the text of a file without the line ends at its end.

    Raises OSError when it cannot be read, ValueError when it is empty, is not UTF-8, or has an impossible name.
    """
    with Path(file).open("rb") as stream:
        text = stream.read(MAX_SECRET_BYTES).decode("utf-8").rstrip("\r\n")
    if not text:
        raise ValueError("the file is empty")
    return text


class FileBacked(Generic[_Value_co]):
    """A value that is made from files: called, it returns the value of the files as they are now.

    A change in place, a new file under the name, and another target of a symbolic link (as Kubernetes mounts secrets)
    are all noticed, by the files' metadata. Files that cannot be used at the moment, such as a new certificate beside
    the key of the former, leave the former value in force; `error` then says why.
    """

    def __init__(self, files: Sequence[str], make: Callable[[], _Value_co]) -> None:
        """`make` reads the files, and raises OSError or ValueError when they cannot be used; so does this then."""
        self.error: Exception | None = None
        self.changes = 0
        self._files = files
        self._make = make
        self._version = self._read_version()
        self._value = make()

    def __call__(self) -> _Value_co:
        """Return the value. Blocks for some file operations, and for reading the files once they have changed."""
        version = self._read_version()
        if version == self._version:
            self.error = None
            return self._value
        try:
            value = self._make()
        except (OSError, ValueError) as error:
            self.error = error
        else:
            self.error, self._value, self._version = None, value, version
            self.changes += 1
        return self._value

    def _read_version(self) -> _Version:
        return tuple(map(_version, self._files))


def secret_in(file: str, least: int = 1) -> FileBacked[str]:
    """Return the secret in a file.

    Raises OSError or ValueError when it cannot be read now, or has fewer than `least` characters.
    """

    def read() -> str:
        text = read_secret(file)
        if len(text) < least:
            raise ValueError(f"expected at least {least} characters")
        return text

    return FileBacked((file,), read)


def reason_of(error: Exception) -> str:
    """Return why files cannot be used, without anything of their content."""
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8 text"
    if isinstance(error, OSError):
        return getattr(error, "reason", None) or error.strerror or type(error).__name__
    return str(error)


def _version(file: str) -> tuple[int, ...] | None:
    try:
        found = os.stat(file)  # noqa: PTH116 - asked before each use; to make a Path takes longer than to ask
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
