"""The list of the generated reference pages, their directory and their first line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.documentation import codes_page, commands_page, metrics_page, settings_page, topics_page

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT: Final = Path(__file__).parents[2]
REFERENCE: Final = ROOT / "docs" / "reference"

_NOTE: Final = "<!-- Written by `make docs` from the code. Change the code, not this file. -->\n"
_PAGES: Final[dict[str, Callable[[], str]]] = {
    "settings.md": settings_page.text,
    "metrics.md": metrics_page.text,
    "topics.md": topics_page.text,
    "codes.md": codes_page.text,
    "commands.md": commands_page.text,
}


def pages() -> dict[str, str]:
    """File name -> text of every page."""
    return {name: f"{_NOTE}{text().strip()}\n" for name, text in _PAGES.items()}
