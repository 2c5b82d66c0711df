"""The basic conversation: a table of what a server may say, and what the client answers."""

from __future__ import annotations

import pytest

from bridge.chatserver.connection_settings import ConnectionSettings
from bridge.chatserver.connection_state import ConnectionState
from bridge.chatserver.conversation import (
    Conversation,
)
from bridge.chatserver.conversation_events import Ended, Registered, UnexpectedMessage
from bridge.chatserver.messages import (
    EventError,
    EventRegistered,
    EventSessionInfo,
    EventStatus,
    Ping,
    Pong,
    Request,
    RequestJoin,
    RequestRegister,
    RequestReleaseParty,
    UnknownMessage,
)
from bridge.chatserver.verdicts import verdict_on
from bridge.errors import Problem
from bridge.transcript.events import ChatTranscript
from bridge.transcript.link_codes import NOT_REGISTERED, REFUSED
from bridge.transcript.updates import JoinRefused, TranscriptUpdate, Verdict
from tests.transcript.build import said

ME = ConnectionSettings(
    "bridge", "bridge-1", "chat-1:4800", ping_after=30, pong_timeout=10, join_timeout=10, register_timeout=5
)


def ready(now: float = 0.0, identity: ConnectionSettings = ME) -> Conversation:
    conversation = Conversation(identity)
    conversation.opened(now)
    conversation.requests()
    conversation.receive(EventRegistered(user_id="00C0", client_version=106), now)
    conversation.events_received()
    return conversation


def info(session: str, *ids: int, reference: int | None = None, status: str = "Alive") -> EventSessionInfo:
    transcript = ChatTranscript(session, "2031-03-04T10:00:00Z", chat_event_list=[said(n) for n in ids])
    return EventSessionInfo(transcript, session_status=status, reference_id=reference)


def join(conversation: Conversation, session: str, now: float = 0.0, password: str | None = None) -> int:
    conversation.join(session, password, now)
    [request] = conversation.requests()
    assert isinstance(request, RequestJoin)
    assert request.reference_id is not None
    return request.reference_id


def test_it_registers_as_a_supervisor_with_the_highest_version_it_knows() -> None:
    conversation = Conversation(ME)
    conversation.opened(0.0)
    [request] = conversation.requests()
    assert isinstance(request, RequestRegister)
    assert (request.user_type, request.client_version, request.user_nickname) == ("SUPERVISOR", 106, "bridge")


@pytest.mark.parametrize(("declared", "answered", "agreed"), [(106, 104, 104), (103, 106, 103), (106, 107, 106)])
def test_the_version_is_negotiated_downwards_only(declared: int, answered: int, agreed: int) -> None:
    conversation = Conversation(ConnectionSettings("bridge", "", "s:1", client_version=declared))
    conversation.opened(0.0)
    conversation.receive(EventRegistered(client_version=answered), 0.0)
    assert conversation.events_received() == [Registered(agreed)]
    assert conversation.version == agreed


def test_a_join_is_silent_and_its_answer_is_the_whole_history() -> None:
    conversation = ready()
    conversation.join("A", "pass-word", 0.0)
    [request] = conversation.requests()
    assert isinstance(request, RequestJoin)
    assert request.visibility == "VIP"
    assert [(item.key, item.value) for item in request.user_data] == [("GCTI_Chat_SessionPassword", "pass-word")]
    conversation.receive(info("A", 1, 2, reference=request.reference_id), 1.0)
    [seen] = conversation.events_received()
    assert isinstance(seen, TranscriptUpdate)
    assert seen.snapshot
    assert conversation.joined == {"A"}


def test_a_push_without_reference_is_no_answer_even_while_another_join_is_under_way() -> None:
    conversation = ready()
    conversation.receive(info("A", 1, reference=join(conversation, "A")), 1.0)
    conversation.events_received()
    join(conversation, "B")
    conversation.receive(info("A", 2), 2.0)
    [seen] = conversation.events_received()
    assert isinstance(seen, TranscriptUpdate)
    assert (seen.session_id, seen.snapshot) == ("A", False)
    assert conversation.joined == {"A"}


def test_a_push_that_overtakes_the_answer_comes_after_the_history() -> None:
    conversation = ready()
    reference = join(conversation, "A")
    conversation.receive(info("A", 3), 1.0)
    assert conversation.events_received() == []
    conversation.receive(info("A", 1, 2, reference=reference), 1.1)
    first, second = conversation.events_received()
    assert isinstance(first, TranscriptUpdate)
    assert isinstance(second, TranscriptUpdate)
    assert (first.snapshot, second.snapshot) == (True, False)
    assert [event.event_id for event in second.transcript.chat_event_list] == [3]


def test_many_chats_share_the_connection() -> None:
    conversation = ready()
    for name in "ABC":
        conversation.receive(info(name, 1, reference=join(conversation, name)), 1.0)
    assert conversation.joined == {"A", "B", "C"}
    assert conversation.load == 3


def test_over_ends_the_chat_and_not_the_connection() -> None:
    conversation = ready()
    conversation.receive(info("A", 1, reference=join(conversation, "A")), 1.0)
    conversation.events_received()
    conversation.receive(info("A", 2, status="Over"), 2.0)
    [seen] = conversation.events_received()
    assert isinstance(seen, TranscriptUpdate)
    assert seen.over
    assert conversation.joined == frozenset()
    assert conversation.state is ConnectionState.READY


@pytest.mark.parametrize(
    ("error", "verdict"), [(8201, Verdict.GONE), (8209, Verdict.RETRY), (8210, Verdict.NEVER), (9999, Verdict.RETRY)]
)
def test_a_refused_join_is_classified_by_its_error(error: int, verdict: Verdict) -> None:
    conversation = ready()
    reference = join(conversation, "A")
    conversation.receive(EventError(error, "no", reference), 1.0)
    assert conversation.events_received() == [
        JoinRefused("A", error, Problem(REFUSED, f"join refused with error {error}"), verdict)
    ]
    assert verdict_on(error) == verdict


def test_a_join_without_answer_is_given_back_for_another_try() -> None:
    conversation = ready()
    join(conversation, "A", now=0.0)
    assert conversation.next_timer == 10.0
    conversation.on_timer(10.0)
    [refused] = conversation.events_received()
    assert isinstance(refused, JoinRefused)
    assert refused.verdict is Verdict.RETRY
    assert conversation.load == 0


def test_a_join_that_took_too_long_is_taken_back_and_its_late_answer_is_dropped() -> None:
    conversation = ready()
    late = join(conversation, "A")
    conversation.on_timer(10.0)
    conversation.events_received()
    assert [type(request) for request in conversation.requests()] == [RequestReleaseParty]
    conversation.receive(info("A", 1, 2, reference=late), 11.0)
    assert conversation.events_received() == []
    again = join(conversation, "A", 12.0)
    conversation.receive(info("A", 1, 2, reference=again), 13.0)
    assert [
        (one.session_id, one.snapshot) for one in conversation.events_received() if isinstance(one, TranscriptUpdate)
    ] == [("A", True)]


def test_an_answer_with_somebody_elses_chat_is_set_aside_and_the_join_fails() -> None:
    conversation = ready()
    reference = join(conversation, "A")
    conversation.receive(info("Z", 1, reference=reference), 1.0)
    stray, refused = conversation.events_received()
    assert isinstance(stray, UnexpectedMessage)
    assert stray.session_id == "Z"
    assert isinstance(refused, JoinRefused)
    assert refused.session_id == "A"
    assert conversation.joined == frozenset()


def test_what_was_never_joined_is_set_aside() -> None:
    conversation = ready()
    conversation.receive(info("Z", 1), 1.0)
    conversation.receive(UnknownMessage("EventOfTheFuture", {"sessionId": "A"}), 1.0)
    conversation.receive(EventStatus(), 1.0)
    strays = conversation.events_received()
    assert [type(stray) for stray in strays] == [UnexpectedMessage, UnexpectedMessage, UnexpectedMessage]


def test_leaving_keeps_the_chat_alive_and_drops_what_still_arrives() -> None:
    conversation = ready()
    conversation.receive(info("A", 1, reference=join(conversation, "A")), 1.0)
    conversation.events_received()
    conversation.leave("A")
    [request] = conversation.requests()
    assert isinstance(request, RequestReleaseParty)
    assert request.after_action == 0
    conversation.receive(info("A", 2), 2.0)
    assert conversation.events_received() == []


def test_silence_is_answered_with_a_ping_and_then_ends_the_connection() -> None:
    conversation = ready(now=100.0)
    assert conversation.next_timer == 130.0
    conversation.on_timer(130.0)
    [ping] = conversation.requests()
    assert isinstance(ping, Ping)
    assert conversation.next_timer == 140.0
    conversation.on_timer(140.0)
    [ended] = conversation.events_received()
    assert isinstance(ended, Ended)
    assert conversation.state is ConnectionState.CLOSED


def test_any_message_counts_as_a_sign_of_life() -> None:
    conversation = ready(now=100.0)
    conversation.on_timer(130.0)
    conversation.receive(Pong(), 131.0)
    conversation.on_timer(140.0)
    assert conversation.events_received() == []
    assert conversation.next_timer == 161.0


def test_a_ping_is_answered() -> None:
    conversation = ready()
    conversation.receive(Ping(reference_id=7), 1.0)
    assert conversation.requests() == [Pong(reference_id=7)]


def test_while_reading_is_paused_it_gives_signs_of_life_and_expects_none() -> None:
    conversation = ready(now=0.0)
    join(conversation, "A", now=0.0)
    for now in (10.0, 40.0, 70.0, 100.0):
        conversation.on_timer(now, listening=False)
    pings = conversation.requests()
    assert [type(one) for one in pings] == [Ping] * 4
    assert conversation.events_received() == []
    assert conversation.state is ConnectionState.READY


@pytest.mark.parametrize("way", ["refused", "silent"])
def test_a_registration_that_fails_ends_the_connection(way: str) -> None:
    conversation = Conversation(ME)
    conversation.opened(0.0)
    if way == "refused":
        conversation.receive(EventError(8210, "go away", 1), 1.0)
    else:
        assert conversation.next_timer == 5.0
        conversation.on_timer(5.0)
    [ended] = conversation.events_received()
    assert isinstance(ended, Ended)
    assert ended.reason.code == {"refused": REFUSED, "silent": NOT_REGISTERED}[way]
    assert "go away" not in ended.reason.detail


def test_it_has_no_words_that_could_disturb_a_chat() -> None:
    """P4, by exhaustion: whatever is done to it, only these requests ever come out."""
    said_so_far: list[Request] = []
    conversation = Conversation(ME)
    conversation.opened(0.0)
    conversation.receive(EventRegistered(), 0.0)
    conversation.join("A", None, 0.0)
    conversation.receive(info("A", 1, reference=2), 0.0)
    conversation.receive(Ping(), 0.0)
    conversation.on_timer(100.0)
    conversation.leave("A")
    said_so_far += conversation.requests()
    assert {type(request).__name__ for request in said_so_far} == {
        "RequestRegister",
        "RequestJoin",
        "RequestReleaseParty",
        "Ping",
        "Pong",
    }
    for request in said_so_far:
        if isinstance(request, RequestJoin):
            assert request.session_id
            assert request.queue_key is None
            assert request.message_text is None
