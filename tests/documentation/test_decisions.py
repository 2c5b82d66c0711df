from __future__ import annotations

import re
from datetime import date

from tests.documentation.reference_pages import ROOT


def test_decisions_are_numbered_without_holes_and_newest_first() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "DECISIONS.md").read_text("utf-8"), flags=re.MULTILINE)
    found = [re.fullmatch(r"(\d+)\. .+ \((\d{4}-\d\d-\d\d)\)", heading) for heading in headings]
    assert all(found), headings
    numbers = [int(each[1]) for each in found if each]
    dates = [date.fromisoformat(each[2]) for each in found if each]
    assert numbers == [*range(len(headings), 0, -1)]
    assert dates == sorted(dates, reverse=True)
