"""What verify says of events that name the GAP they fill, and of those that should."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.records.avro import TRANSCRIPT_EVENT
from bridge.records.fill_checks import misnamed
from bridge.transcript.entries import Gap
from bridge.transcript.gap_codes import OUTPUT_ADDED
from tests.records.test_verifier import SCHEMAS, RecordedTopics, forged, published
from tests.transcript.build import CHAT, fresh, history, joined, push, said

GAP = f"{CHAT}:~0.4"


def recovered() -> RecordedTopics:
    """1, 2, RESUMED, GAP 3-5, 6, then 4 and 5 in the next history, and 7 live."""
    fold = fresh()
    entries = fold.apply(history(joined(1), said(2)))
    entries += fold.apply(history(joined(1), said(2), said(6)))
    entries += fold.apply(history(said(4), said(5)))
    entries += fold.apply(push(said(7)))
    return published(entries, fold.certificate(), fold.facts)


def test_what_the_fold_names_is_no_finding() -> None:
    topics = recovered()
    records = [SCHEMAS.decode(TRANSCRIPT_EVENT, payload) for _, payload in topics.events]
    assert [record["fills"] for record in records] == [None, None, None, None, None, None, GAP, GAP, None]
    assert records[3]["id"] == GAP
    assert topics.verify() == []


@pytest.mark.parametrize(
    ("at", "changes", "message"),
    [
        (6, {"fills": None}, f"does not say that it fills {GAP}"),
        (6, {"fills": f"{CHAT}:~0.3"}, f"fills {CHAT}:~0.3, which is not a GAP that missed event 4"),
        (8, {"fills": GAP}, f"fills {GAP}, which is not a GAP that missed event 7"),
        (6, {"origin": "LIVE"}, f"fills {GAP}, although it is live"),
        (2, {"fills": GAP}, f"fills {GAP}, although it is not the first record of an event"),
    ],
)
def test_a_wrong_name_is_told(at: int, changes: dict[str, Any], message: str) -> None:
    topics = recovered()
    offset, payload = topics.events[at]
    topics.events[at] = (offset, forged(payload, **changes))
    found = [finding for finding in topics.findings() if finding.promise == "fills"]
    assert [finding.message for finding in found] == [f"record at events-3@{offset} {message}"]


def test_an_event_whose_gap_has_expired_is_no_finding() -> None:
    topics = recovered()
    del topics.events[:5]
    assert [finding.broken for finding in topics.findings()] == [False]


def test_a_gap_of_before_a_chat_began_in_an_output_may_be_filled_however_late_that_was() -> None:
    begun = {2**60: Gap(None, None, None, OUTPUT_ADDED)}
    record = {"sessionId": CHAT, "eventId": 4, "amendment": None, "origin": "REPLAY"}
    for name, wrong in ((f"{CHAT}:~0.3", False), (f"{CHAT}:~0.{2**60 + 1}", True), (f"{CHAT}:~1.3", True), ("3", True)):
        assert bool(misnamed({**record, "fills": name}, begun, 0, truncated=False)) is wrong
