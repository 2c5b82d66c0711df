"""The next version of the program: a copy in which whatever a version may change is changed.

Every schema has one nullable field more, and every record that the copy writes holds a value there. Fingerprints have
another layout, in which the same event has another identity. What the history of a chat lacks has a code that this
version does not know. This version's schemas are released ones there.

The code is changed by small replacements. Each has to find its place exactly once: one that does not is a
ReplacementFailed, and has to be adapted to what the code looks like now.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Final, NamedTuple

from tests.released.released_folder import ROOT, freeze, version_of_project
from tests.support import later_fields

CODE: Final = "LEFT_OUT_OF_HISTORY"
"""The code that this version does not know; the copy gives it where this version says NOT_IN_REPLAY."""

_NEVER_EXTENDED: Final = "Integrity"
"""The last field of an event: the bytes before it are hashed, so its size is fixed for ever."""
_FIELD: Final = {
    "name": later_fields.FIELD,
    "type": ["null", "string"],
    "default": None,
    "doc": "Of the next version. Source: none.",
}
_START: Final = "from bridge.cli import main\n\nraise SystemExit(main())\n"


class ReplacementFailed(Exception):
    """The code does not have the place that is to be changed, or has it more than once."""


class _Replacement(NamedTuple):
    """A regular expression that occurs once in a file of `bridge/`, and what stands there in the next version."""

    file: str
    pattern: str
    replacement: str


_IMPORT: Final = (r"^from __future__ import annotations\n", "from __future__ import annotations\n\nfrom {} import {}\n")
_LATER_FIELDS: Final = "bridge.records.later_fields"

_REPLACEMENTS: Final = (
    # Values in the new fields: of events, of session and quarantine records, of checkpoints.
    _Replacement(
        "records/normalise.py",
        _IMPORT[0],
        _IMPORT[1].format(_LATER_FIELDS, "payload_with_values") + "from bridge.records import avro\n",
    ),
    _Replacement(
        "records/normalise.py",
        r"body = self\._body\(entry, blocks\)",
        "body = payload_with_values(\n"
        "                self._schemas.whole(avro.TRANSCRIPT_EVENT), self._body(entry, blocks), leave_out=1\n"
        "            )",
    ),
    _Replacement("records/avro.py", _IMPORT[0], _IMPORT[1].format(_LATER_FIELDS, "with_values")),
    _Replacement(
        "records/avro.py",
        r"schemaless_writer\(out, self\._plain\[name\], record\)",
        "schemaless_writer(out, self._plain[name], with_values(self._plain[name], record))",
    ),
    _Replacement("capture/batch_builder.py", _IMPORT[0], _IMPORT[1].format(_LATER_FIELDS, "payload_with_values")),
    _Replacement(
        "capture/batch_builder.py",
        r'(    def checkpoint\(self, \w+: str, (\w+): bytes(?: \| None)?\) -> \w+:\n        """[^"]*"""\n)',
        r"\1        if \2 is not None:\n"
        r"            \2 = payload_with_values(self._settings.recording.schemas.whole(SESSION_CHECKPOINT), \2)\n",
    ),
    # Another layout of fingerprints.
    _Replacement("transcript/fingerprints.py", r"^VERSION: Final = (\d+)$", r"VERSION: Final = \1 + 1"),
    _Replacement(
        "transcript/fingerprints.py", r'(identity = crc32\(f")(\{event\.event_type\})', r"\1next version\\0\2"
    ),
    # A code more.
    _Replacement(
        "transcript/gap_codes.py", r"^GAP_CODES: Final = \{\n", rf'\g<0>    "{CODE}": ("Of it.", "Nothing."),\n'
    ),
    _Replacement("transcript/holes.py", r"absence\.since, NOT_IN_REPLAY\)", f'absence.since, "{CODE}")'),
)


def make_next_version(folder: Path) -> Path:
    """Make the copy in `folder`; return the program that starts it with the words of a command line."""
    tree = folder / "next"
    make_next_tree(tree)
    program = tree / "start.py"
    program.write_text(_START, encoding="utf-8")
    return program


def make_next_tree(tree: Path) -> None:
    """Make the copy: a folder with `bridge` and `schemas`, as at the root of the project.

    Raises ReplacementFailed.
    """
    for name in ("bridge", "schemas"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    freeze(tree / "schemas", version_of_project())
    extend(tree / "schemas")
    shutil.copy(later_fields.__file__, tree / "bridge" / "records" / Path(later_fields.__file__).name)
    for file, pattern, replacement in _REPLACEMENTS:
        path = tree / "bridge" / file
        path.write_text(replaced(path.read_text(encoding="utf-8"), file, pattern, replacement), encoding="utf-8")


def replaced(text: str, file: str, pattern: str, replacement: str) -> str:
    """Return the text with its one match of the pattern replaced. Raises ReplacementFailed when there is not one."""
    changed, times = re.subn(pattern, replacement, text, flags=re.MULTILINE)
    if times != 1:
        raise ReplacementFailed(
            f"bridge/{file} has {times} places that match {pattern!r}, not one:"
            f" adapt the replacements of {Path(__file__).relative_to(ROOT)} to it"
        )
    return changed


def extend(schemas: Path) -> None:
    """Give every schema of a folder its new field: the last one, but for `integrity`."""
    for path in sorted(schemas.glob("*.avsc")):
        schema = json.loads(path.read_text(encoding="utf-8"))
        if schema["name"] == _NEVER_EXTENDED:
            continue
        fields = schema["fields"]
        fields.insert(len(fields) - (fields[-1]["name"] == "integrity"), _FIELD)
        path.write_text(json.dumps(schema), encoding="utf-8")
