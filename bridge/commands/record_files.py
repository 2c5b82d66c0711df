"""Files with records of a topic, as `chatbridge export` or another program wrote them: opened and read in order.

Avro object container files of any program that kept the encoded records, and JSON lines of `chatbridge export`.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Final, Protocol

from fastavro import block_reader, schemaless_reader

from bridge.commands.whole_files import check_whole
from bridge.errors import EnvironmentFault, SchemaUnknown, VerificationFailed
from bridge.records.avro import SESSION_RECORD, TRANSCRIPT_EVENT, WriterSchema
from bridge.records.payload_framing import unframe
from bridge.records.record_lines import metadata_place, place_of_line, record_of_line, schema_of_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from bridge.records.record_lines import FilePlace
    from bridge.records.record_places import Surroundings
    from bridge.records.writer_schemas import WriterSchemas

_CONTAINER: Final = b"Obj\x01"
_EXPORTED: Final = "`chatbridge export` writes files that can be verified"
_IN_NAME: Final = re.compile(r"\+(\d{1,9})\+\d{1,19}\.\w+$")
"""How Kafka Connect's and this program's files end: +partition+offset of the first record."""

_TYPES: Final = (SESSION_RECORD, TRANSCRIPT_EVENT)


@dataclass(slots=True)
class FileRecord:
    """One record of a file.

    `record` is it as its writer's schema reads it; None where that was not needed to find its end. `around` and
    `offset` are None where the file does not say them. `written` is None when what wrote it is not known, as `unknown`
    says.
    """

    number: int
    payload: bytes
    written: WriterSchema | None
    record: dict[str, Any] | None = None
    around: Surroundings | None = None
    offset: int | None = None
    unknown: SchemaUnknown | None = None


class RecordFile(Protocol):
    """A file that was opened. Iterating raises VerificationFailed where it is damaged: then no more of it is read.

    `type` is the full name of the Avro type of its records, `place` where they were, None when it does not say so.
    `has_surroundings`: its records come with keys, headers and Kafka's times.
    """

    has_surroundings: ClassVar[bool]
    path: Path
    type: str
    place: FilePlace | None
    partition: int | None

    def records(self) -> Iterator[FileRecord]:
        """Yield its records in order."""


def files_of(paths: Iterable[Path]) -> list[Path]:
    """Return the files that are named, and those in folders that are.

    Raises EnvironmentFault, also when one is not whole.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(each for each in path.iterdir() if each.is_file() and not each.name.startswith("."))
            if not inside:
                raise EnvironmentFault(f"{path} holds no file", next_step=_EXPORTED)
            found += inside
        else:
            found.append(path)
    for path in found:
        check_whole(path)
    return list(dict.fromkeys(found))


def opened(path: Path, writers: WriterSchemas) -> RecordFile:
    """Open a file. `writers` learns the schemas of JSON lines. Raises EnvironmentFault when it holds no records."""
    try:
        with path.open("rb") as file:
            beginning = file.read(len(_CONTAINER))
        return ContainerFile(path) if beginning == _CONTAINER else LinesFile(path, writers)
    except OSError as error:
        raise EnvironmentFault(f"{path} cannot be read: {error.strerror}") from error
    except VerificationFailed as error:
        raise EnvironmentFault(f"{path}: {error.message}", next_step=_EXPORTED) from error


class ContainerFile:
    """An Avro object container file."""

    has_surroundings: ClassVar[bool] = False

    def __init__(self, path: Path) -> None:
        """Read its header. Raises OSError, VerificationFailed."""
        self.path = path
        with path.open("rb") as file:
            reader = _blocks(file)
            self._written = WriterSchema.of(reader.writer_schema)
            self.place = metadata_place(reader.metadata)
        self.type = _checked(self._written.name)
        self.partition = self.place.partition if self.place is not None else _partition_in(path)

    def records(self) -> Iterator[FileRecord]:
        """Yield its records in order."""
        number, blocks = 0, 0
        with self.path.open("rb") as file:
            found = iter(_blocks(file))
            while True:
                blocks += 1
                try:
                    block = next(found, None)
                    if block is None:
                        return
                    data = block.bytes_.read()
                except Exception as error:  # fastavro has no common error type
                    raise VerificationFailed(f"block {blocks} is damaged: {type(error).__name__}") from error
                source = io.BytesIO(data)
                for _ in range(block.num_records):
                    number += 1
                    yield self._next(source, data, number)
                if source.tell() != len(data):
                    raise VerificationFailed(f"block {blocks} is damaged: bytes are left over")

    def _next(self, source: io.BytesIO, data: bytes, number: int) -> FileRecord:
        begin = source.tell()
        try:
            record = schemaless_reader(source, self._written.parsed, None)
        except Exception as error:  # fastavro has no common error type
            raise VerificationFailed(f"record {number} cannot be read: {type(error).__name__}") from error
        if not isinstance(record, dict):
            raise VerificationFailed(f"record {number} is no record")
        return FileRecord(number, data[begin : source.tell()], self._written, record)


class LinesFile:
    """JSON lines of `chatbridge export`."""

    has_surroundings: ClassVar[bool] = True

    def __init__(self, path: Path, writers: WriterSchemas) -> None:
        """Read its first line. Raises OSError, VerificationFailed."""
        self.path = path
        self._writers = writers
        with path.open("rb") as file:
            place = place_of_line(file.readline())
        if place is None:
            raise VerificationFailed(
                "neither an Avro container file nor JSON lines with the encoded values: lines rendered for reading, "
                "such as those of `chatbridge tail --json`, do not have the bytes that were hashed"
            )
        self.place: FilePlace | None = place
        self.type = _checked(place.type)
        self.partition: int | None = place.partition

    def records(self) -> Iterator[FileRecord]:
        """Yield its records in order."""
        with self.path.open("rb") as file:
            file.readline()
            for number, line in enumerate(file, 2):
                schema = schema_of_line(line) if line.startswith(b'{"fingerprint"') else None
                if schema is not None:
                    self._writers.learn(*schema)
                    continue
                try:
                    offset, around, value = record_of_line(line)
                    writer, payload = unframe(value)
                except VerificationFailed as error:
                    raise VerificationFailed(f"line {number}: {error.message}") from error
                read = FileRecord(number, payload, None, around=around, offset=offset)
                try:
                    read.written = self._writers.of(writer)
                except SchemaUnknown as error:
                    read.unknown = error
                yield read


def _blocks(file: BinaryIO) -> Any:
    try:
        return block_reader(file)
    except Exception as error:  # fastavro has no common error type
        raise VerificationFailed(f"not an Avro container file that can be read: {type(error).__name__}") from error


def _checked(name: str) -> str:
    if name not in _TYPES:
        raise VerificationFailed(f"it holds records of {name}, not transcript events or session records")
    return name


def _partition_in(path: Path) -> int | None:
    found = _IN_NAME.search(path.name)
    return None if found is None else int(found[1])
