"""What verify says of events that name the GAP they fill, and of those that should."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.records.avro import TRANSCRIPT_EVENT
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
