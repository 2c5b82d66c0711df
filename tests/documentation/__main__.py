"""Writes docs/reference from the code; `test_reference.py` checks that the files are up to date."""

from __future__ import annotations

from tests.documentation.reference_pages import REFERENCE, pages


def main() -> None:
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, "utf-8")


main()
