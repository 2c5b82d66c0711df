"""docs/compliance.md claims nothing without a test that there is, or says that it is missing."""

from __future__ import annotations

import re
from typing import Final

import pytest

from tests.documentation.reference_pages import ROOT

PAGE: Final = (ROOT / "docs" / "compliance.md").read_text("utf-8")
ROWS: Final = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith("| requirement")
]
PATHS: Final = sorted(set(re.findall(r"`((?:tests|docs|bridge)/[\w/.]+)`", PAGE)))


@pytest.mark.parametrize("path", PATHS)
def test_every_path_that_the_page_names_is_there(path: str) -> None:
    assert (ROOT / path).is_file()


def test_every_row_names_a_test_or_says_that_it_is_missing() -> None:
    assert len(ROWS) >= 20
    for requirement, what, shown, missing in ROWS:
        tests = re.findall(r"`tests/(?:\w+/)*test_\w+\.py`", shown)
        assert (what == "missing") == (shown == "missing"), requirement
        assert tests or shown == "missing", requirement
        assert missing, requirement


def test_each_rule_has_a_table() -> None:
    rules = re.findall(r"^## (.+)$", PAGE, flags=re.MULTILINE)
    assert [rule.split()[0] for rule in rules] == ["SEC", "MiFID", "GDPR", "PCI"]
