"""The bills are valid CycloneDX, complete, and the same for the same input."""

from __future__ import annotations

import json
from importlib.metadata import distribution

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.packaging.bills_of_materials import bill, debian_materials, direct_purls, locked_names, python_materials
from tests.packaging.published_files import ROOT

NOON = 1_900_000_000
STATUS = """\
Package: libstdc++6
Status: install ok installed
Architecture: amd64
Version: 12.2.0-14+deb12u1

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1

Package: passwd
Status: install ok installed
Architecture: amd64
Version: 1:4.13+dfsg1-1
"""


def problems(text: str) -> str:
    """Return what CycloneDX's own schema says is wrong; empty when nothing is."""
    return str(JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) or "")


@pytest.fixture(scope="module")
def of_the_lock() -> str:
    names = locked_names((ROOT / "requirements.lock").read_text("utf-8"))
    materials = python_materials([distribution(name) for name in names])
    return bill("library", materials, direct_purls(materials), NOON)


def test_the_bill_of_the_lock_is_valid_and_has_every_pin(of_the_lock: str) -> None:
    assert problems(of_the_lock) == ""
    pins = locked_names((ROOT / "requirements.lock").read_text("utf-8"))
    found = {one["name"]: one["version"] for one in json.loads(of_the_lock)["components"]}
    assert found == pins
    assert len(found) > 20


def test_whatever_is_in_it_is_needed_by_something(of_the_lock: str) -> None:
    content = json.loads(of_the_lock)
    needed = {need for one in content["dependencies"] for need in one["dependsOn"]}
    unneeded = {one["name"] for one in content["components"] if one["bom-ref"] not in needed}
    assert unneeded == set()
    assert all(one["licenses"][0]["expression"] for one in content["components"])


def test_the_same_input_gives_the_same_bill(of_the_lock: str) -> None:
    names = locked_names((ROOT / "requirements.lock").read_text("utf-8"))
    materials = python_materials([distribution(name) for name in reversed(names)])
    assert bill("library", materials, direct_purls(materials), NOON) == of_the_lock
    assert bill("library", materials, direct_purls(materials), NOON + 1) != of_the_lock


def test_debian_packages_that_are_installed_are_in_the_bill() -> None:
    found = debian_materials(STATUS)
    assert [(one.name, one.version) for one in found] == [
        ("libstdc++6", "12.2.0-14+deb12u1"),
        ("passwd", "1:4.13+dfsg1-1"),
    ]
    assert found[0].purl == "pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64"
    assert problems(bill("container", found, [one.purl for one in found], NOON)) == ""


def test_a_misspelt_field_is_found(of_the_lock: str) -> None:
    assert problems(of_the_lock.replace('"licenses"', '"licences"')) != ""
