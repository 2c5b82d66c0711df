"""Each way to tamper with topics or files is found, or docs/verify.md says that it is not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bridge.commands.verification import Selection
from tests.tampering.expectations import FOUND, NOT_FOUND, expected, table
from tests.tampering.tamperings import OPERATIONS, POSITIONS, UNITS, tamper
from tests.tampering.topic_copies import sound

if TYPE_CHECKING:
    from tests.tampering.conftest import Verify

SOURCES = ("kafka", "jsonl", "avro")
DOCUMENT = Path(__file__).parents[2] / "docs" / "verify.md"


@pytest.mark.parametrize("source", SOURCES)
def test_what_nobody_has_tampered_with_is_sound(verified: Verify, source: str) -> None:
    done = verified(sound(), source, Selection())
    assert done.findings(Selection()) == []
    told = done.figures()
    assert (told["chats"], told["closed"], told["open"], told["records"], told["certificates"]) == (12, 9, 3, 75, 12)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("unit", UNITS)
def test_it_is_found_or_named(verified: Verify, unit: str, operation: str, source: str) -> None:
    for position in POSITIONS:
        copies = tamper(sound(), unit, operation, position)
        found = [each for each in verified(copies, source, Selection()).findings(Selection()) if each.broken]
        assert (not found) == (expected(unit, operation, position) != FOUND), (position, found)


def test_the_table_of_the_documentation_is_that_of_the_tests() -> None:
    assert "\n".join(table()) in DOCUMENT.read_text()


def test_each_reason_is_explained() -> None:
    text = DOCUMENT.read_text()
    assert all(f"\n{reason} " in text for reason in NOT_FOUND.values())
