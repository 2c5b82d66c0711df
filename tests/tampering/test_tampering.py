"""Each way to tamper with topics or files is found, or docs/verify.md says that it is not."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bridge.commands.verification import Selection
from tests.tampering.expectations import FOUND, NOT_FOUND, expected, table
from tests.tampering.signed_copies import signed
from tests.tampering.tamperings import OPERATIONS, POSITIONS, UNITS, tamper
from tests.tampering.topic_copies import sound

if TYPE_CHECKING:
    from tests.tampering.conftest import Verify
    from tests.tampering.topic_copies import TopicCopies

SOURCES = ("kafka", "jsonl", "avro", "signed")
"""Topics; files; topics with a signed log, and its keys."""
DOCUMENT = Path(__file__).parents[2] / "docs" / "verify.md"


@cache
def _signed() -> TopicCopies:
    return signed(sound())


def of(source: str) -> TopicCopies:
    return _signed() if source == "signed" else sound()  # `tamper` changes a copy


@pytest.mark.parametrize("source", SOURCES)
def test_what_nobody_has_tampered_with_is_sound(verified: Verify, source: str) -> None:
    done = verified(of(source), source, Selection())
    assert done.findings(Selection()) == []
    told = done.figures()
    assert (told["chats"], told["closed"], told["open"], told["records"], told["certificates"]) == (12, 9, 3, 75, 12)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("unit", UNITS)
def test_it_is_found_or_named(verified: Verify, unit: str, operation: str, source: str) -> None:
    for position in POSITIONS:
        copies = tamper(of(source), unit, operation, position)
        found = [each for each in verified(copies, source, Selection()).findings(Selection()) if each.broken]
        due = expected(unit, operation, position, signed=source == "signed") == FOUND
        assert bool(found) == due, (position, found)


@pytest.mark.parametrize("with_keys", [False, True])
def test_the_tables_of_the_documentation_are_those_of_the_tests(with_keys: bool) -> None:
    assert "\n".join(table(signed=with_keys)) in DOCUMENT.read_text()


def test_each_reason_is_explained() -> None:
    text = DOCUMENT.read_text()
    assert all(f"\n{reason} " in text for reason in NOT_FOUND.values())
