"""Released schemas are never changed, and all versions read one another: the rules, and that they hold here."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from bridge.records.avro import ROOTS, SESSION_CHECKPOINT, TRANSCRIPT_EVENT, Schemas, WriterSchema
from bridge.records.writer_schemas import WriterSchemas, released_schemas
from tests.released.released_folder import SCHEMAS, SUMS, ReleaseRefused, freeze, problems, version_of_project
from tests.released.schema_rules import reads, violations

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Fields = list[dict[str, Any]]

NULLABLE = {"name": "later", "type": ["null", "string"], "default": None, "doc": "Of the next version."}


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    """Today's schemas, released as 0.1.0."""
    copy = tmp_path / "schemas"
    shutil.copytree(SCHEMAS, copy, ignore=lambda *_: ["released"])
    assert len(freeze(copy, "0.1.0")) == len(ROOTS)
    return copy


def change(folder: Path, name: str, how: Callable[[Fields], object]) -> None:
    """Change the fields of one of today's types."""
    path = folder / f"org.chatbridge.v1.{name}.avsc"
    schema = json.loads(path.read_text("utf-8"))
    how(schema["fields"])
    path.write_text(json.dumps(schema), "utf-8")


def a_released_file(folder: Path) -> Path:
    return min(folder.glob("released/0.1.0/*.avsc"))


def test_the_released_schemas_are_as_they_were_and_agree_with_todays() -> None:
    assert problems(SCHEMAS, version_of_project()) == []


def test_a_released_version_has_all_types_and_is_released_once(folder: Path) -> None:
    assert problems(folder, "0.1.0") == []
    assert freeze(folder, "0.1.0") == []
    listed = (folder / "released" / SUMS).read_text("ascii").splitlines()
    assert len(listed) == len(ROOTS)
    fingerprint = Schemas(folder).fingerprint(TRANSCRIPT_EVENT).hex()
    assert any(line.endswith(f"  0.1.0/{TRANSCRIPT_EVENT}-{fingerprint}.avsc") for line in listed)


def test_it_is_shipped_with_todays_and_known_by_its_fingerprint(folder: Path) -> None:
    before = Schemas(folder).fingerprint(SESSION_CHECKPOINT)
    change(folder, "SessionCheckpoint", lambda fields: fields.append(NULLABLE))
    todays = Schemas(folder)
    assert todays.fingerprint(SESSION_CHECKPOINT) != before
    assert WriterSchemas(todays, released_schemas(folder)).of(before).name == SESSION_CHECKPOINT


@pytest.mark.parametrize(
    ("harm", "what"),
    [
        (lambda path: path.write_text(path.read_text("utf-8").replace("chat", "Chat", 1), "utf-8"), "was edited"),
        (lambda path: path.unlink(), "is missing"),
        (lambda path: shutil.copy(path, path.with_name("copy.avsc")), "is not recorded"),
    ],
)
def test_a_released_file_may_not_be_edited_removed_or_added(
    folder: Path, harm: Callable[[Path], object], what: str
) -> None:
    harm(a_released_file(folder))
    assert any(what in problem for problem in problems(folder, "0.1.0"))


def test_a_file_has_to_hold_what_its_name_says(folder: Path) -> None:
    path = a_released_file(folder)
    other = path.with_name(f"{path.name.partition('-')[0]}-0011223344556677.avsc")
    path.rename(other)
    sums = folder / "released" / SUMS
    sums.write_text(sums.read_text("ascii").replace(path.name, other.name), "ascii")
    assert any("does not hold what its name says" in problem for problem in problems(folder, "0.1.0"))


def test_schemas_change_only_with_the_version(folder: Path) -> None:
    change(folder, "Party", lambda fields: fields.append(NULLABLE))
    assert any("raise the version" in problem for problem in problems(folder, "0.1.0"))
    with pytest.raises(ReleaseRefused, match="raise the version"):
        freeze(folder, "0.1.0")
    assert problems(folder, "0.10.0") == []
    assert len(freeze(folder, "0.10.0")) == len(ROOTS)
    assert problems(folder, "0.10.0") == []


def test_words_about_a_field_may_change_at_any_time(folder: Path) -> None:
    change(folder, "Party", lambda fields: fields[0].update(doc="Other words."))
    assert problems(folder, "0.1.0") == []


FORBIDDEN: dict[str, tuple[str, Callable[[Fields], object], str]] = {
    "removed": ("Party", lambda fields: fields.pop(), "Party.bot is removed"),
    "renamed": ("Gap", lambda fields: fields[-1].update(name="why"), "Gap.detail is removed"),
    "retyped": ("SessionFacts", lambda fields: fields[0].update(type=["null", "string"]), "has another type"),
    "no default": ("Gap", lambda fields: fields.append({"name": "later", "type": "long"}), "Gap.later has no default"),
    "another order": ("Party", lambda fields: fields.reverse(), "another order"),
    "another default": ("CheckpointHead", lambda fields: fields[2].update(default=7), "another default"),
    "a fixed size": ("Integrity", lambda fields: fields.append(NULLABLE), "Integrity has a fixed form"),
    "after signature": ("SessionRecord", lambda fields: fields.append(NULLABLE), "signature is not the last field"),
    "after integrity": ("TranscriptEvent", lambda fields: fields.append(NULLABLE), "integrity is not the last field"),
}


@pytest.mark.parametrize("case", FORBIDDEN)
def test_what_the_other_version_could_not_read_is_refused(folder: Path, case: str) -> None:
    name, how, what = FORBIDDEN[case]
    change(folder, name, how)
    assert any(what in problem for problem in problems(folder, "0.2.0"))
    with pytest.raises(ReleaseRefused, match=what):
        freeze(folder, "0.2.0")


def test_a_version_is_compared_with_all_before_it_and_not_with_the_last_only(folder: Path) -> None:
    change(folder, "Party", lambda fields: fields.append(NULLABLE))
    freeze(folder, "0.9.0")
    change(folder, "Party", lambda fields: fields.insert(0, {**NULLABLE, "name": "third"}))
    freeze(folder, "0.10.0")
    change(folder, "Party", lambda fields: fields.pop())
    found = problems(folder, "0.11.0")
    assert {problem.partition(":")[0] for problem in found} == {"today's after 0.9.0", "today's after 0.10.0"}


@pytest.mark.parametrize("name", ROOTS)
def test_the_rules_agree_with_what_fastavro_can_resolve(folder: Path, name: str) -> None:
    old = Schemas(folder).whole(name)
    for changed in ("Party", "Gap", "SessionFacts", "CheckpointHead", "SessionRecord", "QuarantinedInput"):
        change(folder, changed, lambda fields: fields.insert(len(fields) // 2, NULLABLE))
    new = Schemas(folder).whole(name)
    assert violations(old, new) == []
    assert (reads(new, old), reads(old, new)) == ("", "")
    required = {**new, "fields": [*new["fields"], {"name": "required", "type": "long"}]}
    assert violations(old, required) != []
    assert reads(required, old) != ""


def test_every_released_schema_is_one_of_a_record(folder: Path) -> None:
    assert {WriterSchema.of(schema).name for schema in released_schemas(folder)} == set(ROOTS)
