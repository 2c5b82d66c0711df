"""Bills of materials of the image and of its Debian packages, from what is in it; `make image` leaves them in dist."""

from __future__ import annotations

import json
from importlib.metadata import distributions
from typing import TYPE_CHECKING, Any

import pytest

from tests.image.image_engine import ROOT, ImageEngine
from tests.packaging.bills_of_materials import (
    bill,
    compiler_material,
    debian_materials,
    locked_names,
    python_materials,
)
from tests.packaging.published_files import commit_time
from tests.packaging.test_bills_of_materials import problems

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.image, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def root(engine: ImageEngine) -> Path:
    return engine.root()


def written(name: str, text: str) -> Any:
    """Leave a bill in dist, and return it."""
    folder = ROOT / "dist"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, "utf-8")
    assert problems(text) == ""
    return json.loads(text)


def test_the_bill_of_the_image_has_every_pin_and_every_debian_package(root: Path) -> None:
    [packages] = (root / "opt/chatbridge/lib").glob("python3.*/site-packages")
    ours = python_materials(distributions(path=[str(packages)]))
    debian = debian_materials((root / "var/lib/dpkg/status").read_text("utf-8"))
    inside = [compiler_material(), *ours, *debian]
    needs = [material.purl for material in inside]
    found = written("chatbridge-image.cdx.json", bill("container", inside, needs, commit_time()))
    versions = {one["name"]: one["version"] for one in found["components"] if one["purl"].startswith("pkg:pypi/")}
    compiler = locked_names((ROOT / "requirements-dev.lock").read_text("utf-8"))["mypy"]
    assert versions == {**locked_names((ROOT / "requirements.lock").read_text("utf-8")), "mypy": compiler}
    assert {"libc6", "ca-certificates"} <= {one["name"] for one in found["components"]}


def test_the_bill_of_the_debian_packages_has_as_many_as_dpkg_lists(root: Path, engine: ImageEngine) -> None:
    debian = debian_materials((root / "var/lib/dpkg/status").read_text("utf-8"))
    found = written(
        "chatbridge-debian.cdx.json", bill("container", debian, [one.purl for one in debian], commit_time())
    )
    listed = engine.inside("dpkg-query", "-W", "-f", "${binary:Package}\\n").split()
    assert {one["name"] for one in found["components"]} == {name.partition(":")[0] for name in listed}
