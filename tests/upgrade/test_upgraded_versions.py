"""Where the two versions of an upgrade come from, and what is said when they cannot be had."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from bridge.errors import EXIT_ENVIRONMENT, EnvironmentFault
from bridge.records.avro import AUDIT_RECORD, CERTIFICATE, ROOTS, SESSION_RECORD, TRANSCRIPT_EVENT, Schemas
from bridge.records.writer_schemas import WriterSchemas, released_schemas
from tests.released.released_folder import SCHEMAS
from tests.support.later_fields import FIELD, VALUE, payload_with_values, with_values
from tests.support.next_version import ReplacementFailed, make_next_tree, replaced
from tests.upgrade.former_version import (
    FORMER,
    former_commit,
    has_other_formats,
    make_former_tree,
    release_former,
    unknown_schemas,
)
from tests.upgrade.program_version import ProgramVersion

if TYPE_CHECKING:
    from pathlib import Path

ABSENT = "0" * 40


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.invalid")
    done = subprocess.run(["git", *identity, "-C", str(folder), *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture(name="repository")
def _repository(tmp_path: Path) -> Path:
    """A repository with two commits, in the first of which `there` holds `before`."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    for text in ("before", "after"):
        (folder / "there").write_text(text, "utf-8")
        git(folder, "add", "there")
        git(folder, "commit", "--quiet", "--message", text)
    return folder


def test_the_former_version_is_one_commit_beside_comments() -> None:
    assert len(former_commit(FORMER.read_text("utf-8"))) == 40
    for text in ("# only words\n", "main\n", f"{ABSENT}\n{ABSENT}\n", ABSENT[1:]):
        with pytest.raises(EnvironmentFault, match="does not name one commit"):
            former_commit(text)


def test_a_commit_is_written_as_it_was(repository: Path, tmp_path: Path) -> None:
    make_former_tree(git(repository, "rev-parse", "HEAD~1"), tmp_path / "former", repository)
    assert (tmp_path / "former" / "there").read_text("utf-8") == "before"


def test_a_commit_that_cannot_be_had_is_an_error_with_the_next_step(repository: Path, tmp_path: Path) -> None:
    first, shallow = git(repository, "rev-parse", "HEAD~1"), tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--depth=1", repository.as_uri(), str(shallow))
    for folder, commit, step in (
        (shallow, first, "git fetch --unshallow"),
        (repository, ABSENT, "git fetch, or name another commit"),
        (tmp_path, first, "run this in a clone"),
    ):
        with pytest.raises(EnvironmentFault) as raised:
            make_former_tree(commit, tmp_path / "former", folder)
        assert raised.value.next_step.startswith(step)
        assert raised.value.exit_code == EXIT_ENVIRONMENT


def test_without_git_it_is_said_that_git_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentFault, match="git is missing"):
        make_former_tree(ABSENT, tmp_path / "former")


def test_the_next_version_has_a_field_more_in_every_type_and_knows_todays_schemas(tmp_path: Path) -> None:
    make_next_tree(tmp_path)
    ProgramVersion("next", tmp_path).check()
    later, today = Schemas(tmp_path / "schemas"), Schemas(SCHEMAS)
    writers = WriterSchemas(later, released_schemas(tmp_path / "schemas"))
    for name in ROOTS:
        assert later.fingerprint(name) != today.fingerprint(name)
        assert writers.of(today.fingerprint(name)).name == name
    undefined = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F821", str(tmp_path / "bridge")]
    assert subprocess.run(undefined, capture_output=True, text=True, check=False).stdout == "All checks passed!\n"
    extended = [path for path in (tmp_path / "schemas").glob("*.avsc") if f'"{FIELD}"' in path.read_text("utf-8")]
    assert len(extended) == len(list(SCHEMAS.glob("*.avsc"))) - 1  # `integrity` has a fixed size


def test_a_place_that_is_not_there_once_fails_with_the_file_that_has_to_be_adapted() -> None:
    assert replaced("a\nb\n", "x.py", "^b$", "c") == "a\nc\n"
    for text in ("a\n", "b\nb\n"):
        with pytest.raises(ReplacementFailed, match=r"bridge/x\.py has . places .* adapt the replacements of tests/"):
            replaced(text, "x.py", "^b$", "c")


def test_schemas_of_the_former_version_that_are_not_released_are_named_or_released(tmp_path: Path) -> None:
    former, following = tmp_path / "former", tmp_path / "next"
    make_next_tree(former)  # stands for any version with other schemas
    make_next_tree(following)
    assert unknown_schemas(former, following) == []
    for path in (following / "schemas").glob("*.avsc"):
        path.write_bytes((SCHEMAS / path.name).read_bytes())
    assert unknown_schemas(former, following) == list(ROOTS)
    release_former(former, following)
    assert unknown_schemas(former, following) == []


def test_a_tree_with_a_field_more_has_other_formats(tmp_path: Path) -> None:
    make_next_tree(tmp_path)
    assert has_other_formats(tmp_path, SCHEMAS.parent)
    assert not has_other_formats(tmp_path, tmp_path)


def test_a_version_without_a_type_that_is_new_has_other_formats_and_nothing_unknown(tmp_path: Path) -> None:
    shutil.copytree(SCHEMAS, tmp_path / "schemas")
    (tmp_path / "schemas" / f"{AUDIT_RECORD}.avsc").unlink()
    following = SCHEMAS.parent
    assert has_other_formats(tmp_path, following)
    assert has_other_formats(following, tmp_path)
    assert unknown_schemas(tmp_path, following) == []


def _plain(node: Any) -> Any:
    return node["type"] if isinstance(node, dict) else node


def test_each_record_that_the_next_version_writes_has_values_in_its_new_fields(tmp_path: Path) -> None:
    make_next_tree(tmp_path)
    later, today = Schemas(tmp_path / "schemas"), Schemas(SCHEMAS)
    session = {"sessionId": "A", "site": "main", "state": "OPENED", "at": 1, "tenant": None, "server": "chat-1:4800"}
    opened = with_values(later.whole(SESSION_RECORD), session)
    assert opened == {**session, FIELD: VALUE}
    assert later.decode(SESSION_RECORD, later.encode(SESSION_RECORD, opened))[FIELD] == VALUE
    named = {"certificate": (CERTIFICATE, {"verdict": "COMPLETE"})}  # as `session_records.py` tells the branch
    assert with_values(later.whole(SESSION_RECORD), named)["certificate"] == {"verdict": "COMPLETE", FIELD: VALUE}
    event = today.whole(TRANSCRIPT_EVENT)
    empty = {"string": "", "long": 0, "boolean": False, "bytes": b""}
    record = {
        field["name"]: field.get("default", empty.get(str(_plain(field["type"]))))
        for field in event["fields"]
        if field["name"] not in {"session", "integrity"}
    }
    record["session"] = {"site": "main", "source": "CHAT_SERVER"}
    record["integrity"] = {"previousHash": bytes(32), "hash": bytes(32)}
    payload = payload_with_values(later.whole(TRANSCRIPT_EVENT), today.encode(TRANSCRIPT_EVENT, record))
    read = later.decode(TRANSCRIPT_EVENT, payload)
    assert (read[FIELD], read["session"][FIELD], read["integrity"]) == (VALUE, VALUE, record["integrity"])
