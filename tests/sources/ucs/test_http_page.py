"""The page about UCS over HTTP has each code, as the table of the codes says it."""

from __future__ import annotations

from pathlib import Path

from bridge.sources.ucs.http_codes import REPEATED, UCS_HTTP_CODES

PAGE = Path(__file__).parents[3] / "docs" / "doors" / "ucs-http.md"


def test_every_code_is_on_the_page_with_its_meaning_and_the_next_step() -> None:
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `UCS_HTTP_")]
    assert rows == [f"| `{code}` | {meaning} | {step} |" for code, (meaning, step) in UCS_HTTP_CODES.items()]
    assert UCS_HTTP_CODES.keys() >= REPEATED
