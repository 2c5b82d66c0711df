"""State that another version or another registry stands behind is read all the same (P7)."""

from __future__ import annotations

import json
import shutil
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from bridge.sandbox import LocalRegistry
from tests.field.field_environment import (
    FORMATS,
    ROOT,
    PreconditionFailed,
    capturing,
    follows_all,
    kafka_flags,
    preconditions,
    python,
    run_by,
    wrong_today,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.field.field_environment import E2EEnvironment

pytestmark = pytest.mark.field

NEXT_VERSION = """
import sys
sys.path.insert(0, {folder!r})
import bridge
from bridge.records.checkpoint import CheckpointEncoder
assert bridge.__file__.startswith({folder!r})
encode = CheckpointEncoder.encode
CheckpointEncoder.encode = lambda self, checkpoint: encode(self, checkpoint) + {encoded!r}
from bridge.cli import main
sys.exit(main())
"""
ZERO = b"\0"
"""The long 0 in Avro."""


def next_version(folder: Path, schema_name: str, *, position: int | None = None, encoded: bytes = b"") -> Path:
    """Copy the program and give one schema a field more, which has a default; return what starts the copy.

    `encoded` is what the copy's checkpoints have for a field at their end.
    """
    copy = folder / "next"
    for name in ("bridge", "schemas"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    path = copy / "schemas" / f"org.chatbridge.v1.{schema_name}.avsc"
    schema = json.loads(path.read_text(encoding="utf-8"))
    field = {"name": "later", "type": "long", "default": 0, "doc": "Of the next version."}
    schema["fields"].insert(len(schema["fields"]) if position is None else position, field)
    path.write_text(json.dumps(schema), encoding="utf-8")
    program = folder / "next.py"
    program.write_text(NEXT_VERSION.format(folder=str(copy), encoded=encoded), encoding="utf-8")
    return program


@wrong_today(FORMATS, "records are decoded with the newest schema instead of the one that wrote them")
def test_verify_of_the_next_version_reads_the_records_of_this_one(prepared: E2EEnvironment) -> None:
    # The hash of a record is its last field.
    program = next_version(prepared.folder, "TranscriptEvent", position=-1)
    with prepared.chats() as chats, prepared.bridge() as bridge:
        capturing(bridge)
        chats.terminate()
        with preconditions():
            assert prepared.compare_when_closed(chats).clean
    flags = kafka_flags(prepared)
    this = python("-m", "bridge", "verify", *flags)
    if this.returncode:
        raise PreconditionFailed(this.stdout)
    done = python(str(program), "verify", *flags)
    assert done.returncode == 0, done.stdout[:300] + done.stderr[-300:]


@wrong_today(FORMATS, "no shard opens with a checkpoint that another version of the schema wrote")
def test_the_next_version_goes_on_with_the_checkpoints_of_this_one(prepared: E2EEnvironment) -> None:
    program = next_version(prepared.folder, "SessionCheckpoint", encoded=ZERO)
    with prepared.chats():
        with prepared.bridge() as this:
            capturing(this)
            this.terminate()
        with prepared.bridge("worker-2", make=run_by(program)) as later:
            follows_all(later)


@wrong_today(FORMATS, "no shard opens with a checkpoint that another version of the schema wrote")
def test_this_version_goes_on_with_the_checkpoints_of_the_next_one(prepared: E2EEnvironment) -> None:
    program = next_version(prepared.folder, "SessionCheckpoint", encoded=ZERO)
    with prepared.chats():
        with prepared.bridge("worker-2", make=run_by(program)) as later:
            capturing(later)
            later.terminate()
        with prepared.bridge() as this:
            follows_all(this)


def use_up_ids(url: str) -> None:
    """Register other schemas first, so that ours get ids that they have nowhere else."""
    for size in range(1, 10):
        body = json.dumps({"schema": json.dumps({"type": "fixed", "name": f"Other{size}", "size": size})}).encode()
        request = urllib.request.Request(f"{url}/subjects/other-{size}/versions", body, method="POST")
        request.add_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        with urllib.request.urlopen(request, timeout=30) as answer:
            answer.read()


@pytest.fixture(scope="module")
def registries() -> Iterator[tuple[str, str]]:
    """Give the URLs of two registries that give the same schemas different ids."""
    with LocalRegistry() as one, LocalRegistry() as other:
        use_up_ids(other.url)
        yield one.url, other.url


@wrong_today(FORMATS, "the id of a schema decides, not its content: no shard with an open chat opens")
@pytest.mark.parametrize("afterwards", ["other registry", "no registry"])
def test_chats_are_followed_when_the_registry_gives_other_ids(
    prepared: E2EEnvironment, registries: tuple[str, str], afterwards: str
) -> None:
    one, other = registries
    with prepared.chats():
        with prepared.bridge(schema_registry__url=one) as before:
            capturing(before)
            before.terminate()
        settings: dict[str, Any] = {"schema_registry__url": other} if afterwards == "other registry" else {}
        with prepared.bridge("worker-2", **settings) as after:
            follows_all(after)
