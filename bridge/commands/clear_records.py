"""Where records in clear go: JSON lines on standard output, or an Avro object container file."""

from __future__ import annotations

from contextlib import contextmanager
from errno import EEXIST
from typing import TYPE_CHECKING, Any, Final, Protocol

from fastavro.write import Writer

from bridge.commands.formatting import say
from bridge.errors import EnvironmentFault
from bridge.records.avro import Schemas, schema_folder
from bridge.records.render import Renderer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FOR_ITS_OWNER: Final = 0o600


class ClearRecords(Protocol):
    """Takes records of one type, decoded."""

    def add(self, record: dict[str, Any]) -> None:
        """Take the next record."""


class ClearLines:
    """JSON lines, as `chatbridge tail --json` prints them."""

    def __init__(self, name: str) -> None:
        """`name` is the full name of the records' Avro type."""
        self._name = name
        self._render = Renderer(Schemas(schema_folder()))

    def add(self, record: dict[str, Any]) -> None:
        """Print a record."""
        say(self._render.line(self._name, record).decode())


class _Container:
    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def add(self, record: dict[str, Any]) -> None:
        self._writer.write(record)


@contextmanager
def clear_file(path: Path, name: str) -> Iterator[ClearRecords]:
    """Provide a new container file for records of type `name`, readable for its owner only; none is written over.

    Until all is written it is called `path` with `.part` after it; what is not finished is removed. Raises
    EnvironmentFault when it cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        if path.exists():
            raise FileExistsError(EEXIST, "File exists", str(path))
        with part.open("xb") as file, _removed_unless_finished(part):
            part.chmod(_FOR_ITS_OWNER)
            writer = Writer(file, Schemas(schema_folder()).whole(name), codec="deflate")
            yield _Container(writer)
            writer.flush()
            file.close()
            path.open("xb").close()  # fails if something has appeared there: `rename` would replace it
            part.rename(path)
    except OSError as error:
        raise EnvironmentFault(f"{error.filename or path} cannot be written: {error.strerror}") from error


@contextmanager
def _removed_unless_finished(part: Path) -> Iterator[None]:
    """Remove a file that holds texts in clear, and only a part of what was asked for, if it is not finished."""
    try:
        yield
    except BaseException:
        part.unlink(missing_ok=True)
        raise
