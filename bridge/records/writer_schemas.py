"""The schemas that wrote what is stored: records are read with them and resolved to today's (P7).

A value's header names its writer's schema by fingerprint or by the id in a registry (`payload_framing`). Fingerprints
are known of today's schemas, of the released ones (`schemas/released/`), and of those that were learnt: the checkpoints
topic carries the schemas of all that a shard reads back. Ids are valid in one registry only, and known once they were
learnt from it.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, Final

from bridge.errors import EnvironmentFault, SchemaUnknown, VerificationFailed
from bridge.records.avro import (
    ROOTS,
    SESSION_CHECKPOINT,
    SESSION_RECORD,
    TRANSCRIPT_EVENT,
    Schemas,
    WriterSchema,
    canonical_form,
    schema_folder,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from importlib.resources.abc import Traversable

RELEASED: Final = "released"
"""The folder of the released schemas in that of today's: a folder per version with a file per type of a topic."""

_SCHEMA_KEY: Final = "#schema:"
"""What the keys of records begin with that hold a schema; no id of a session has a `#`."""

KEPT: Final = (SESSION_CHECKPOINT, TRANSCRIPT_EVENT, SESSION_RECORD)
"""The types whose schemas the checkpoints topic carries: whatever a shard that is opened reads back."""

MOST_LEARNT: Final = 1_000
"""Limit for schemas that are learnt; an installation has a few."""


def shown(writer: int | bytes) -> str:
    """Return how messages name a schema: by its id in the registry, or by the hexadecimal digits of its fingerprint."""
    return writer.hex() if isinstance(writer, bytes) else str(writer)


def is_schema_key(key: str) -> bool:
    """Tell whether a record with this key holds a schema."""
    return key.startswith(_SCHEMA_KEY)


def schema_record(schemas: Schemas, name: str) -> tuple[str, bytes]:
    """Return the key and the value of a record that holds today's schema of a type, in canonical form."""
    return f"{_SCHEMA_KEY}{shown(schemas.fingerprint(name))}", canonical_form(schemas.whole(name)).encode()


def released_schemas(folder: Traversable) -> Iterator[Any]:
    """Yield the schemas of the released versions below the folder of today's, as Python data.

    Raises EnvironmentFault on a file that is no JSON.
    """
    released = folder / RELEASED
    for version in released.iterdir() if released.is_dir() else ():
        for file in version.iterdir() if version.is_dir() else ():
            try:
                yield json.loads(file.read_text(encoding="utf-8"))
            except ValueError as error:
                raise EnvironmentFault(f"{file} is no JSON: {error}", next_step="install the package again") from error


class WriterSchemas:
    """All schemas that are known, by what the header of a value says."""

    def __init__(self, schemas: Schemas, released: Iterable[Any] = ()) -> None:
        """Start with today's and the released ones, as Python data. Raises VerificationFailed on what is no schema."""
        self.schemas = schemas
        self._known: dict[int | bytes, WriterSchema] = {}
        self._learnt = 0
        for schema in (*released, *map(schemas.whole, ROOTS)):
            known = WriterSchema.of(schema)
            self._known[known.fingerprint] = known

    @classmethod
    def shipped(cls) -> WriterSchemas:
        """Return those that the package brings. Raises EnvironmentFault when they are not all there."""
        folder = schema_folder()
        return cls(Schemas(folder), released_schemas(folder))

    def of(self, writer: int | bytes) -> WriterSchema:
        """Return the schema that a value's header names. Raises SchemaUnknown."""
        known = self._known.get(writer)
        if known is None:
            by_id = isinstance(writer, int)
            raise SchemaUnknown(
                f"schema {shown(writer)} is not known",
                next_step="set schema_registry.url to the registry that gave this id"
                if by_id
                else "use the version of the bridge that wrote it, or a later one",
            )
        return known

    def decode(self, name: str, payload: bytes, writer: int | bytes) -> dict[str, Any]:
        """Decode as `Schemas.decode` does, with the schema that the value's header names.

        Raises SchemaUnknown when it is not known, VerificationFailed when the payload is no such record.
        """
        return self.schemas.decode(name, payload, self.of(writer))

    def decode_own(self, name: str, payload: bytes, writer: int | bytes) -> dict[str, Any]:
        """Decode what a bridge of this installation wrote, whatever registry gave the id in the value's header.

        An id is valid in one registry, and a shard may read what was written with another one, or with none now. So an
        id is not asked for: the schema is that of the known ones that reads the payload to its last byte. Raises as
        `decode` does.
        """
        if isinstance(writer, bytes):
            return self.decode(name, payload, writer)
        for known in [known for known in self._known.values() if known.name == name]:
            with contextlib.suppress(VerificationFailed):
                return self.schemas.decode(name, payload, known)
        raise SchemaUnknown(
            f"no known schema of {name} reads a value with schema {shown(writer)} of a registry",
            next_step="use the version of the bridge that wrote it, or a later one",
        )

    def learn(self, writer: int | bytes, text: str | bytes) -> None:
        """Take a schema that came from a registry, or with the records. What is known already stays as it is.

        Raises VerificationFailed when the text is no schema of a record, or has another fingerprint; SchemaUnknown
        when too many were learnt.
        """
        if writer in self._known:
            return
        if self._learnt >= MOST_LEARNT:
            raise SchemaUnknown(f"schema {shown(writer)} is one too many: {MOST_LEARNT} were learnt")
        try:
            schema = WriterSchema.of(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise VerificationFailed(f"schema {shown(writer)} is no JSON") from error
        except VerificationFailed as error:
            raise VerificationFailed(f"schema {shown(writer)}: {error.message}") from error
        if isinstance(writer, bytes) and schema.fingerprint != writer:
            raise VerificationFailed(f"schema {shown(writer)} has another fingerprint: {shown(schema.fingerprint)}")
        self._known[writer] = schema
        self._learnt += 1


def take_schemas(writers: WriterSchemas, records: Iterable[tuple[str, bytes]]) -> tuple[list[tuple[str, bytes]], bool]:
    """Let `writers` learn the schemas that a topic carries, from its records as (key, value).

    Returns the other records, and whether today's schemas of all KEPT types are there. Raises as `learn` does.
    """
    others: list[tuple[str, bytes]] = []
    missing = {schema_record(writers.schemas, name)[0] for name in KEPT}
    for key, value in records:
        if not is_schema_key(key):
            others.append((key, value))
            continue
        missing.discard(key)
        try:
            fingerprint = bytes.fromhex(key.removeprefix(_SCHEMA_KEY))
        except ValueError as error:
            raise VerificationFailed("a record with a schema whose key names no fingerprint") from error
        writers.learn(fingerprint, value)
    return others, not missing
