"""The pictures of the status page in the docs, with invented data, and a note beside them of what they show.

The test of the pictures takes them into TAKEN; `python -m tests.watching.page_pictures` puts these into the docs.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bridge.adapters.http.status_page import PAGE_FILES
from bridge.errors import Problem
from tests.support.invented_status import SERVERS, InventedReports, invented_chats
from tests.watching.served_page import ServedPage

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.watching.chromium import Chromium

_ROOT: Final = Path(__file__).parents[2]
PICTURES: Final = _ROOT / "docs" / "pictures"
TAKEN: Final = _ROOT / "dist" / "pictures"
NOTE: Final = "shown.json"
"""File in PICTURES: name of a picture -> SHA-256 of its file, and of what the page showed when it was taken."""
_DIGITS: Final = 6
"""Decimal places of numbers in a report that count: the last ones depend on the mathematical library."""


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


def take_picture(browser: Chromium, name: str) -> Path:
    """Write one picture to TAKEN, and return its path."""
    TAKEN.mkdir(parents=True, exist_ok=True)
    reports, width, most, dark = SUBJECTS[name]
    with ServedPage(reports()) as page:
        browser.look(width, most, dark=dark)
        browser.open(page.url)
        browser.wait("document.querySelector('#chats code')")
        browser.picture(TAKEN / name, most)
    return TAKEN / name


def contents_of(name: str) -> str:
    """Return the SHA-256 of what a picture is made from: the page's files, the worker's report, size, colours."""
    reports, *look = SUBJECTS[name]
    found = hashlib.sha256(json.dumps(look).encode())
    with ServedPage(reports()) as page:
        for path in (*PAGE_FILES, "/v1/status"):
            with urllib.request.urlopen(page.url.rstrip("/") + path, timeout=10) as answer:
                body = answer.read()
            found.update(_report(body) if path == "/v1/status" else body)
    return found.hexdigest()


def note_on(folder: Path) -> dict[str, dict[str, str]]:
    """Return what NOTE has to say of the pictures in a folder."""
    return {
        name: {"file": hashlib.sha256((folder / name).read_bytes()).hexdigest(), "shows": contents_of(name)}
        for name in SUBJECTS
    }


def _report(body: bytes) -> bytes:
    report: Any = json.loads(body, parse_float=lambda text: round(float(text), _DIGITS))
    return json.dumps(report, sort_keys=True).encode()


def main() -> None:
    """Put the pictures that were taken into the docs."""
    for name in SUBJECTS:
        shutil.copyfile(TAKEN / name, PICTURES / name)
    (PICTURES / NOTE).write_text(json.dumps(note_on(PICTURES), indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
