"""Where records in clear go: JSON lines on standard output, or an Avro object container file."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

from fastavro.write import Writer

from bridge.commands.formatting import say_line
from bridge.commands.whole_files import whole_file
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
        say_line(self._render.line(self._name, record))


class _Container:
    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def add(self, record: dict[str, Any]) -> None:
        self._writer.write(record)


@contextmanager
def clear_file(path: Path, name: str) -> Iterator[ClearRecords]:
    """Provide a new container file for records of type `name`, readable for its owner only; none is written over.

    It has its name when all is written (`whole_files.py`). Raises EnvironmentFault when it cannot be written.
    """
    with whole_file(path, mode=_FOR_ITS_OWNER) as file:
        writer = Writer(file, Schemas(schema_folder()).whole(name), codec="deflate")
        yield _Container(writer)
        writer.flush()
