"""The stored input and output, and how two outputs differ. Knows the files and the Avro schemas, not the bridge.

Both are JSON lines, compressed: one step per line, and one output per line (see `player`), with its pass in front.
"""

from __future__ import annotations

import io
import json
import lzma
from collections import Counter
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

from fastavro import schemaless_reader
from fastavro.schema import load_schema

FOLDER: Final = Path(__file__).parent
INPUT: Final = FOLDER / "input.jsonl.xz"
OUTPUT: Final = FOLDER / "output.jsonl.xz"
FACTS: Final = FOLDER / "facts.json"

_TYPES: Final = {
    "events": "TranscriptEvent",
    "sessions": "SessionRecord",
    "quarantine": "QuarantinedInput",
    "checkpoints": "SessionCheckpoint",
}
_SCHEMAS: Final = {
    topic: load_schema(str(FOLDER.parents[1] / "schemas" / f"org.chatbridge.v1.{name}.avsc"))
    for topic, name in _TYPES.items()
}
_SHOWN: Final = 2_000
_CONFLUENT_BYTES: Final = 5
_SINGLE_OBJECT_BYTES: Final = 10
_JSON: Final = b"{"
"""What the value of a record begins with that carries a schema."""


def steps() -> list[dict[str, Any]]:
    """Return the stored input."""
    return [json.loads(line) for line in read(INPUT)]


def read(file: Path) -> list[str]:
    """Return the lines of a stored file."""
    return lzma.decompress(file.read_bytes()).decode("ascii").splitlines()


def write(file: Path, lines: list[str]) -> None:
    """Store lines."""
    file.write_bytes(lzma.compress(("\n".join(lines) + "\n").encode("ascii"), preset=9 | lzma.PRESET_EXTREME))


def line_of(name: str, output: dict[str, Any]) -> str:
    """Return an output of a pass as it is stored."""
    return json.dumps({"pass": name, **output}, separators=(",", ":"))


def decoded(output: dict[str, Any]) -> object:
    """Return a record's value as Python data; its hexadecimal digits when the schemas do not fit it (any more)."""
    value = bytes.fromhex(output["value"] or "")
    schema = _SCHEMAS.get(output["topic"])
    if not value or schema is None:
        return value
    if value[:1] == _JSON:
        return json.loads(value)
    source = io.BytesIO(value)
    source.seek(_CONFLUENT_BYTES if value[:1] == b"\0" else _SINGLE_OBJECT_BYTES)
    try:
        record = schemaless_reader(source, schema, None)
    except Exception as error:  # noqa: BLE001 - fastavro has no common error type, and this is for a message
        return f"{type(error).__name__}: {output['value']}"
    rest = source.read()
    return {**record, "left over": rest} if isinstance(record, dict) and rest else record


def first_difference(expected: list[str], found: list[str]) -> str | None:
    """Describe the first line that differs: its fields that do, then all of it, records decoded; None if none does."""
    for number, (before, after) in enumerate(zip_longest(expected, found), 1):
        if before != after:
            old, new = _shown(before), _shown(after)
            fields = "".join(
                f"{name}: {_short(old.get(name))} -> {_short(new.get(name))}\n"
                for name in old | new
                if old.get(name) != new.get(name)
            )
            return f"line {number} of the output differs\n{fields}\nexpected {_short(old)}\nfound    {_short(new)}"
    return None


def _shown(line: str | None) -> dict[str, Any]:
    """Return an output with the fields of its value beside its own; empty when there is no such line."""
    output: dict[str, Any] = {} if line is None else json.loads(line)
    if output.get("value"):
        value = decoded(output)
        if isinstance(value, dict):
            del output["value"]
            output |= {f"value.{name}": inner for name, inner in value.items()}
    return output


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)} characters)"


def facts(lines: list[str]) -> dict[str, Any]:
    """Count what the output holds: per pass, records per topic, kinds of events, reasons, and so on."""
    found: dict[str, Any] = {}
    for line in lines:
        output = json.loads(line)
        counts = found.setdefault(output["pass"], {})
        _count(counts, "topics", output["topic"])
        if "value" in output:
            _count_record(counts, output["topic"], decoded(output) if output["value"] else None)
    return {
        name: {what: dict(sorted(count.items())) for what, count in sorted(of.items())} for name, of in found.items()
    }


def _count_record(counts: dict[str, Counter[str]], topic: str, record: Any) -> None:
    if record is None:
        _count(counts, "tombstones", topic)
    elif topic == "events":
        _count_event(counts, record)
    elif topic == "sessions":
        _count(counts, "session states", record["state"])
        if record["certificate"] is not None:
            _count_certificate(counts, record["certificate"])
    elif topic == "quarantine":
        _count(counts, "quarantine codes", record["code"])
    elif topic == "checkpoints" and "name" in record:
        _count(counts, "schemas", record["name"])
    elif topic == "checkpoints":
        for part in ("head", "announcement", "seldom", "ids"):
            _count(counts, "checkpoint parts", part, int(record[part] is not None))
        if record["head"] is not None:
            _count(counts, "checkpoint states", record["head"]["state"])


def _count_event(counts: dict[str, Counter[str]], record: dict[str, Any]) -> None:
    _count(counts, "kinds", record["kind"])
    _count(counts, "origins", record["origin"])
    _count(counts, "client versions", str(record["session"]["clientVersion"]))
    _count(counts, "amendments", "events", int(record["amends"] is not None))
    _count(counts, "files", "events", int(record["file"] is not None))
    if record["gap"] is not None:
        _count(counts, "gap codes", record["gap"]["code"])
    for redaction in record["redactions"]:
        _count(counts, "redactions", redaction["rule"], redaction["count"])


def _count_certificate(counts: dict[str, Counter[str]], certificate: dict[str, Any]) -> None:
    _count(counts, "verdicts", certificate["verdict"])
    for reason in certificate["reasons"]:
        _count(counts, "certificate reasons", reason)
    for name in ("amendments", "masked", "quarantined", "unattributed", "rejoins"):
        _count(counts, "certificates", name, certificate[name])


def _count(counts: dict[str, Counter[str]], what: str, name: str, times: int = 1) -> None:
    if times:
        counts.setdefault(what, Counter())[name] += times
