"""`verify` checks every field of a certificate that the topic can prove, and names it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from bridge.errors import Problem
from bridge.records.normalise import ChatRecorder
from bridge.records.session_records import CLOSED, OPENED
from bridge.transcript.completeness import TYPING_ONLY, MissingIds
from bridge.transcript.entries import Gap
from bridge.transcript.gap_codes import (
    IDS_REUSED,
    NOT_IN_REPLAY,
    OUT_OF_REACH,
    TOO_LARGE,
    UNATTRIBUTED,
    UNEXPLAINED_IDS,
    UNREADABLE,
)
from bridge.transcript.updates import Damaged
from bridge.transcript.watch import Unwatched
from tests.records.test_verifier import RECORDING, RecordedTopics, published
from tests.support.reasons import A_LARGE_RECORD
from tests.transcript.build import CHAT, fresh, history, joined, push, said

if TYPE_CHECKING:
    from bridge.transcript.entries import Certificate, Entry, SessionFacts

FILLED = Gap(3, 5, 1_700_000, NOT_IN_REPLAY)
ENDLESS = Gap(7, None, None, OUT_OF_REACH, "no server")
LOST = Gap(None, None, None, UNREADABLE)
LARGE = Gap(9, 9, None, TOO_LARGE, A_LARGE_RECORD.detail)


def eventful() -> tuple[list[Entry], Certificate, SessionFacts]:
    """A chat with everything that a certificate has a field for."""
    fold = fresh()
    entries = fold.apply(history(joined(1), said(2)))
    fold.away(1_700_000)
    entries += fold.apply(history(joined(1), said(2), said(6)))
    entries += fold.apply(push(said(3), said(4), said(5)))
    entries += [fold.end(Problem(OUT_OF_REACH, "no server"), 7)]
    entries += fold.apply(history(joined(1), said(2, "changed"), *(said(n) for n in (3, 4, 5, 6, 7))))
    entries += fold.apply(push(said(7, user_id="00B2"), said(8)))
    entries += fold.set_aside(None, 8)
    entries += fold.apply(push(said(9)))
    fold.withdraw(entries[-1], A_LARGE_RECORD)
    return entries, fold.certificate(), fold.facts


def found(**changes: Any) -> list[str]:
    entries, certificate, facts = eventful()
    start = f"chat {CHAT}: certificate at sessions-3@41 "
    return [one.removeprefix(start) for one in published(entries, replace(certificate, **changes), facts).verify()]


def test_a_certificate_of_an_eventful_chat_agrees_with_its_topic() -> None:
    _, certificate, _ = eventful()
    assert found() == []
    assert (certificate.gaps, certificate.filled) == ([LOST, LARGE], [ENDLESS, FILLED])
    assert (certificate.rejoins, certificate.amendments, certificate.ids_reused) == (2, 1, 1)
    assert certificate.id_ranges == [(1, 8)]


@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        ({"amendments": 2}, ["says amendments 2, the topic holds 1"]),
        ({"rejoins": 0}, ["says rejoins 0, the topic holds 2", "says joins 3 and rejoins 0"]),
        (
            {"ids_reused": 0},
            [
                "says idsReused 0, the topic holds 1",
                "says in reasons that ids were reused, unlike idsReused",
            ],
        ),
        (
            {"id_ranges": [(1, 9)]},
            [
                "lists ids 9 in idRanges, unlike the topic",
                "lists the holes 9, although  are missing in idRanges",
            ],
        ),
        (
            {"id_ranges": [(1, 7)]},
            [
                "lacks ids 8 in idRanges, unlike the topic",
                "lists the holes 9, although 8-9 are missing in idRanges",
            ],
        ),
        (
            {"filled": [ENDLESS]},
            ["lacks the gap 3-5 (NOT_IN_REPLAY) in gaps and filled, unlike the topic"],
        ),
        (
            {"filled": [ENDLESS, FILLED, Gap(1, 2, None, UNREADABLE)]},
            ["lists the gap 1-2 (UNREADABLE) in gaps or filled, unlike the topic"],
        ),
        (
            {"gaps": [LOST, LARGE, FILLED], "filled": [ENDLESS], "reasons": sorted(
                [IDS_REUSED, NOT_IN_REPLAY, TOO_LARGE, UNREADABLE])},
            ["lists the gap 3-5 (NOT_IN_REPLAY) in gaps, although its events are on the topic"],
        ),
        (
            {"gaps": [LOST], "filled": [ENDLESS, FILLED, LARGE]},
            [
                "lists the holes 9, although  are missing in idRanges",
                "says that the hole 9-9 is SET_ASIDE, although no gap names it",
                "lists the gap 9-9 (TOO_LARGE) in filled, although its events are not on the topic",
                f"lacks in reasons what follows from its other fields: {[UNEXPLAINED_IDS]}",
            ],
        ),
        (
            {"gaps": [LARGE], "filled": [ENDLESS, FILLED, LOST]},
            ["lists the gap ?-? (UNREADABLE) in filled, although its events are not on the topic"],
        ),
        (
            {"gaps": [LOST, LARGE, ENDLESS], "filled": [FILLED], "reasons": sorted(
                [IDS_REUSED, OUT_OF_REACH, TOO_LARGE, UNREADABLE])},
            ["lacks the gap 7-? (OUT_OF_REACH) in filled, although the chat was joined again"],
        ),
        (
            {"reasons": [TOO_LARGE]},
            [f"lacks in reasons what follows from its other fields: {[IDS_REUSED, UNREADABLE]}"],
        ),
        ({"unattributed": 1}, [f"lacks in reasons what follows from its other fields: {[UNATTRIBUTED]}"]),
        (
            {"reasons": sorted([IDS_REUSED, TOO_LARGE, UNATTRIBUTED, UNREADABLE])},
            ["says in reasons that unreadable input may have concerned the chat, unlike unattributed"],
        ),
        ({"reasons": [UNREADABLE, TOO_LARGE, IDS_REUSED]}, ["lists reasons more than once or out of order"]),
        ({"quarantined": 1}, ["says quarantined 1, the topic tells of at least 2"]),
        ({"id_ranges": [(1, 8), (3, 4)]}, [
            "lists ids more than once or out of order in idRanges",
            "says firstEventId 1 and lastEventId 4, unlike idRanges",
        ]),
        ({"holes": []}, ["lists the holes , although 9 are missing in idRanges"]),
        (
            {"holes": [MissingIds(9, 9, TYPING_ONLY)]},
            [
                "says that the hole 9-9 is TYPING_ONLY, although the gap of TOO_LARGE names it",
                f"lacks in reasons what follows from its other fields: {[TYPING_ONLY]}",
            ],
        ),
        ({"joins": 4}, ["says joins 4 and rejoins 2"]),
        (
            {"unwatched": []},
            [
                "lists 0 intervals in unwatched that are over, which do not end with the RESUMED records",
                "lacks the interval in unwatched in which a gap began",
            ],
        ),
        (
            {"unwatched": [Unwatched(1_700_000_000, 1_000_000, "NOT_TOLD")]},
            ["lists 1 intervals in unwatched that are over, which do not end with the RESUMED records"],
        ),
        (
            {"verdict": "COMPLETE"},
            [f"has the verdict COMPLETE with the reasons {[IDS_REUSED, TOO_LARGE, UNREADABLE]}"],
        ),
    ],
)  # fmt: skip
def test_each_field_that_does_not_agree_with_the_topic_is_named(changes: dict[str, Any], messages: list[str]) -> None:
    assert found(**changes) == messages


def test_a_complete_certificate_may_say_that_ids_were_reused_and_nothing_else() -> None:
    fold = fresh()
    entries = fold.apply(history(joined(1), said(2))) + fold.apply(push(said(2, user_id="00B2")))
    certificate = fold.certificate()
    assert (certificate.verdict, certificate.reasons) == ("COMPLETE", [IDS_REUSED])
    assert published(entries, certificate, fold.facts).verify() == []
    [finding] = published(entries, replace(certificate, verdict="INCOMPLETE"), fold.facts).verify()
    assert "has the verdict INCOMPLETE" in finding


@pytest.mark.parametrize("verdict", ["COMPLETE", "INCOMPLETE"])
@pytest.mark.parametrize("where", ["gaps", "filled"])
def test_what_depends_on_the_meaning_of_a_code_of_a_later_version_is_not_judged(verdict: str, where: str) -> None:
    fold = fresh()
    later = Problem("A_LATER_CODE", "a sentence of a later version")
    entries = [*fold.apply(history(joined(1), said(2))), fold.end(later, 7)]
    gaps, none = fold.certificate().gaps, list[Gap]()
    still_open, filled = (gaps, none) if where == "gaps" else (none, gaps)
    certificate = replace(fold.certificate(), verdict=verdict, reasons=[later.code], gaps=still_open, filled=filled)
    assert published(entries, certificate, fold.facts).verify() == []


def test_a_sentence_beside_a_code_is_not_compared() -> None:
    fold = fresh()
    entries = [*fold.apply(history(joined(1), said(2))), fold.end(Problem(OUT_OF_REACH, "no server"), 7)]
    [gap] = fold.certificate().gaps
    certificate = replace(fold.certificate(), gaps=[replace(gap, detail="written otherwise")])
    assert published(entries, certificate, fold.facts).verify() == []


def test_a_damaged_copy_of_an_event_that_is_there_is_no_finding() -> None:
    fold = fresh()
    entries = fold.apply(history(joined(1), said(2)))
    again = history(joined(1))
    again.damaged = [Damaged(b"{}", "wrong type", 2)]
    entries += fold.apply(again)
    assert published(entries, fold.certificate(), fold.facts).verify() == []


def superseded(supersedes: int | None, *, first: bool = True, reopened: bool = False) -> RecordedTopics:
    """A chat of three records that was closed after the second and again after the third."""
    fold, recorder, topics = fresh(), ChatRecorder(CHAT, RECORDING), RecordedTopics()
    entries = fold.apply(history(joined(1), said(2)))
    for number, more in enumerate((entries, fold.apply(push(said(3))))):
        topics.events += [(1200 + entry.sequence, recorder.event_record(entry, fold.facts)) for entry in more]
        certificate = fold.certificate(supersedes=supersedes if number else None)
        if not number:
            certificate = replace(
                certificate, last_sequence=2, counts={"PARTY_JOINED": 1, "MESSAGE": 1}, id_ranges=[(1, 2)]
            )
        if number and reopened:
            topics.sessions.append((40, recorder.session_record(OPENED, fold.facts, 2)))
        if number or first:
            topics.sessions.append((40 + number, recorder.session_record(CLOSED, fold.facts, 2 + number, certificate)))
    return topics


def test_a_certificate_that_supersedes_the_former_one_is_no_finding() -> None:
    assert superseded(2).verify() == []
    assert superseded(None, reopened=True).verify() == []


@pytest.mark.parametrize(
    ("supersedes", "reopened", "former"), [(1, False, 2), (None, False, 2), (2, True, None), (1, True, None)]
)
def test_a_certificate_that_supersedes_another_one_than_the_former_is_named(
    supersedes: int | None, reopened: bool, former: int | None
) -> None:
    [finding] = superseded(supersedes, reopened=reopened).findings()
    assert finding.broken
    assert f"has supersedes {supersedes}, the former one is {former}" in finding.message


def test_one_whose_former_certificate_has_expired_is_remarked() -> None:
    [finding] = superseded(2, first=False).findings()
    assert not finding.broken
