from __future__ import annotations

import pytest

from tests.documentation.reference_pages import REFERENCE, pages

PAGES = pages()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_the_reference_is_in_step_with_the_code(name: str) -> None:
    file = REFERENCE / name
    there = file.read_text("utf-8") if file.is_file() else ""
    assert there == PAGES[name], f"docs/reference/{name} is not what the code says: run `make docs`"


def test_the_reference_has_no_other_pages() -> None:
    assert {file.name for file in REFERENCE.iterdir()} == PAGES.keys()
