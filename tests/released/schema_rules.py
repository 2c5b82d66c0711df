"""What a version may change of a schema within a major version (P7): add fields that have a default, and nothing else.

The rules compare two self-contained schemas as Python data. `reads` tries the same on records.
"""

from __future__ import annotations

import io
from typing import Any, Final

from fastavro import parse_schema, schemaless_reader, schemaless_writer

_LAST: Final = ("integrity", "signature")
_FIXED: Final = ("Integrity", "Signature")
"""They are the end of a record, before which all bytes are hashed, or signed."""
_WORDS: Final[dict[str, tuple[Any, Any]]] = {
    "string": ("", "grüße"),
    "bytes": (b"", b"\0\xff"),
    "boolean": (False, True),
    "int": (0, -(2**31)),
    "long": (0, -(2**63)),
    "float": (0.0, 1.5),
    "double": (0.0, 1.5),
    "null": (None, None),
}
"""Type -> an empty value and another one."""


def violations(older: Any, newer: Any) -> list[str]:
    """Return what `newer` changes of `older` that it may not."""
    old, new = _records_of(older), _records_of(newer)
    found = [f"the type {name} is removed" for name in old.keys() - new.keys()]
    for name, record in new.items():
        fields = [field["name"] for field in record["fields"]]
        found += [f"{name}.{last} is not the last field" for last in _LAST if last in fields[:-1]]
        if (
            name in old
            and name.rpartition(".")[2] in _FIXED
            and fields != [field["name"] for field in old[name]["fields"]]
        ):
            found.append(f"{name} has a fixed form and gets no fields")
        if name in old:
            found += _changed_fields(name, old[name]["fields"], record["fields"])
    return found


def _changed_fields(record: str, old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[str]:
    before = {field["name"]: field for field in old}
    after = {field["name"]: field for field in new}
    found = [f"{record}.{name} is removed" for name in before if name not in after]
    found += [
        f"{record}.{name} has no default" for name in after if name not in before and "default" not in after[name]
    ]
    kept = [name for name in after if name in before]
    if kept != [name for name in before if name in after]:
        found.append(f"{record}: the fields are in another order")
    for name in kept:
        if _shape(before[name]["type"]) != _shape(after[name]["type"]):
            found.append(f"{record}.{name} has another type")
        if before[name].get("default", ...) != after[name].get("default", ...):
            found.append(f"{record}.{name} has another default")
    return found


def _records_of(schema: Any) -> dict[str, Any]:
    """Return the records in a schema by full name."""
    found: dict[str, Any] = {}

    def visit(node: Any) -> None:
        if isinstance(node, list):
            for branch in node:
                visit(branch)
        elif isinstance(node, dict):
            if node.get("type") == "record":
                found[_name_of(node)] = node
            for value in (node.get("type"), node.get("items"), node.get("values"), node.get("fields")):
                visit(value)

    visit(schema)
    return found


def _shape(node: Any) -> Any:
    """Return a type without what is compared elsewhere: records are their names."""
    if isinstance(node, list):
        return [_shape(branch) for branch in node]
    if not isinstance(node, dict):
        return node
    if node.get("type") == "record":
        return _name_of(node)
    return {key: _shape(value) for key, value in node.items() if key != "doc"}


def _name_of(record: Any) -> str:
    name, namespace = record["name"], record.get("namespace")
    return f"{namespace}.{name}" if namespace and "." not in name else name


def reads(reader: Any, writer: Any) -> str:
    """Return why records of `writer` cannot be read as `reader`; the empty text when they can."""
    reader, writer = _plain(reader), _plain(writer)
    records = _records_of(writer)
    for full in (False, True):
        record = _sample(writer, records, full=full)
        out = io.BytesIO()
        schemaless_writer(out, parse_schema(writer), record)
        out.seek(0)
        try:
            found: Any = schemaless_reader(out, parse_schema(writer), parse_schema(reader))
        except Exception as error:  # noqa: BLE001 - fastavro has no common error type
            return f"{type(error).__name__}: {error}"
        common = {
            name: value for name, value in found.items() if name in record and not isinstance(value, (dict, list))
        }
        if out.read() or any(record[name] != value for name, value in common.items()):
            return "other values than were written"
    return ""


def _plain(node: Any) -> Any:
    """Return a schema without logical types: timestamps are numbers."""
    if isinstance(node, dict):
        return {key: _plain(value) for key, value in node.items() if key != "logicalType"}
    return [_plain(item) for item in node] if isinstance(node, list) else node


def _sample(node: Any, records: dict[str, Any], *, full: bool) -> Any:
    """Return a value of a type, with all that may be null or empty there, or nothing of it."""
    if isinstance(node, list):
        return _sample(node[-1], records, full=full) if full else None
    if isinstance(node, str):
        return _WORDS[node][full] if node in _WORDS else _sample(records[node], records, full=full)
    match node["type"]:
        case "record":
            return {field["name"]: _sample(field["type"], records, full=full) for field in node["fields"]}
        case "array":
            return [_sample(node["items"], records, full=full)] if full else []
        case "map":
            return {"key": _sample(node["values"], records, full=full)} if full else {}
        case word:
            return _sample(word, records, full=full)
