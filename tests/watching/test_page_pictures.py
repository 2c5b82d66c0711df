"""The pictures of the status page in the docs: Chromium takes them; those in the docs show the page as it is."""

from __future__ import annotations

import json
import re
import struct
from typing import TYPE_CHECKING

import pytest

from tests.documentation.reference_pages import ROOT
from tests.watching.page_pictures import NOTE, PICTURES, SUBJECTS, contents_of, note_on, take_picture

if TYPE_CHECKING:
    from tests.watching.chromium import Chromium

STALE = "run `make pictures`"
MOST_BYTES = 100_000


@pytest.mark.watching
@pytest.mark.parametrize("name", SUBJECTS)
def test_chromium_takes_a_picture_of_the_page(browser: Chromium, name: str) -> None:
    taken = take_picture(browser, name).read_bytes()
    _, width, most, _ = SUBJECTS[name]
    size = struct.unpack(">II", taken[16:24])
    assert size[0] == width
    assert most // 2 < size[1] <= most
    assert len(taken) < MOST_BYTES


def test_the_pictures_in_the_docs_are_of_the_page_as_it_is() -> None:
    assert json.loads((PICTURES / NOTE).read_text("utf-8")) == note_on(PICTURES), STALE


def test_the_docs_show_every_picture_and_no_other() -> None:
    assert {path.name for path in PICTURES.glob("*.png")} == set(SUBJECTS)
    pages = "".join(path.read_text("utf-8") for path in (ROOT / "docs").glob("*.md"))
    assert set(re.findall(r"!\[[^]]+\]\(pictures/([^)]+)\)", pages)) == set(SUBJECTS)


def test_another_report_size_or_colour_makes_another_note(monkeypatch: pytest.MonkeyPatch) -> None:
    name, other, _ = SUBJECTS
    reports, *look = SUBJECTS[name]
    known = contents_of(name)
    assert contents_of(name) == known
    for changed in ((SUBJECTS[other][0], *look), (reports, 1281, *look[1:]), (reports, *look[:2], True)):
        monkeypatch.setitem(SUBJECTS, name, changed)
        assert contents_of(name) != known
