"""Decodes TranscriptEvents of the reader's schema one after the other: what repeats in the records of a chat, once.

Most records are messages. After its text, a message has no more content of its own: then come session, origin and what
the settings decide, which are the same in most records of a chat, and the hashes. The fields up to the text are
decoded, and the bytes between are looked up: equal bytes are equal fields. Pure.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

from fastavro import parse_schema, schemaless_reader

from bridge.errors import VerificationFailed
from bridge.records.avro import TRANSCRIPT_EVENT
from bridge.records.chain import split

if TYPE_CHECKING:
    from bridge.records.avro import Schemas

_OWN: Final = (
    *("notice", "file", "departure", "gap", "fills", "amends", "amendment"),
    *("userData", "userDataTypes", "eventAttributes", "eventAttributeTypes", "unknownAttributes"),
)
"""Fields that a message leaves empty: a byte 0 each."""
_EMPTY: Final = bytes(len(_OWN))
_KNOWN: Final = 4_096
"""Ends that are remembered at most; then they are forgotten, all at once."""


class EventDecoding:
    """Returns records equal to those of `Schemas.decode`. They share what repeats: do not change it."""

    def __init__(self, schemas: Schemas) -> None:
        """Split the schema before the fields that repeat."""
        self._schemas = schemas
        whole = schemas.plain(TRANSCRIPT_EVENT)
        fields = whole["fields"]
        first = next(at for at, field in enumerate(fields) if field["name"] == _OWN[0])
        names = tuple(field["name"] for field in fields[first:])
        if names[: len(_OWN)] != _OWN or names[-1] != "integrity":
            raise ValueError("the fields of TranscriptEvent have another order than the one that decoding relies on")
        name = f"{TRANSCRIPT_EVENT}Part"
        self._before = parse_schema({"type": "record", "name": f"{name}1", "fields": fields[:first]})
        self._repeated = parse_schema({"type": "record", "name": f"{name}2", "fields": fields[first:-1]})
        self._known: dict[bytes, dict[str, Any]] = {}

    def decode(self, payload: bytes) -> dict[str, Any]:
        """Decode the payload of a record. Raises VerificationFailed when it is none."""
        source = io.BytesIO(payload)
        try:
            body, previous, own = split(payload)
            record: dict[str, Any] = schemaless_reader(source, self._before, None)  # type: ignore[assignment]
            rest = body[source.tell() :]
            known = self._known.get(rest)
            if known is None:
                known = self._learn(rest)
        except Exception:  # noqa: BLE001 - fastavro has no common error type
            return self._schemas.decode(TRANSCRIPT_EVENT, payload)  # which says what is wrong
        record.update(known)
        record["integrity"] = {"previousHash": previous, "hash": own}
        return record

    def _learn(self, rest: bytes) -> dict[str, Any]:
        source = io.BytesIO(rest)
        fields: dict[str, Any] = schemaless_reader(source, self._repeated, None)  # type: ignore[assignment]
        if source.tell() != len(rest):
            raise VerificationFailed("bytes left over")
        if rest.startswith(_EMPTY):
            if len(self._known) >= _KNOWN:
                self._known.clear()
            self._known[rest] = fields
        return fields
