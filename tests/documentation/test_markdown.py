from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

import pytest

from tests.documentation.reference_pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGES = sorted(
    [*ROOT.glob("*.md"), *(page for folder in ("docs", "deploy", "tests") for page in (ROOT / folder).rglob("*.md"))]
)
MOST_LINES_OF_THE_README = 200


def prose(page: Path) -> str:
    """Return a page without its code blocks, in which brackets are code."""
    return re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), flags=re.MULTILINE)
    return {
        "".join(
            char for char in unicodedata.normalize("NFC", heading.lower()) if char.isalnum() or char in " -_"
        ).replace(" ", "-")
        for heading in headings
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_inside_of_the_repository_leads_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        there = page.parent / name if name else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(target)
    assert broken == []


def test_the_readme_can_be_read_in_one_sitting() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) < MOST_LINES_OF_THE_README
