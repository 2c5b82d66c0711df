"""Decodes TranscriptEvents of the reader's schema one after the other: what repeats in the records of a chat, once.

Most records are messages. Of those, numbers and times come first, then who may see it and who said it, the same in all
that one party says; then the text; then session, origin and what the settings decide, the same in most records of a
chat; then the hashes. Numbers and times are decoded, and the bytes before and after the text are looked up: equal bytes
are equal fields. Of other records, what comes after the author is decoded. Pure.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fastavro import parse_schema, schemaless_reader

from bridge.errors import VerificationFailed
from bridge.records.avro import TRANSCRIPT_EVENT
from bridge.records.chain import split

if TYPE_CHECKING:
    from bridge.records.avro import Schemas

_AUTHOR: Final = ("visibility", "receiverId", "party")
_OWN: Final = (
    *("notice", "file", "departure", "gap", "fills", "amends", "amendment"),
    *("userData", "userDataTypes", "eventAttributes", "eventAttributeTypes", "unknownAttributes"),
)
"""Fields that a message leaves empty."""
_A_MESSAGE: Final = 2
"""Avro's prefix of a value that may be null, and is not."""
_ONE_BYTE: Final = 0x80
"""Below, a byte is a whole number in Avro, or its end."""
_TELLING: Final = 32
"""Bytes that tell authors apart in most cases: visibility and user id are among them."""
_KNOWN: Final = 4_096
"""Authors, and ends, that are remembered at most; then they are forgotten, all at once."""


class _Author(NamedTuple):
    encoded: bytes
    fields: dict[str, Any]


class _End(NamedTuple):
    of_message: dict[str, Any]
    fields: dict[str, Any]


class EventDecoding:
    """Returns records equal to those of `Schemas.decode`. They share what repeats: do not change it."""

    def __init__(self, schemas: Schemas) -> None:
        """Split the schema where fields that repeat begin and end."""
        self._schemas = schemas
        fields = schemas.plain(TRANSCRIPT_EVENT)["fields"]
        names = tuple(field["name"] for field in fields)
        first = names.index(_AUTHOR[0])
        message = first + len(_AUTHOR)
        parts = fields[message]["type"][1]["fields"]
        order = (*_AUTHOR, "message", *_OWN)
        if (names[first : first + len(order)], parts[0]["name"], names[-1]) != (order, "text", "integrity"):
            raise ValueError("the fields of TranscriptEvent have another order than the one that decoding relies on")
        self._numbers = _part("Numbers", fields[:first])
        self._author = _part("Author", fields[first:message])
        self._rest = _part("Rest", fields[message:-1])
        self._after_text = _part("AfterText", parts[1:])
        self._after_message = _part("AfterMessage", fields[message + 1 : -1])
        self._authors: dict[bytes, _Author] = {}
        self._ends: dict[bytes, _End] = {}

    def decode(self, payload: bytes) -> dict[str, Any]:
        """Decode the payload of a record. Raises VerificationFailed when it is none."""
        try:
            body, previous, own = split(payload)
            record, at = _fields(body, 0, self._numbers)
            author = self._authors.get(body[at : at + _TELLING])
            if author is None or not body.startswith(author.encoded, at):
                author = self._meet(body, at)
            record.update(author.fields)
            at += len(author.encoded)
            if body[at] == _A_MESSAGE:
                text, at = _text(body, at + 1)
                encoded = body[at:]
                end = self._ends.get(encoded) or self._learn(encoded)
                record["message"] = {"text": text, **end.of_message}
                record.update(end.fields)
            else:
                record.update(_whole(body, at, self._rest))
        except Exception:  # noqa: BLE001 - fastavro has no common error type
            return self._schemas.decode(TRANSCRIPT_EVENT, payload)  # which says what is wrong
        record["integrity"] = {"previousHash": previous, "hash": own}
        return record

    def _meet(self, body: bytes, at: int) -> _Author:
        fields, end = _fields(body, at, self._author)
        author = _Author(body[at:end], fields)
        if len(self._authors) >= _KNOWN:
            self._authors.clear()
        self._authors[body[at : at + _TELLING]] = author
        return author

    def _learn(self, encoded: bytes) -> _End:
        of_message, at = _fields(encoded, 0, self._after_text)
        fields = _whole(encoded, at, self._after_message)
        end = _End(of_message, fields)
        if not any(fields[name] for name in _OWN):
            if len(self._ends) >= _KNOWN:
                self._ends.clear()
            self._ends[encoded] = end
        return end


def _part(name: str, fields: list[dict[str, Any]]) -> Any:
    return parse_schema({"type": "record", "name": f"{TRANSCRIPT_EVENT}{name}", "fields": fields})


def _fields(body: bytes, at: int, schema: Any) -> tuple[dict[str, Any], int]:
    """Return the fields that the bytes from `at` on begin with, and where they end."""
    source = io.BytesIO(body)
    source.seek(at)
    fields: dict[str, Any] = schemaless_reader(source, schema, None)  # type: ignore[assignment]
    return fields, source.tell()


def _whole(body: bytes, at: int, schema: Any) -> dict[str, Any]:
    """Return the fields that the bytes from `at` on hold. Raises VerificationFailed when some are left over."""
    fields, end = _fields(body, at, schema)
    if end != len(body):
        raise VerificationFailed("bytes left over")
    return fields


def _text(body: bytes, at: int) -> tuple[str, int]:
    """Return an encoded text and where it ends. Raises IndexError or ValueError when there is none."""
    size = body[at]
    shift = 7
    while body[at] >= _ONE_BYTE:
        at += 1
        size += (body[at] - 1) << shift  # without the bit that said that this byte follows
        shift += 7
    start = at + 1
    end = start + (size >> 1)
    if size & 1 or end > len(body):
        raise ValueError("a text of less than no bytes, or of more than there are")
    return body[start:end].decode(), end
