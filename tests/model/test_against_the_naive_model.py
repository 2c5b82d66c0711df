"""The engine against the naive model: the same inputs, the same records and certificates.

Whatever a script holds, further promises are kept: verify finds nothing, a restored store goes on as the one in memory,
ids of records are unique, and no event that was given to the store is nowhere.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given, settings

from bridge.capture.inbox import Announced, Forgotten, PassedOver, StillWatched
from bridge.capture.stored_inputs import StoredInput, StoredRead
from bridge.transcript.events import ChatTranscript
from bridge.transcript.updates import TranscriptUpdate
from tests.model.chat_scripts import scripts
from tests.model.found_scripts import FOUND
from tests.model.model_topics import ModelTopics, published
from tests.model.naive_model import Content, NaiveChat
from tests.model.true_chat import CHAT, DEFECT, LARGE, SECOND, SERVER, START, SURROGATE, Given, ScriptStep, inputs_of

if TYPE_CHECKING:
    from bridge.transcript.events import ChatEvent
    from tests.model.expected_records import ExpectedHole

EXAMPLES: Final = 4 * settings().max_examples
"""Of the profile, times four: most scripts take milliseconds, and what is rare needs many."""


def text_of(event: ChatEvent) -> str:
    return event.message_text.text if event.message_text is not None else ""


def unpublishable(event: ChatEvent) -> str | None:
    return {LARGE: "TOO_LARGE", SURROGATE: "NOT_RECORDED"}.get(text_of(event))


CONTENT = Content(unpublishable, lambda event: text_of(event) == DEFECT)


def over_at(now: int) -> Given:
    """The end of the chat, with nothing new."""
    end = TranscriptUpdate(
        ChatTranscript(CHAT, START), over=True, snapshot=False, server=SERVER, version=106, observed_at=now
    )
    return Given([end], now)


def play(script: list[ScriptStep]) -> tuple[NaiveChat, ModelTopics]:
    model, topics = NaiveChat(CHAT, CONTENT), ModelTopics()
    for given_now in inputs_of(script):
        topics.fold(given_now)
        for one in given_now.inputs:
            if isinstance(one, Announced):
                model.announced()
            elif not isinstance(one, Forgotten | PassedOver | StillWatched | StoredRead | StoredInput):
                model.give(one, given_now.now)
        model.folded(given_now.now)
        assert [published(record) for record in topics.records] == model.records
        assert topics.certificates == model.certificates
        if model.state == "FOLLOWED":
            now = topics.certificate_now(over_at(given_now.now + SECOND))
            assert now == {**model.certificate(), "supersedes": None}
    return model, topics


def ids_given(script: list[ScriptStep]) -> set[int]:
    updates = [
        one
        for given_now in inputs_of(script)
        for one in given_now.inputs
        if isinstance(one, TranscriptUpdate) and one.session_id == CHAT
    ]
    ids = {event.event_id for update in updates for event in update.transcript.chat_event_list}
    return ids | {one.event_id for update in updates for one in update.damaged if one.event_id is not None}


def told_of(number: int, holes: list[ExpectedHole]) -> bool:
    return any(hole.low is not None and hole.high is not None and hole.low <= number <= hole.high for hole in holes)


def holds(kept: bytes, number: int) -> bool:
    """Tell whether quarantined bytes hold an event: as JSON, or as Python writes what JSON cannot hold."""
    return b'"eventId":%d,' % number in kept or b"event_id=%d," % number in kept


def check(script: list[ScriptStep]) -> None:
    model, topics = play(script)
    assert topics.findings() == []
    records = topics.records
    assert [one for one, count in Counter(record["id"] for record in records).items() if count > 1] == []
    asides = topics.quarantined()
    assert len([aside for aside in asides if aside["part"] == 1]) == model.quarantined_inputs
    kept = b"".join(aside["bytes"] for aside in asides)
    here = {record["eventId"] for record in records}
    nowhere = [
        number
        for number in ids_given(script)
        if not (number in here or told_of(number, model.holes()) or holds(kept, number))
    ]
    assert nowhere == []


@pytest.mark.parametrize("script", FOUND.values(), ids=FOUND.keys())
def test_what_once_differed(script: list[ScriptStep]) -> None:
    check(script)


@given(scripts())
@settings(max_examples=EXAMPLES)
def test_the_store_publishes_and_certifies_what_the_naive_model_expects(script: list[ScriptStep]) -> None:
    check(script)
