"""The Avro schemas: loaded once, resolved, fingerprinted; and general encoding and decoding with them.

Not on the hot path: `normalise.py` assembles records from encoded pieces (see `binary.py`). This module serves what is
rare (session records, the registry, reading back); its encoding is the reference for the assembled one.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.read import SchemaResolutionError
from fastavro.schema import fingerprint, to_parsing_canonical_form

from bridge.errors import EnvironmentFault, SchemaUnknown, VerificationFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.resources.abc import Traversable

NAMESPACE: Final = "org.chatbridge.v1"
TRANSCRIPT_EVENT: Final = f"{NAMESPACE}.TranscriptEvent"
SESSION_RECORD: Final = f"{NAMESPACE}.SessionRecord"
QUARANTINED_INPUT: Final = f"{NAMESPACE}.QuarantinedInput"
SESSION_CHECKPOINT: Final = f"{NAMESPACE}.SessionCheckpoint"
AUDIT_RECORD: Final = f"{NAMESPACE}.AuditRecord"
CERTIFICATE: Final = f"{NAMESPACE}.Certificate"
SUMMARY: Final = f"{NAMESPACE}.Summary"

ROOTS: Final = (TRANSCRIPT_EVENT, SESSION_RECORD, QUARANTINED_INPUT, SESSION_CHECKPOINT, AUDIT_RECORD)
"""The types that are values of a topic; the others occur inside them."""

_SUFFIX: Final = ".avsc"


def schema_folder() -> Traversable:
    """Return the folder of the schemas: inside the package when installed, at the root of a source tree otherwise."""
    installed = resources.files("bridge") / "schemas"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "schemas"


@dataclass(slots=True, frozen=True)
class WriterSchema:
    """A self-contained schema that a record was written with.

    Full name, CRC-64-AVRO as 8 bytes, form for fastavro without logical types, and as Python data as it came.
    """

    name: str
    fingerprint: bytes
    parsed: Any
    source: Any

    @classmethod
    def of(cls, schema: Any) -> WriterSchema:
        """Take a schema as Python data. Raises VerificationFailed when it is no schema of a record."""
        try:
            parsed: Any = parse_schema(_without_logical_types(schema))
            known = fingerprint_of(schema)
        except Exception as error:  # fastavro has no common error type
            raise VerificationFailed(f"the schema cannot be read: {type(error).__name__}") from error
        if not isinstance(parsed, dict) or parsed["type"] != "record":
            raise VerificationFailed("the schema is not one of a record")
        return cls(parsed["name"], known, parsed, schema)


def canonical_form(schema: Any) -> str:
    """Return Avro's parsing canonical form: all that a reader of records needs to know of their writer's schema."""
    return to_parsing_canonical_form(schema)


def fingerprint_of(schema: Any) -> bytes:
    """Return the 8 bytes that single-object encoding carries: CRC-64-AVRO, little-endian, of the canonical form."""
    return bytes.fromhex(fingerprint(canonical_form(schema), "CRC-64-AVRO"))


class Schemas:
    """Every schema of a folder with one `.avsc` file per named type, named by its full name.

    Types refer to each other by full name; `text` and `fingerprint` are of the self-contained form, in which each
    type is written out where it is first used.
    """

    def __init__(self, folder: Traversable, roots: Sequence[str] = ROOTS) -> None:
        """Read and resolve them; another version may have other `roots` than this one.

        Raises EnvironmentFault when the folder lacks one of them or holds an unreadable type.
        """
        self._sources: dict[str, dict[str, Any]] = {}
        for file in folder.iterdir() if folder.is_dir() else ():
            if file.name.endswith(_SUFFIX):
                self._sources[file.name.removesuffix(_SUFFIX)] = _load(file)
        missing = [name for name in roots if name not in self._sources]
        if missing:
            raise EnvironmentFault(
                f"no schema {missing[0]} in {folder}", next_step="install the package again, or restore schemas/"
            )
        self._whole: dict[str, dict[str, Any]] = {name: self._inline(name, set()) for name in roots}
        # Timestamps are decoded as plain numbers: as dates, values outside the calendar would fail.
        self._plain = {name: parse_schema(_without_logical_types(whole)) for name, whole in self._whole.items()}
        self._fingerprints = {name: fingerprint_of(whole) for name, whole in self._whole.items()}

    def _inline(self, name: str, defined: set[str]) -> dict[str, Any]:
        """Return the schema with each type that is not `defined` yet written out where it is first used."""
        defined.add(name)

        def resolve(node: Any) -> Any:
            if isinstance(node, str) and node in self._sources and node not in defined:
                return self._inline(node, defined)
            if isinstance(node, list):
                return [resolve(branch) for branch in node]
            if isinstance(node, dict):
                return {
                    key: resolve(value) if key in ("type", "items", "values") else value for key, value in node.items()
                }
            return node

        source = self._sources[name]
        return {**source, "fields": [resolve(field) for field in source["fields"]]}

    def names(self) -> Iterator[str]:
        """Yield the full names of all types, in alphabetical order."""
        return iter(sorted(self._sources))

    def whole(self, name: str) -> dict[str, Any]:
        """Return the self-contained schema of one of the roots, as Python data."""
        return self._whole[name]

    def plain(self, name: str) -> dict[str, Any]:
        """Return the same without logical types: timestamps are numbers in the unit of their field."""
        found: dict[str, Any] = _without_logical_types(self._whole[name])
        return found

    def text(self, name: str) -> str:
        """Return the self-contained schema of one of the roots as JSON, which is what a schema registry takes."""
        return json.dumps(self._whole[name], ensure_ascii=False)

    def fingerprint(self, name: str) -> bytes:
        """Return `fingerprint_of` one of the roots."""
        return self._fingerprints[name]

    def encode(self, name: str, record: dict[str, Any]) -> bytes:
        """Encode a record of one of the roots; timestamps are numbers in the unit of their field."""
        out = io.BytesIO()
        schemaless_writer(out, self._plain[name], record)
        return out.getvalue()

    def decode(self, name: str, payload: bytes, written: WriterSchema | None = None) -> dict[str, Any]:
        """Decode a record of one of the roots; timestamps come as numbers in the unit of their field.

        `written` is the schema that it was written with, None: today's. The record has the fields of today's.
        Raises VerificationFailed when the payload is no such record, or bytes are left over; SchemaUnknown when today's
        schema cannot read what `written` wrote.
        """
        if written is None or written.fingerprint == self._fingerprints[name]:
            return _read(name, payload, self._plain[name])
        if written.name != name:
            raise VerificationFailed(f"not a {name}: written as a {written.name}")
        _read(name, payload, written.parsed)  # what resolution skips may be damaged, too
        try:
            return _read(name, payload, written.parsed, self._plain[name])
        except SchemaResolutionError as error:
            raise SchemaUnknown(
                f"schema {written.fingerprint.hex()} cannot be resolved to that of this version",
                next_step="use the version of the bridge that wrote it, or a later one",
            ) from error


def _read(name: str, payload: bytes, writer: Any, reader: Any = None) -> dict[str, Any]:
    source = io.BytesIO(payload)
    try:
        record = schemaless_reader(source, writer, reader)
    except SchemaResolutionError:
        raise
    except Exception as error:  # fastavro has no common error type: damage shows as EOFError, IndexError, ...
        raise VerificationFailed(f"not a {name}: {type(error).__name__}") from error
    if source.tell() != len(payload) or not isinstance(record, dict):
        raise VerificationFailed(f"not a {name}: {len(payload) - source.tell()} bytes left over")
    return record


def _load(file: Traversable) -> dict[str, Any]:
    try:
        schema = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise EnvironmentFault(f"{file} is no JSON: {error}") from error
    full_name = f"{schema.get('namespace')}.{schema.get('name')}" if isinstance(schema, dict) else None
    if f"{full_name}{_SUFFIX}" != file.name:
        raise EnvironmentFault(f"{file} does not hold the type that its name says")
    return dict(schema)


def _without_logical_types(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_logical_types(value) for key, value in node.items() if key != "logicalType"}
    return [_without_logical_types(item) for item in node] if isinstance(node, list) else node
