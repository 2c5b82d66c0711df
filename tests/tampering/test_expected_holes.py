"""A certificate with expected holes that somebody has made look better is found, on topics and in files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bridge.commands.verification import Selection
from bridge.records.avro import SESSION_RECORD
from bridge.transcript.completeness import BEFORE_JOIN, DIRECT_MESSAGE_SUSPECTED, TYPING_ONLY
from tests.tampering.signed_copies import signed
from tests.tampering.test_tampering import SIGNED, SOURCES
from tests.tampering.topic_copies import PARTITIONS, SCHEMAS, SESSIONS, TopicCopies, WrittenChat, sound
from tests.transcript.build import joined, left, said

if TYPE_CHECKING:
    from tests.tampering.conftest import Verify

TYPED = [{"fromEventId": number, "toEventId": number, "class": TYPING_ONLY} for number in (1, 5)]


def copies_with_holes(source: str) -> TopicCopies:
    """Sound copies, and one more chat, whose events 1 and 5 never came."""
    copies = sound()
    chat = WrittenChat(copies, "0000HOLE00000001")
    chat.hears(joined(2), joined(3, "00B2"), said(4), snapshot=True)
    chat.hears(said(6))
    chat.hears(left(7))
    chat.close()
    return signed(copies) if source in SIGNED else copies


def with_certificate(copies: TopicCopies, **changes: Any) -> TopicCopies:
    """Change the certificate of the chat with holes."""
    changed = copies.copy()
    for log in (changed.log(SESSIONS, each) for each in range(PARTITIONS)):
        for at, record in enumerate(log):
            told = SCHEMAS.decode(SESSION_RECORD, record.payload)
            if told["certificate"] is not None and told["certificate"]["holes"]:
                forged = told | {"certificate": told["certificate"] | changes}
                log[at] = record.with_payload(SCHEMAS.encode(SESSION_RECORD, forged))
    return changed


@pytest.mark.parametrize("source", SOURCES)
def test_the_chat_is_sound_as_it_was_written(verified: Verify, source: str) -> None:
    copies = copies_with_holes(source)
    assert verified(copies, source, Selection()).findings(Selection()) == []
    assert with_certificate(copies) == copies
    assert with_certificate(copies, verdict="COMPLETE") != copies


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": "COMPLETE"},
        {"verdict": "COMPLETE", "reasons": []},
        {"verdict": "COMPLETE", "reasons": [], "holes": []},
        {"verdict": "COMPLETE", "reasons": [], "holes": None},
        {"reasons": [BEFORE_JOIN]},
        {"reasons": [DIRECT_MESSAGE_SUSPECTED]},
        {"reasons": [TYPING_ONLY], "holes": TYPED},
        {"reasons": [TYPING_ONLY], "holes": TYPED, "archived": True},
        {"firstEventId": 1},
        {"lastEventId": 6},
        {"idRanges": [{"from": 1, "to": 7}], "firstEventId": 1, "holes": [], "reasons": [], "verdict": "COMPLETE"},
        {"joins": 3},
        {"unwatchedMore": 1},
    ],
)
def test_a_certificate_that_was_made_to_look_better_is_found(
    verified: Verify, source: str, changes: dict[str, Any]
) -> None:
    copies = with_certificate(copies_with_holes(source), **changes)
    assert any(each.broken for each in verified(copies, source, Selection()).findings(Selection()))
