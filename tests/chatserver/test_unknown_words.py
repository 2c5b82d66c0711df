"""What a connection does with words it does not know, with what it cannot read, and with a version that is not told."""

from __future__ import annotations

import pytest

from bridge.chatserver.connection_settings import ConnectionSettings
from bridge.chatserver.conversation import Conversation
from bridge.chatserver.conversation_events import Concern, Registered
from bridge.chatserver.messages import (
    EventRegistered,
    EventSessionInfo,
    EventStatus,
    FlexTranscript,
    UnknownMessage,
)
from bridge.chatserver.psdk_json import decode_event
from bridge.errors import Problem
from bridge.transcript.events import ChatTranscript
from bridge.transcript.input_codes import TOO_LONG, UNKNOWN_MESSAGE
from bridge.transcript.link_codes import HISTORY_TOO_LONG, UNREADABLE_HISTORY
from bridge.transcript.updates import JoinRefused, TranscriptUpdate, Verdict
from tests.chatserver.talk import Talk, info, told
from tests.support.reasons import NO_JSON

# --- the description of an error -------------------------------------------------------------------------------------


@pytest.mark.parametrize("description", ['"no"', '{"text":"no"}', '[{"text":"no"}]', "7", "true", "null", "1" * 30])
def test_an_error_says_what_it_says_whatever_its_description_is(description: str) -> None:
    talk = Talk("A")
    line = f'{{"messageName":"EventError","errorId":8201,"referenceId":{talk.join("B")},"description":{description}}}'
    read = decode_event(line.encode())
    talk.conversation.receive(read.message, 1.0, read.damaged, read.size)
    assert talk.learnt() == [("B", Verdict.GONE)]


# --- the status word -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "over"), [("over", True), ("OVER", True), ("oVeR", True), ("alive", False), ("ALIVE", False)]
)
def test_the_status_word_is_compared_without_regard_to_case(word: str, over: bool) -> None:
    talk = Talk("A")
    talk.conversation.receive(info("A", 2, status=word), 1.0)
    [update] = talk.conversation.events_received()
    assert isinstance(update, TranscriptUpdate)
    assert (update.over, update.unknown_status) == (over, None)


@pytest.mark.parametrize("word", ["Dormant", "", "over ", "Ended", "7"])
def test_a_status_that_is_not_known_does_not_end_the_chat_and_istold(word: str) -> None:
    talk = Talk("A")
    talk.conversation.receive(info("A", 2, status=word), 1.0)
    [update] = talk.conversation.events_received()
    assert isinstance(update, TranscriptUpdate)
    assert (update.over, update.unknown_status) == (False, word)
    assert talk.conversation.is_joined("A")


@pytest.mark.parametrize(
    ("status", "word"), [("1", "1"), ("true", "true"), ('["Over"]', '["Over"]'), ("null", "Alive")]
)
def test_a_status_of_another_shape_costs_nothing_of_the_message(status: str, word: str) -> None:
    raw = f'{{"messageName":"EventSessionInfo","sessionStatus":{status},"chatTranscript":{{"sessionId":"A"}}}}'
    assert decode_event(raw.encode()).message == EventSessionInfo(ChatTranscript("A"), session_status=word)


def test_what_is_kept_of_an_unknown_status_is_bounded() -> None:
    talk = Talk("A")
    talk.conversation.receive(info("A", 2, status="x" * 1_000_000), 1.0)
    [update] = talk.conversation.events_received()
    assert isinstance(update, TranscriptUpdate)
    assert update.unknown_status == "x" * 64


# --- registration ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("declared", [101, 104, 106])
def test_a_server_that_does_not_tell_its_version_gets_the_declared_one_marked_as_assumed(declared: int) -> None:
    conversation = Conversation(ConnectionSettings("bridge", "", "s:1", client_version=declared))
    conversation.opened(0.0)
    registered = decode_event(b'{"messageName":"EventRegistered","referenceId":1}').message
    conversation.receive(registered, 0.0)
    assert conversation.events_received() == [Registered(declared, assumed=True)]
    assert conversation.version == declared


@pytest.mark.parametrize("told", [100, 0, -(2**63)])
def test_a_version_below_the_lowest_counts_as_the_lowest(told: int) -> None:
    conversation = Conversation(ConnectionSettings("bridge", "", "s:1"))
    conversation.opened(0.0)
    conversation.receive(EventRegistered(client_version=told), 0.0)
    assert conversation.events_received() == [Registered(101)]


# --- what cannot be read, or is not known ----------------------------------------------------------------------------


def test_a_line_that_cannot_be_read_is_that_of_the_chat_that_it_names() -> None:
    talk = Talk("joined", "left", "ended")
    talk.leave("left")
    talk.hears(info("ended", 2, status="Over"))
    unreadable = talk.conversation.unreadable
    assert unreadable("joined", NO_JSON) == Concern("joined", attributed=True)
    assert unreadable("ended", NO_JSON) == Concern("ended", attributed=True)
    assert unreadable("left", NO_JSON) == Concern("left", attributed=False)
    assert unreadable("unknown", NO_JSON) == Concern(None, attributed=False, followed=("joined",))
    assert unreadable(None, NO_JSON) == Concern(None, attributed=False, followed=("joined",))
    assert talk.learnt() == []


def test_a_history_that_cannot_be_read_refuses_its_join_at_once_and_releases_the_chat() -> None:
    talk = Talk("A")
    talk.join("B")
    talk.hears(info("B", 9))
    assert talk.conversation.unreadable("B", Problem(TOO_LONG, "longer than 9 bytes")) == Concern("B", attributed=False)
    increment, refused = talk.conversation.events_received()
    assert told(increment) == ("B", [9], False, False)
    why = Problem(HISTORY_TOO_LONG, "its history is longer than 9 bytes")
    assert refused == JoinRefused("B", 0, why, Verdict.RETRY, unreadable=True)
    talk.released()
    assert talk.conversation.joined == {"A"}
    assert talk.conversation.load == 1
    talk.join("C")
    talk.conversation.unreadable("C", NO_JSON)
    [refused] = talk.conversation.events_received()
    assert isinstance(refused, JoinRefused)
    assert refused.reason.code == UNREADABLE_HISTORY


@pytest.mark.parametrize(
    "message",
    [
        UnknownMessage("EventNew", {"sessionId": "A"}),
        UnknownMessage("EventNew", {"chatTranscript": {"sessionId": "A"}}),
        EventStatus(flex_transcript=FlexTranscript("A")),
    ],
    ids=["unknown", "unknown with a transcript", "of the flex protocol"],
)
def test_an_unexpected_message_that_names_a_chat_that_is_or_was_joined_here_is_attributed_to_it(
    message: UnknownMessage | EventStatus,
) -> None:
    for talk, attributed in ((Talk("A"), True), (Talk("B"), False)):
        [(named, _, marked)] = talk.hears(message)
        assert (named, marked) == ("A", attributed)
    ended = Talk("A")
    ended.hears(info("A", 2, status="Over"))
    assert ended.hears(message)[0][2] is True


@pytest.mark.parametrize(
    "fields", [{}, {"sessionId": 7}, {"chatTranscript": ["A"]}, {"chatTranscript": {"sessionId": None}}]
)
def test_an_unknown_message_that_names_no_chat_is_attributed_to_none(fields: dict[str, object]) -> None:
    assert Talk("A").hears(UnknownMessage("EventNew", fields)) == [(None, UNKNOWN_MESSAGE, False)]
