"""The metadata of wheel and source distribution link to where the repository can be read, when that is said."""

from __future__ import annotations

import re
import subprocess
import tarfile
import zipfile
from email.parser import Parser
from typing import TYPE_CHECKING

import pytest

from bridge import __version__
from tests.packaging.published_files import ROOT, build
from tests.packaging.published_links import VARIABLE, absolute

if TYPE_CHECKING:
    from email.message import Message
    from pathlib import Path

ADDRESS = "https://git.example/chatbridge/tree/v0.2.0"
NOON = 1_900_000_000


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as files:
        return Parser().parsestr(files.read(f"chatbridge-{__version__}.dist-info/METADATA").decode())


def targets(page: str) -> set[str]:
    return set(re.findall(r"\]\(([^)\s]+)\)", page))


def test_links_and_readme_lead_to_the_address_also_in_a_wheel_built_from_the_source_distribution(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, f"{ADDRESS}/")
    wheel, archive = build(tmp_path / "first", epoch=NOON)
    found = metadata(wheel)
    assert found.get_all("Project-URL") == [
        f"Source, {ADDRESS}",
        f"Documentation, {ADDRESS}/README.md",
        f"Changelog, {ADDRESS}/CHANGELOG.md",
        f"Security, {ADDRESS}/SECURITY.md",
    ]
    linked = targets(str(found.get_payload()))
    assert linked == {f"{ADDRESS}/{target}" for target in targets((ROOT / "README.md").read_text("utf-8"))}
    assert len(linked) > 20
    assert all((ROOT / url.removeprefix(f"{ADDRESS}/").partition("#")[0]).exists() for url in linked)
    with tarfile.open(archive) as files:
        files.extractall(tmp_path, filter="data")
    monkeypatch.delenv(VARIABLE)
    again, _ = build(tmp_path / "again", source=tmp_path / f"chatbridge-{__version__}", epoch=NOON)
    assert again.read_bytes() == wheel.read_bytes()


def test_an_address_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, "git@git.example:chatbridge.git")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        build(tmp_path)
    assert b"SOURCE_URL: expected an address that begins with https://" in refused.value.stderr


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("[a](docs/a.md#b) and [c](d)", f"[a]({ADDRESS}/docs/a.md#b) and [c]({ADDRESS}/d)"),
        ("[a](https://example.com/b), [c](#d)", "[a](https://example.com/b), [c](#d)"),
        ("```\nlist[0](x)\n```\n[a](b)", f"```\nlist[0](x)\n```\n[a]({ADDRESS}/b)"),
    ],
)
def test_relative_links_outside_of_code_become_absolute(given: str, wanted: str) -> None:
    assert absolute(given, ADDRESS) == wanted
