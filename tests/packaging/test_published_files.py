"""Wheel and source distribution: complete, usable, and the same bytes from the same commit."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from typing import TYPE_CHECKING, NamedTuple

import pytest

from bridge import __version__
from tests.packaging.published_files import ROOT, build

if TYPE_CHECKING:
    from pathlib import Path

NOON = 1_900_000_000


class Built(NamedTuple):
    wheel: Path
    archive: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return Built(*build(tmp_path_factory.mktemp("dist"), epoch=NOON))


@pytest.fixture(scope="module")
def unpacked(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    with tarfile.open(built.archive) as archive:
        archive.extractall(folder, filter="data")
    return folder / f"chatbridge-{__version__}"


def test_without_the_address_of_the_repository_there_are_no_links_and_the_readme_is_as_it_is(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        metadata = Parser().parsestr(wheel.read(f"chatbridge-{__version__}.dist-info/METADATA").decode())
    assert metadata.get_all("Project-URL") is None
    assert metadata.get_all("Dynamic") is None
    assert metadata.get_payload() == (ROOT / "README.md").read_text("utf-8")


def test_two_builds_are_the_same_bytes(built: Built, tmp_path: Path) -> None:
    again = Built(*build(tmp_path, epoch=NOON))
    assert again.wheel.read_bytes() == built.wheel.read_bytes()
    assert again.archive.read_bytes() == built.archive.read_bytes()
    later = Built(*build(tmp_path / "later", epoch=NOON + 3600))
    assert later.wheel.read_bytes() != built.wheel.read_bytes()


def test_the_wheel_that_is_built_from_the_source_distribution_is_the_same(
    built: Built, unpacked: Path, tmp_path: Path
) -> None:
    again = Built(*build(tmp_path, source=unpacked, epoch=NOON))
    assert again.wheel.read_bytes() == built.wheel.read_bytes()


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="what belongs to it is known to git only")
def test_the_source_distribution_has_every_file_of_the_repository(unpacked: Path) -> None:
    words = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    known = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split("\n")
    missing = {name for name in known if name and (ROOT / name).exists() and not (unpacked / name).exists()}
    assert missing == set()


def test_the_wheel_can_be_imported_and_has_schemas_page_readme_and_licence(built: Built, tmp_path: Path) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        wheel.extractall(tmp_path)  # noqa: S202
        names = set(wheel.namelist())
        metadata = wheel.read(f"chatbridge-{__version__}.dist-info/METADATA").decode()
    assert f"chatbridge-{__version__}.dist-info/licenses/LICENSE" in names
    assert not [name for name in names if name.startswith("tests")]
    assert "Description-Content-Type: text/markdown" in metadata
    assert "\n# chatbridge\n" in metadata
    says = "import bridge; from bridge.records.avro import schema_folder; print(bridge.__file__, schema_folder())"
    done = subprocess.run(
        [sys.executable, "-c", says], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert done.stdout.split() == [str(tmp_path / "bridge/__init__.py"), str(tmp_path / "bridge/schemas")]
