"""`schemas/released/`: a folder per version, in it each type of a topic as one self-contained schema.

A file is called `<type>-<fingerprint>.avsc`, the fingerprint as 16 hexadecimal digits in the order of a value's header.
SHA256SUMS beside the folders records the files, in the form of `sha256sum`. Nothing there is changed once it is there.
"""

from __future__ import annotations

import json
import tomllib
from hashlib import sha256
from itertools import combinations
from pathlib import Path
from typing import Any, Final

from bridge.records.avro import ROOTS, Schemas, fingerprint_of
from bridge.records.writer_schemas import RELEASED
from tests.released.schema_rules import reads, violations

ROOT: Final = Path(__file__).parents[2]
SCHEMAS: Final = ROOT / "schemas"
SUMS: Final = "SHA256SUMS"
TODAY: Final = "today's"


class ReleaseRefused(Exception):
    """Today's schemas cannot be those of the version."""


def version_of_project() -> str:
    """Return the version in pyproject.toml."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"])


def freeze(folder: Path, version: str) -> list[Path]:
    """Add the schemas of `folder` to its released ones; return the new files, none when they are there already."""
    todays = _todays(folder)
    released = _released(folder)
    found = _disagreements([*released, (TODAY, todays)])
    if version in dict(released) and not _same(dict(released)[version], todays):
        found.append(f"version {version} is released with other schemas: raise the version in pyproject.toml")
    if found:
        raise ReleaseRefused("\n".join(found))
    if version in dict(released):
        return []
    added = []
    target = folder / RELEASED / version
    target.mkdir(parents=True)
    for name, schema in todays.items():
        path = target / _file_name(name, schema)
        path.write_text(json.dumps(schema, ensure_ascii=False, indent=1) + "\n", "utf-8")
        added.append(path)
    with (folder / RELEASED / SUMS).open("a", encoding="ascii") as sums:
        sums.writelines(f"{_sum(path)}  {version}/{path.name}\n" for path in sorted(added))
    return added


def problems(folder: Path, version: str) -> list[str]:
    """Return what is wrong with the released schemas, and with today's beside them."""
    found = _edited(folder)
    released, todays = _released(folder), _todays(folder)
    known: set[str] = set()  # a version has the types of all before it, and may have more
    for one, schemas in released:
        found += [f"{one}: no {name}" for name in sorted(known - schemas.keys())]
        known |= schemas.keys()
    if version in dict(released) and not _same(dict(released)[version], todays):
        found.append(f"version {version} is released, but {TODAY} schemas are others: raise the version")
    return found + _disagreements([*released, (TODAY, todays)])


def _edited(folder: Path) -> list[str]:
    """Return which files are not what was recorded of them."""
    home = folder / RELEASED
    listed = home / SUMS
    lines = listed.read_text("ascii").splitlines() if listed.exists() else []
    recorded = {path: digest for digest, path in (line.split("  ") for line in lines)}
    files = {str(path.relative_to(home)): path for path in home.glob("*/*")}
    found = [f"{name} is recorded twice" for name in recorded if sum(line.endswith(f"  {name}") for line in lines) > 1]
    found += [f"{name} is missing" for name in recorded if name not in files]
    for name, path in files.items():
        if name not in recorded:
            found.append(f"{name} is not recorded in {SUMS}")
        elif _sum(path) != recorded[name]:
            found.append(f"{name} was edited")
        elif path.name != _file_name(_name_of(path), json.loads(path.read_text("utf-8"))):
            found.append(f"{name} does not hold what its name says")
    return found


def _disagreements(versions: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """Return what one version changes of an earlier one that it may not: BACKWARD_TRANSITIVE, and back again."""
    found = []
    for (old, before), (new, after) in combinations(versions, 2):
        for name in before.keys() & after.keys():
            told = violations(before[name], after[name])
            for reader, writer in ((after, before), (before, after)):
                why = "" if told else reads(reader[name], writer[name])
                told += [why] if why else []
            found += [f"{new} after {old}: {what}" for what in told]
    return found


def _released(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return the released versions in order, each with its schemas by full name."""
    home = folder / RELEASED
    versions = sorted((path for path in home.glob("*") if path.is_dir()), key=_numbers)
    return [
        (
            one.name,
            {_name_of(path): json.loads(path.read_text("utf-8")) for path in sorted(one.glob("*.avsc"))},
        )
        for one in versions
    ]


def _numbers(version: Path) -> list[int]:
    return [int(number) for number in version.name.split(".")]


def _todays(folder: Path) -> dict[str, Any]:
    schemas = Schemas(folder)
    return {name: schemas.whole(name) for name in ROOTS}


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return bool(_without_docs(one) == _without_docs(other))


def _without_docs(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_docs(value) for key, value in node.items() if key != "doc"}
    return [_without_docs(item) for item in node] if isinstance(node, list) else node


def _file_name(name: str, schema: Any) -> str:
    return f"{name}-{fingerprint_of(schema).hex()}.avsc"


def _name_of(path: Path) -> str:
    return path.name.rpartition("-")[0]


def _sum(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()
