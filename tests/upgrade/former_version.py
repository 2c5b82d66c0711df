"""Version N of an upgrade: the commit that the file FORMER names, as a folder of its own."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Final

from bridge.errors import EnvironmentFault
from bridge.records.avro import ROOTS, Schemas, fingerprint_of
from bridge.records.writer_schemas import RELEASED, released_schemas
from tests.released.released_folder import ROOT

FORMER: Final = Path(__file__).with_name("FORMER")
_HASH: Final = re.compile(r"[0-9a-f]{40}")
_MADE: Final = "of-the-former-version"
_FROM_SOURCE: Final = "run this in a clone of the repository, with git installed"


def former_commit(text: str) -> str:
    """Return the commit in the text of FORMER: one line with 40 hexadecimal digits, besides comments.

    Raises EnvironmentFault.
    """
    lines = [line.strip() for line in text.splitlines()]
    named = [line for line in lines if line and not line.startswith("#")]
    if len(named) != 1 or not _HASH.fullmatch(named[0]):
        raise EnvironmentFault(
            f"{FORMER.relative_to(ROOT)} does not name one commit", next_step="write its full hash there, 40 digits"
        )
    return named[0]


def make_former_tree(commit: str, tree: Path, repository: Path = ROOT) -> None:
    """Write the files of a commit below `tree`. Raises EnvironmentFault with the next step when they cannot be had."""
    if shutil.which("git") is None:
        raise EnvironmentFault("git is missing", next_step=_FROM_SOURCE)
    shallow = _git(repository, "rev-parse", "--is-shallow-repository")
    if shallow.returncode:
        raise EnvironmentFault(f"{repository} is no clone of the repository", next_step=_FROM_SOURCE)
    if _git(repository, "cat-file", "-e", f"{commit}^{{commit}}").returncode:
        is_shallow = shallow.stdout.strip() == b"true"
        raise EnvironmentFault(
            f"the repository does not have commit {commit}",
            next_step="git fetch --unshallow" if is_shallow else "git fetch, or name another commit in FORMER",
        )
    archive = _git(repository, "archive", commit)
    if archive.returncode:
        raise EnvironmentFault(f"git archive {commit}: {archive.stderr.decode(errors='replace').strip()}")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(tree, filter="data")


def _git(repository: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", "-C", str(repository), *words], capture_output=True, check=False)


def unknown_schemas(former: Path, following: Path) -> list[str]:
    """Return the types whose schema in one tree is neither today's nor a released one in the following tree."""
    folder = following / "schemas"
    known = {*_fingerprints(folder).values(), *map(fingerprint_of, released_schemas(folder))}
    return [name for name, fingerprint in _fingerprints(former / "schemas").items() if fingerprint not in known]


def has_other_formats(former: Path, following: Path) -> bool:
    """Tell whether some type has another schema in one tree than in the other, or is in one of them only."""
    return _fingerprints(former / "schemas") != _fingerprints(following / "schemas")


def _roots(folder: Path) -> list[str]:
    """Return the types of records that a version has, which may be fewer than today's."""
    return [name for name in ROOTS if (folder / f"{name}.avsc").is_file()]


def _fingerprints(folder: Path) -> dict[str, bytes]:
    roots = _roots(folder)
    schemas = Schemas(folder, roots)
    return {name: schemas.fingerprint(name) for name in roots}


def release_former(former: Path, following: Path) -> None:
    """Make the schemas of one tree released ones of the following, as far as they are not."""
    schemas = Schemas(former / "schemas", _roots(former / "schemas"))
    target = following / "schemas" / RELEASED / _MADE
    target.mkdir(parents=True, exist_ok=True)
    for name in unknown_schemas(former, following):
        (target / f"{name}.avsc").write_text(schemas.text(name), encoding="utf-8")
