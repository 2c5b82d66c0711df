"""Values of the topics, read with the schema that wrote each; plain fastavro, as any other consumer would.

The schema of a value is found as its header says: by fingerprint among those of this version and of other versions
that a run had, or by id in the registry that the run had.
"""

from __future__ import annotations

import io
import json
import urllib.request
from functools import cache
from pathlib import Path
from typing import Any, Final

import fastavro
from fastavro.schema import fingerprint, load_schema, to_parsing_canonical_form

from bridge.records.avro import WriterSchema

FOLDER: Final = Path(__file__).parents[2] / "schemas"
NAMES: Final = ("TranscriptEvent", "SessionRecord", "QuarantinedInput", "SessionCheckpoint")
SINGLE_OBJECT: Final = b"\xc3\x01"
SINGLE_OBJECT_BYTES: Final = 10
CONFLUENT_BYTES: Final = 5


def unframed(value: bytes) -> bytes:
    """Return the Avro payload of a value in Confluent's framing or in Avro's single-object encoding."""
    return value[SINGLE_OBJECT_BYTES:] if value[:2] == SINGLE_OBJECT else value[CONFLUENT_BYTES:]


def whole(folder: Path, name: str) -> Any:
    """Return the self-contained schema of a type from a folder with one file per type."""
    return load_schema(str(folder / f"org.chatbridge.v1.{name}.avsc"))


def print_of(schema: Any) -> bytes:
    return bytes.fromhex(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO"))


@cache
def _fetched(registry: str, schema_id: int) -> Any:
    with urllib.request.urlopen(f"{registry}/schemas/ids/{schema_id}", timeout=30) as answer:
        return fastavro.parse_schema(json.loads(json.load(answer)["schema"]))


class WrittenValues:
    """Reads values that this version wrote, or versions whose schemas lie in `folders`. `registry`: that of the run."""

    def __init__(self, registry: str | None = None, *folders: Path) -> None:
        self._registry = registry
        self._today = {name: whole(FOLDER, name) for name in NAMES}
        schemas = [*self._today.values(), *(whole(folder, name) for folder in folders for name in NAMES)]
        self._by_fingerprint = {print_of(schema): schema for schema in reversed(schemas)}
        self._writers: dict[bytes, WriterSchema] = {}

    def schema_of(self, value: bytes) -> Any:
        """Return the schema that wrote a value. Raises LookupError when neither folders nor registry have it."""
        if value[:2] == SINGLE_OBJECT:
            return self._by_fingerprint[value[2:SINGLE_OBJECT_BYTES]]
        schema_id = int.from_bytes(value[1:CONFLUENT_BYTES], "big")
        if self._registry is None:
            raise LookupError(f"schema {schema_id} of a registry that was not named")
        return _fetched(self._registry, schema_id)

    def writer_of(self, value: bytes) -> WriterSchema:
        """Return the same in the form that `Verifier` takes."""
        header = value[: len(value) - len(unframed(value))]
        if header not in self._writers:
            self._writers[header] = WriterSchema.of(self.schema_of(value))
        return self._writers[header]

    def written(self, value: bytes) -> dict[str, Any]:
        """Return a value as the record that was written, with all fields of its own schema."""
        record: Any = fastavro.schemaless_reader(io.BytesIO(unframed(value)), self.schema_of(value), None)
        return dict(record)

    def read(self, name: str, value: bytes) -> dict[str, Any]:
        """Return a value as a record of today's type `name`."""
        source, writer, today = io.BytesIO(unframed(value)), self.schema_of(value), self._today[name]
        record: Any = fastavro.schemaless_reader(source, writer, None if writer is today else today)
        assert not source.read()
        return dict(record)
