"""The pictures of the status page in the docs, with invented data: `python -m tests.watching.page_pictures`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.errors import Problem
from tests.support.invented_status import SERVERS, InventedReports, invented_chats
from tests.watching.browser_tools import install
from tests.watching.chromium import Chromium
from tests.watching.served_page import ServedPage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PICTURES: Final = Path(__file__).parents[2] / "docs" / "pictures"


def _well() -> InventedReports:
    return InventedReports()


def _captures_nothing() -> InventedReports:
    return InventedReports(chats=invented_chats(120, joined=False))


def _not_ready() -> InventedReports:
    reasons = [
        Problem("COMMIT_SLOW", "waiting for Kafka: a transaction has been in progress for 12 s"),
        Problem("SERVER_UNSTABLE", f"{SERVERS[1]} answers and drops: 4 times in a row"),
    ]
    return InventedReports(reasons=reasons)


SUBJECTS: Final[dict[str, tuple[Callable[[], InventedReports], int, int, bool]]] = {
    "status.png": (_well, 1280, 1300, False),
    "status-dark.png": (_not_ready, 1280, 900, True),
    "status-phone.png": (_captures_nothing, 390, 1150, False),
}
"""File -> what the worker says, width, greatest height, dark."""


def take_pictures(folder: Path, names: Iterable[str] = SUBJECTS) -> None:
    """Write these pictures to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as profile, Chromium(Path(profile)) as browser:
        for name in names:
            reports, width, most, dark = SUBJECTS[name]
            with ServedPage(reports()) as page:
                browser.look(width, most, dark=dark)
                browser.open(page.url)
                browser.wait("document.querySelector('#chats code')")
                browser.picture(folder / name, most)


if __name__ == "__main__":
    if lacks := install():
        sys.exit(f"missing: {lacks}")
    take_pictures(PICTURES)
