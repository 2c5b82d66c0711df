"""What the next version of `next_version.py` adds to its records: a value in each field that is new there.

A file of that version, where it is called `bridge.records.later_fields`. Records are encoded as in this version, then
decoded and encoded again with the new fields: so every type has its value, however it is encoded by hand.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Final

from fastavro import parse_schema, schemaless_reader, schemaless_writer

FIELD: Final = "later"
"""The name of the new field of each type."""
VALUE: Final = "told"
"""What it holds in every record."""


@dataclass(slots=True, frozen=True)
class _Forms:
    """A type without and with its new fields, for fastavro; `records` are the types in it by full name."""

    former: Any
    later: Any
    records: dict[str, Any]


_FORMS: Final[dict[tuple[str, int], _Forms]] = {}


def with_values(schema: Any, record: dict[str, Any]) -> dict[str, Any]:
    """Return a record of a self-contained schema with a value in each new field, also of the records in it."""
    return dict(_filled(schema, record, _records_of(schema)))


def payload_with_values(schema: Any, payload: bytes, *, leave_out: int = 0) -> bytes:
    """Return an encoded record with the new fields, from one without; `leave_out` last fields are not in either."""
    forms = _forms(schema, leave_out)
    record = schemaless_reader(io.BytesIO(payload), forms.former, None)
    out = io.BytesIO()
    schemaless_writer(out, forms.later, _filled(forms.later, record, forms.records))
    return out.getvalue()


def _forms(schema: Any, leave_out: int) -> _Forms:
    key = (schema["name"], leave_out)
    if key not in _FORMS:
        fields = schema["fields"][: len(schema["fields"]) - leave_out]
        later = _plain({**schema, "fields": fields})
        _FORMS[key] = _Forms(parse_schema(_without(later)), parse_schema(later), _records_of(later))
    return _FORMS[key]


def _filled(node: Any, value: Any, records: dict[str, Any]) -> Any:
    if isinstance(node, list):
        if isinstance(value, tuple):  # a branch that is told by its name
            value = value[1]
        return None if value is None else _filled(node[-1], value, records)
    if isinstance(node, str):
        return _filled(records[node], value, records) if node in records else value
    match node["type"]:
        case "record":
            known = {
                field["name"]: _filled(field["type"], value[field["name"]], records)
                for field in node["fields"]
                if field["name"] in value
            }
            return {**known, FIELD: VALUE} if any(field["name"] == FIELD for field in node["fields"]) else known
        case "array":
            return [_filled(node["items"], one, records) for one in value]
        case "map":
            return {key: _filled(node["values"], one, records) for key, one in value.items()}
    return value


def _records_of(node: Any) -> dict[str, Any]:
    """Return the records in a schema by full name."""
    found: dict[str, Any] = {}
    if isinstance(node, list):
        for branch in node:
            found |= _records_of(branch)
    elif isinstance(node, dict):
        if node.get("type") == "record":
            name = node["name"]
            found[name if "." in name else f"{node['namespace']}.{name}"] = node
        for key in ("type", "items", "values", "fields"):
            found |= _records_of(node.get(key))
    return found


def _plain(node: Any) -> Any:
    """Return a schema without logical types: timestamps are numbers."""
    if isinstance(node, dict):
        return {key: _plain(value) for key, value in node.items() if key != "logicalType"}
    return [_plain(item) for item in node] if isinstance(node, list) else node


def _without(node: Any) -> Any:
    """Return a schema without the new fields."""
    if isinstance(node, dict):
        return {key: _without(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_without(item) for item in node if not (isinstance(item, dict) and item.get("name") == FIELD)]
    return node
