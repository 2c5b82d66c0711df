"""What `make packages` writes."""

from __future__ import annotations

import json
from importlib.metadata import distribution
from typing import TYPE_CHECKING

from bridge import __version__
from tests.packaging.__main__ import write
from tests.packaging.bills_of_materials import locked_names
from tests.packaging.published_files import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def test_wheel_source_bill_and_notices_are_written(tmp_path: Path) -> None:
    files = write(tmp_path)
    assert {path.name for path in files} == {
        f"chatbridge-{__version__}-py3-none-any.whl",
        f"chatbridge-{__version__}.tar.gz",
        f"chatbridge-{__version__}-py3-none-any.whl.cdx.json",
        "THIRD-PARTY-NOTICES.txt",
    }
    assert set(tmp_path.iterdir()) == set(files)
    assert all(path.stat().st_size for path in files)
    pins = locked_names((ROOT / "requirements.lock").read_text("utf-8"))
    bill = json.loads((tmp_path / f"chatbridge-{__version__}-py3-none-any.whl.cdx.json").read_text("utf-8"))
    assert {one["name"]: one["version"] for one in bill["components"]} == pins
    told = (tmp_path / "THIRD-PARTY-NOTICES.txt").read_text("utf-8")
    assert [name for name in pins if distribution(name).metadata["Name"] not in told] == []
