"""Whose licences allow it is shipped; an unknown one, or one that nobody has decided about, stops the build."""

from __future__ import annotations

from importlib.metadata import Distribution, PathDistribution, distribution
from typing import TYPE_CHECKING

import pytest

from tests.packaging.bills_of_materials import locked_names
from tests.packaging.installed_licences import licence_of, may_be_shipped
from tests.packaging.published_files import ROOT
from tests.packaging.third_party_notices import LicenceNotAllowed, notices

if TYPE_CHECKING:
    from pathlib import Path

LOCKED = locked_names((ROOT / "requirements.lock").read_text("utf-8"))


def a_package(folder: Path, *lines: str) -> Distribution:
    place = folder / "some_package-1.0.dist-info"
    place.mkdir()
    head = "Metadata-Version: 2.4\nName: some-package\nVersion: 1.0\n"
    (place / "METADATA").write_text(head + "".join(f"{line}\n" for line in lines), "utf-8")
    (place / "LICENSE").write_text("You may do this and that.", "utf-8")
    (place / "RECORD").write_text("some_package-1.0.dist-info/LICENSE,,\n", "utf-8")
    return PathDistribution(place)


@pytest.mark.parametrize("name", LOCKED)
def test_every_locked_package_may_be_shipped(name: str) -> None:
    package = distribution(name)
    assert package.version == LOCKED[name]
    assert may_be_shipped(licence_of(package.metadata)), licence_of(package.metadata)


@pytest.mark.parametrize(
    ("lines", "licence"),
    [
        (["License-Expression: Apache-2.0 AND MIT"], "Apache-2.0 AND MIT"),
        (["License: as is", "Classifier: License :: OSI Approved :: MIT License"], "MIT"),
        (["License: Apache 2.0"], "Apache-2.0"),
        (["License: BSD-3-Clause"], "BSD-3-Clause"),
        (["License: as is"], None),
        (["Classifier: License :: OSI Approved :: BSD License"], None),
        (["Classifier: License :: OSI Approved :: A", "Classifier: License :: OSI Approved :: MIT License"], None),
        ([], None),
    ],
)
def test_a_licence_is_read_from_where_the_package_says_it(
    tmp_path: Path, lines: list[str], licence: str | None
) -> None:
    assert licence_of(a_package(tmp_path, *lines).metadata) == licence


@pytest.mark.parametrize(
    ("expression", "may"),
    [
        ("MIT", True),
        ("Apache-2.0 AND MIT", True),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("GPL-3.0-only", False),
        ("MIT OR Apache-2.0 AND GPL-3.0-only", False),
        ("(MIT)", False),
        ("", False),
        (None, False),
    ],
)
def test_only_listed_licences_may_be_shipped(expression: str | None, *, may: bool) -> None:
    assert may_be_shipped(expression) is may


@pytest.mark.parametrize("line", ["License: as is", "License-Expression: AGPL-3.0-only"])
def test_a_package_without_an_allowed_licence_stops_the_build(tmp_path: Path, line: str) -> None:
    with pytest.raises(LicenceNotAllowed, match=r"some-package 1\.0: (licence unknown|AGPL-3\.0-only)"):
        notices([distribution("aiohttp"), a_package(tmp_path, line)])


def test_the_notices_have_the_text_of_every_licence(tmp_path: Path) -> None:
    text = notices([distribution("aiohttp"), a_package(tmp_path, "License: MIT")])
    assert "some-package 1.0 (MIT)\n\nYou may do this and that." in text
    assert "aiohttp" in text
    assert "Apache License" in text
