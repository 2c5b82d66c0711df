"""Each way to tamper with topics or files is found, or docs/verify.md says that it is not."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bridge.commands.verification import Selection
from tests.tampering.expectations import FOUND, NOT_FOUND, NOT_FOUND_SIGNED, expected, table
from tests.tampering.log_tamperings import LOG_UNITS, SIGNED_UNITS
from tests.tampering.signed_copies import ANCHORS, LEAVES, signed
from tests.tampering.tamperings import OPERATIONS, POSITIONS, UNITS, tamper
from tests.tampering.topic_copies import EVENTS, PARTITIONS, SESSIONS, sound

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
    check(verified, unit, operation, source)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("unit", LOG_UNITS)
def test_what_was_done_to_the_log_is_found_or_named(verified: Verify, unit: str, operation: str) -> None:
    check(verified, unit, operation, "signed")


def check(verified: Verify, unit: str, operation: str, source: str) -> None:
    for position in POSITIONS:
        copies = tamper(of(source), SIGNED_UNITS[unit], operation, position)
        found = [each for each in verified(copies, source, Selection()).findings(Selection()) if each.broken]
        due = expected(unit, operation, position, signed=source == "signed") == FOUND
        assert bool(found) == due, (position, found)


@pytest.mark.parametrize("emptied", [[ANCHORS], [LEAVES], [ANCHORS, LEAVES]], ids=["anchors", "leaves", "both"])
@pytest.mark.parametrize("gone", [False, True])
def test_a_log_that_was_emptied_or_deleted_is_found(verified: Verify, emptied: list[str], gone: bool) -> None:
    copies = of("signed").copy()
    for topic in emptied:
        for partition in range(PARTITIONS):
            copies.log(topic, partition).clear()
            if gone:
                del copies.logs[topic, partition]
    assert any(each.broken for each in verified(copies, "signed", Selection()).findings(Selection()))


def test_signed_records_of_open_chats_without_any_anchor_are_found(verified: Verify) -> None:
    copies = of("signed").copy()
    for partition in range(PARTITIONS):
        last = copies.chats(partition)[-1].encode()
        for topic in (EVENTS, SESSIONS):
            copies.logs[topic, partition] = [one for one in copies.log(topic, partition) if one.key == last]
        for topic in (ANCHORS, LEAVES):
            copies.log(topic, partition).clear()
    assert [str(each) for each in verified(copies, "signed", Selection()).findings(Selection())] == [
        f"partition {each}: 1 signed session records, and no signed head is on the anchors topic"
        for each in range(PARTITIONS)
    ]


def test_certificates_after_the_last_anchor_are_named(verified: Verify) -> None:
    copies = of("signed").copy()
    done = verified(copies, "signed", Selection())
    assert not any("after the last signed head" in limit for limit in done.unchecked())
    for partition in range(PARTITIONS):
        del copies.log(ANCHORS, partition)[-2:]
    done = verified(copies, "signed", Selection())
    assert done.findings(Selection()) == []
    assert "that 3 certificates stay in the log: they came after the last signed head" in done.unchecked()


@pytest.mark.parametrize("with_keys", [False, True])
def test_the_tables_of_the_documentation_are_those_of_the_tests(with_keys: bool) -> None:
    assert "\n".join(table(signed=with_keys)) in DOCUMENT.read_text()


def test_each_reason_is_explained() -> None:
    text = DOCUMENT.read_text()
    assert all(f"\n{reason} " in text for reason in (*NOT_FOUND.values(), *NOT_FOUND_SIGNED.values()))
