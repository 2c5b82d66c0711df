"""The next version of the program: a copy in which every schema has a nullable field more, and prints another layout.

Records and checkpoints of the copy hold a value in the new fields of the types that are encoded by hand. This version's
schemas are released ones there.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Final

from tests.released.released_folder import ROOT, freeze, version_of_project

if TYPE_CHECKING:
    from pathlib import Path

EXTENDED: Final = (
    *("TranscriptEvent", "SessionRecord", "QuarantinedInput", "SessionCheckpoint", "Certificate"),
    *("Party", "SessionFacts", "Gap", "MessageText", "NoticeText", "Departure", "FileReference"),
)
FIELD: Final = {
    "name": "later",
    "type": ["null", "string"],
    "default": None,
    "doc": "Of the next version. Source: none.",
}

_PROGRAM: Final = """
import sys
sys.path.insert(0, {copy!r})
import bridge
assert bridge.__file__.startswith({copy!r})
from bridge.records import blocks
from bridge.transcript import fingerprints

def with_later(encode):
    def extended(*arguments):
        encoded = encode(*arguments)
        return None if encoded is None else encoded + {value!r}
    return extended

fingerprints.VERSION += 1
for name in ("party", "session", "gap", "message", "notice", "departure", "file"):
    setattr(blocks, name + "_block", with_later(getattr(blocks, name + "_block")))
from bridge.records import checkpoint
from bridge.records.normalise import ChatRecorder
checkpoint.payload = with_later(checkpoint.payload)
ChatRecorder._body = with_later(ChatRecorder._body)
from bridge.cli import main
sys.exit(main())
"""
_VALUE: Final = b"\2\2x"
"""The text `x` in a nullable field."""


def make_next_version(folder: Path) -> Path:
    """Make the copy in `folder`; return the program that starts it with the words of a command line."""
    copy = folder / "next"
    for name in ("bridge", "schemas"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    freeze(copy / "schemas", version_of_project())
    extend(copy / "schemas")
    program = folder / "next.py"
    program.write_text(_PROGRAM.format(copy=str(copy), value=_VALUE), encoding="utf-8")
    return program


def extend(schemas: Path) -> None:
    """Give every schema of a folder its new field: the last one, but for `integrity`."""
    for name in EXTENDED:
        path = schemas / f"org.chatbridge.v1.{name}.avsc"
        schema = json.loads(path.read_text(encoding="utf-8"))
        fields = schema["fields"]
        fields.insert(len(fields) - (fields[-1]["name"] == "integrity"), FIELD)
        path.write_text(json.dumps(schema), encoding="utf-8")
