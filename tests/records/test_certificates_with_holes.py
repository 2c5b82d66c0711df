"""`verify` finds each field of a certificate with expected holes that the records of its chat disprove."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from bridge.transcript.completeness import (
    BEFORE_JOIN,
    DIRECT_MESSAGE_SUSPECTED,
    SET_ASIDE,
    TYPING_ONLY,
    WITHHELD_BY_VERSION,
    MissingIds,
)
from bridge.transcript.entries import COMPLETE, COMPLETE_WITH_EXPECTED_HOLES, INCOMPLETE, UCS
from bridge.transcript.gap_codes import LISTS_LEFT_OUT
from bridge.transcript.watch import Unwatched
from tests.records.test_verifier import published
from tests.transcript.build import CHAT, fresh, history, joined, left, push, said

if TYPE_CHECKING:
    from bridge.transcript.entries import Certificate, Entry, SessionFacts

AGENT = "00B2000000000002"
RESUMED_AT = 1_000_000
EXPECTED = [BEFORE_JOIN, DIRECT_MESSAGE_SUSPECTED]
TYPED = [MissingIds(1, 1, TYPING_ONLY), MissingIds(5, 5, TYPING_ONLY)]


def chat() -> tuple[list[Entry], Certificate, SessionFacts]:
    """A chat whose events 1 and 5 never came, that nobody watched for a while."""
    fold = fresh()
    seen = [joined(2), joined(3, AGENT, user_type="AGENT"), said(4)]
    entries = fold.apply(history(*seen)) + fold.apply(push(said(6)))
    fold.away(900)
    entries += fold.apply(history(*seen, said(6))) + fold.apply(push(left(7)))
    return entries, fold.certificate(), fold.facts


def found(**changes: Any) -> list[str]:
    entries, certificate, facts = chat()
    watch = {name: changes.pop(name) for name in ("lowest_version", "sources") if name in changes}
    told = replace(certificate, watch=replace(certificate.watch, **watch), **changes)
    start = f"chat {CHAT}: certificate at sessions-3@41 "
    return [one.removeprefix(start) for one in published(entries, told, facts).verify()]


def test_the_certificate_agrees_with_its_topic() -> None:
    _, certificate, _ = chat()
    assert found() == []
    assert (certificate.verdict, certificate.reasons) == (COMPLETE_WITH_EXPECTED_HOLES, EXPECTED)
    assert certificate.holes == [MissingIds(1, 1, BEFORE_JOIN), MissingIds(5, 5, DIRECT_MESSAGE_SUSPECTED)]
    assert certificate.unwatched == [Unwatched(900_000, RESUMED_AT, "NOT_TOLD")]
    assert certificate.filled == certificate.gaps == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"verdict": COMPLETE}, "has the verdict COMPLETE with the reasons"),
        ({"verdict": INCOMPLETE}, "has the verdict INCOMPLETE with the reasons"),
        ({"verdict": COMPLETE, "reasons": []}, "lacks in reasons what follows from its other fields"),
        ({"reasons": [BEFORE_JOIN]}, "lacks in reasons what follows from its other fields"),
        ({"verdict": COMPLETE, "reasons": [], "holes": []}, "lists the holes , although 1,5 are missing"),
        ({"verdict": COMPLETE, "reasons": [], "holes": None}, "does not list holes"),
        ({"verdict": COMPLETE, "reasons": [LISTS_LEFT_OUT], "holes": None}, "has the verdict COMPLETE with"),
        ({"holes": [MissingIds(1, 1, BEFORE_JOIN)], "reasons": [BEFORE_JOIN]}, "lists the holes 1, although 1,5"),
        (
            {"holes": [MissingIds(1, 1, BEFORE_JOIN), MissingIds(5, 5, SET_ASIDE)]},
            "says that the hole 5-5 is SET_ASIDE, although no gap names it",
        ),
        (
            {"holes": [MissingIds(1, 1, BEFORE_JOIN), MissingIds(5, 5, WITHHELD_BY_VERSION)]},
            "says that the hole 5-5 is WITHHELD_BY_VERSION, although the lowest ClientVersion was 106",
        ),
        ({"holes": TYPED, "reasons": [TYPING_ONLY]}, "is TYPING_ONLY, although no stored transcript was read"),
        (
            {"holes": TYPED, "reasons": [TYPING_ONLY], "archived": True},
            "says sources ['CHAT_SERVER'], although a stored transcript was read",
        ),
        ({"sources": (UCS,)}, "says sources ['UCS'], although records came live"),
        ({"lowest_version": 107}, "says lowestVersion 107 and highestVersion 106"),
        ({"lowest_version": None}, "says lowestVersion None and highestVersion 106"),
        ({"id_ranges": [(1, 4), (6, 7)]}, "lists ids 1 in idRanges"),
        ({"unwatched": []}, "lists 0 intervals in unwatched"),
        ({"unwatched": [Unwatched(900_000, None, "NOT_TOLD")]}, "lists 0 intervals in unwatched"),
        ({"unwatched": [Unwatched(900_000, RESUMED_AT - 1, "NOT_TOLD")]}, "lists 1 intervals in unwatched"),
        ({"joins": 3}, "says joins 3 and rejoins 1"),
        ({"rejoins": 0}, "says rejoins 0, the topic holds 1"),
    ],
)
def test_a_field_that_its_records_disprove_is_found(changes: dict[str, Any], message: str) -> None:
    messages = found(**changes)
    assert any(message in one for one in messages), messages
