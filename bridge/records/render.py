"""Decoded records as JSON lines for people and tools: times readable, bytes as text.

Timestamps become RFC 3339 in UTC (a number stays when it lies outside the years 1 to 9999), hashes become hex, other
bytes base64. The announcement inside a checkpoint is withheld: it may hold a session password (P5).
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any, Final

import msgspec

from bridge.records.avro import ROOTS
from bridge.transcript.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.records.avro import Schemas

    Render = Callable[[Any], Any]

WITHHELD: Final = "withheld"

_HASHES: Final = frozenset({"previousHash", "hash", "head", "chainHead"})
_PRIVATE: Final = frozenset({"announcement"})
_MICROSECONDS: Final = {"timestamp-millis": 1000, "timestamp-micros": 1}


class Renderer:
    """Renders records of the topics' types, with one function per type that is derived from the schemas once."""

    def __init__(self, schemas: Schemas) -> None:
        self._types: dict[str, Render] = {}
        self._roots = {name: self._of(schemas.whole(name), "") for name in ROOTS}
        self._encode = msgspec.json.Encoder().encode

    def plain(self, name: str, record: dict[str, Any]) -> dict[str, Any]:
        """Return a record that `Schemas.decode` returned as values that JSON knows."""
        rendered: dict[str, Any] = self._roots[name](record)
        return rendered

    def line(self, name: str, record: dict[str, Any]) -> bytes:
        """Return the record as one line of JSON, without the line's end."""
        return self._encode(self.plain(name, record))

    def _of(self, schema: Any, field: str) -> Render:
        """Return the function for values of a schema that stand in a field of this name."""
        if isinstance(schema, list):  # null and one other: the only unions there are
            return _unless_none(self._of(schema[1], field))
        if isinstance(schema, str):
            return self._types.get(schema) or (_bytes_of(field) if schema == "bytes" else _same)
        match schema["type"]:
            case "record":
                parts = [(part["name"], self._of(part["type"], part["name"])) for part in schema["fields"]]
                render = self._types[f"{schema['namespace']}.{schema['name']}"] = _record_of(parts)
                return render
            case "array":
                return _list_of(self._of(schema["items"], field))
            case "map":
                return _same  # of texts or numbers
            case _:
                return _time_of(_MICROSECONDS[schema["logicalType"]])


def _same(value: Any) -> Any:
    return value


def _unless_none(render: Render) -> Render:
    return lambda value: None if value is None else render(value)


def _record_of(parts: list[tuple[str, Render]]) -> Render:
    return lambda record: {name: render(record[name]) for name, render in parts}


def _list_of(render: Render) -> Render:
    return lambda items: [render(item) for item in items]


def _bytes_of(field: str) -> Render:
    if field in _PRIVATE:
        return lambda _: WITHHELD
    return bytes.hex if field in _HASHES else lambda value: b64encode(value).decode()


def _time_of(microseconds: int) -> Render:
    def render(value: int) -> str | int:
        try:
            return rfc3339(value * microseconds)
        except OverflowError:
            return value

    return render
