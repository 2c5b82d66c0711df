"""Files that commands write: one has its name only when it is whole, and on the disk.

Until then it is called as it will be, with `.part` after it. That name is taken exclusively, and before anything is
looked at: of two commands that write the same file, the second is refused. What fails, or is ended by a signal, leaves
nothing. SIGKILL leaves `.part`; who writes the file again, or reads the folder, is told so.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from errno import EACCES, EEXIST, EISDIR
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple, Self

from bridge.commands.ending_signals import EndingSignals
from bridge.errors import EnvironmentFault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from signal import Signals
    from types import TracebackType

PART: Final = ".part"
"""What the name of a file ends with until it is whole."""
_ANYONES: Final = 0o666
"""Less what the umask takes."""
_OWNERS: Final = 0o600
_unfinished: set[Path] = set()
"""Of this process, which may have to end at once."""


def _remove_unfinished() -> None:
    for part in list(_unfinished):
        with suppress(OSError):
            part.unlink(missing_ok=True)


_signals: Final = EndingSignals(_remove_unfinished)


class _UnfinishedFile(NamedTuple):
    part: Path
    path: Path
    file: BinaryIO
    replaces: bool


class WholeFiles:
    """Several files that get their names together, at the end of the block; none does when it ends with an error.

    Used as a context manager. `what` is what they are for people: a file, or a folder. Raises EnvironmentFault for an
    OSError of these files. A signal that would end the process removes them first.
    """

    def __init__(self, what: Path) -> None:
        """Nothing is written before the first `new`."""
        self._what = what
        self._begun: list[_UnfinishedFile] = []
        self._handlers: dict[Signals, Any] = {}

    def __enter__(self) -> Self:
        """Return it."""
        self._handlers = _signals.watch()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the files their names, or remove them."""
        try:
            if error is None:
                self._finish()
            elif isinstance(error, OSError) and self._is_ours(error):
                raise self._fault(error) from error
        finally:
            self._remove()
            _signals.restore(self._handlers)

    def new(self, path: Path, *, mode: int = _ANYONES) -> BinaryIO:
        """Begin a file; one that is there is not written over. Raises EnvironmentFault."""
        try:
            file = self._begin(path, mode, replaces=False)
            if os.path.lexists(path):
                raise FileExistsError(EEXIST, os.strerror(EEXIST), str(path))
        except OSError as error:
            raise self._fault(error) from error
        return file

    def instead_of(self, path: Path) -> BinaryIO:
        """Begin a file that takes the place of the one at `path`, if there is one, with its owner and mode.

        Raises as `new`.

        Only this command writes there from now on: read what is to be kept after this call. A file that may not be
        written to is not replaced, either.
        """
        target = Path(os.path.realpath(path))
        try:
            there = target.exists()
            if there and not target.is_file():
                raise EnvironmentFault(f"{path} is no regular file")
            # Nobody who may not read the former file opens the new one before it has its mode.
            file = self._begin(target, _OWNERS if there else _ANYONES, replaces=True)
            former = target.stat() if target.exists() else None
            if former is not None:
                if not os.access(target, os.W_OK):
                    raise PermissionError(EACCES, os.strerror(EACCES), str(path))
                with suppress(PermissionError):  # only root gives a file to somebody else
                    os.fchown(file.fileno(), former.st_uid, former.st_gid)
                os.fchmod(file.fileno(), stat.S_IMODE(former.st_mode))
        except OSError as error:
            raise self._fault(error) from error
        return file

    def _begin(self, path: Path, mode: int, *, replaces: bool) -> BinaryIO:
        if not path.name:  # / and .
            raise IsADirectoryError(EISDIR, os.strerror(EISDIR), str(path))
        part = path.with_name(f"{path.name}{PART}")
        with _signals.whole_step():
            file = os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb")
            _unfinished.add(part)
        self._begun.append(_UnfinishedFile(part, path, file, replaces))
        return file

    def _finish(self) -> None:
        try:
            for one in self._begun:
                one.file.close()
                _sync(one.part)
            with _signals.whole_step():
                self._name_all()
            for folder in dict.fromkeys(one.path.parent for one in self._begun):
                with suppress(OSError):  # some cannot be opened, or synced
                    _sync(folder)
        except OSError as error:
            raise self._fault(error) from error

    def _name_all(self) -> None:
        named: list[Path] = []
        try:
            for one in self._begun:
                _name(one)
                if not one.replaces:
                    named.append(one.path)
        except BaseException:
            for path in named:
                path.unlink(missing_ok=True)
            raise

    def _remove(self) -> None:
        for one in self._begun:
            with suppress(OSError):  # what it could not write before it cannot write now
                one.file.close()
            if one.part in _unfinished:
                with _signals.whole_step():  # the name may be somebody else's when it is free
                    one.part.unlink(missing_ok=True)
                    _unfinished.discard(one.part)

    def _is_ours(self, error: OSError) -> bool:
        """Tell whether an error is of these files: that of a write has no name, and is of no peer, address or TLS."""
        if error.filename is None:
            return type(error) in {OSError, PermissionError} and bool(self._begun)
        return str(error.filename) in {str(path) for one in self._begun for path in (one.part, one.path)}

    def _fault(self, error: OSError) -> EnvironmentFault:
        name = str(error.filename or self._what)
        if isinstance(error, FileExistsError) and name.endswith(PART):
            return EnvironmentFault(f"{name} is there: another command writes it, or was killed", next_step=_LEFT)
        return EnvironmentFault(f"{name} cannot be written: {error.strerror}")


_LEFT: Final = "wait for that command; if none runs, remove the file: it is not whole"


@contextmanager
def whole_file(path: Path, *, mode: int = _ANYONES, replaces: bool = False) -> Iterator[BinaryIO]:
    """Provide one file to write, by the rules of `WholeFiles`. What is no regular file, as a pipe, is written to."""
    if replaces and path.exists() and not path.is_file():
        try:
            with path.open("wb") as file:
                yield file
        except IsADirectoryError as error:
            raise EnvironmentFault(f"{path} cannot be written: {error.strerror}") from error
        return
    with WholeFiles(path) as files:
        yield files.instead_of(path) if replaces else files.new(path, mode=mode)


def check_whole(path: Path) -> None:
    """Raise EnvironmentFault for a file that is not whole, by its name."""
    if path.name.endswith(PART):
        raise EnvironmentFault(f"{path} is not whole: the command that writes it runs, or was killed", next_step=_LEFT)


def end_by(number: Signals) -> None:
    """End the process as a signal would, with nothing left of what it has begun and not finished."""
    _signals.end_by(number)


def _name(one: _UnfinishedFile) -> None:
    """Give a file its name, and take the other one from it. Raises OSError; FileExistsError where one has appeared."""
    if one.replaces:
        one.part.rename(one.path)
        _unfinished.discard(one.part)
        return
    try:
        os.link(one.part, one.path)
    except FileExistsError:
        raise FileExistsError(EEXIST, os.strerror(EEXIST), str(one.path)) from None
    except OSError:  # not every file system has links: no command of ours can come between, since it has no `.part`
        if os.path.lexists(one.path):
            raise FileExistsError(EEXIST, os.strerror(EEXIST), str(one.path)) from None
        one.part.rename(one.path)
    else:
        one.part.unlink()
    _unfinished.discard(one.part)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
