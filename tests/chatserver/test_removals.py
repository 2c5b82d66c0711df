"""Errors that answer nothing, and our own departure: whose absence they are, and when they are none."""

from __future__ import annotations

import pytest

from bridge.chatserver import conversation_reasons as reasons
from bridge.chatserver.conversation_events import Absent, Ended
from bridge.chatserver.messages import EventError, EventRegistered, EventSessionInfo
from bridge.chatserver.removals import OVER_FOLLOWS
from bridge.errors import Problem
from bridge.transcript import input_codes, link_codes
from bridge.transcript.events import ChatEvent, ChatTranscript
from bridge.transcript.updates import Verdict
from tests.chatserver.talk import Talk, info

ME = "00B1000000000001"
NO_SUCH_USER, LOGGED_OUT, WRONG_KEY, UNHEARD_OF = 8201, 8209, 8210, 8999


def absent(session_id: str, error: int) -> Absent:
    return Absent(session_id, reasons.logged_out(error))


def left(session_id: str, user_id: str = ME, status: str = "Alive", reference: int | None = None) -> EventSessionInfo:
    transcript = ChatTranscript(session_id, chat_event_list=[ChatEvent("partyLeft", 2, user_id)])
    return EventSessionInfo(transcript, status, reference)


class NamedTalk(Talk):
    """A conversation whose registration told the own user id."""

    def __init__(self, *joined: str) -> None:
        super().__init__()
        self.conversation._removals.registered(ME)
        for session in joined:
            self.hears(info(session, 1, reference=self.join(session)))

    def after(self, seconds: float) -> list[object]:
        self.conversation.on_timer(1.0 + seconds)
        return self.learnt()


def test_the_registration_tells_the_own_user_id() -> None:
    talk = Talk("A")
    assert talk.conversation._removals._user_id == ""
    talk = Talk()
    conversation = type(talk.conversation)(talk.conversation._settings)
    conversation.opened(0.0)
    conversation.receive(EventRegistered(ME), 0.0)
    assert conversation._removals._user_id == ME


@pytest.mark.parametrize("error", [NO_SUCH_USER, LOGGED_OUT, WRONG_KEY, UNHEARD_OF])
def test_an_error_that_names_a_joined_chat_is_its_absence_and_releases_it(error: int) -> None:
    talk = Talk("A", "B")
    assert talk.hears(EventError(error, "no", session_id="A")) == [absent("A", error)]
    release = talk.released()
    assert talk.conversation.joined == {"B"}
    assert talk.hears(info("A", 2), EventError(NO_SUCH_USER, "no", release)) == []
    assert talk.hears(info("A", 1, 2, reference=talk.join("A"))) == [("A", [1, 2], True, False)]


def test_an_error_with_the_reference_of_an_answered_join_is_about_its_chat() -> None:
    talk = Talk()
    reference = talk.join("A")
    talk.hears(info("A", 1, reference=reference))
    assert talk.hears(EventError(LOGGED_OUT, "no", reference)) == [absent("A", LOGGED_OUT)]
    talk.released()
    assert talk.hears(EventError(LOGGED_OUT, "no", reference)) == []


def test_logged_out_without_a_chat_ends_the_connection_once() -> None:
    talk = Talk("A", "B")
    ended = Ended(Problem(link_codes.LOGGED_OUT, "logged out by the server (error 8209)"))
    assert talk.hears(EventError(LOGGED_OUT, "no"), EventError(LOGGED_OUT, "no")) == [
        ended,
        (None, input_codes.STRAY, False),
    ]


def test_what_came_with_the_end_of_a_connection_is_told_also_of_a_chat_that_was_being_joined() -> None:
    talk = Talk("A")
    talk.join("B")
    talk.hears(info("B", 1), EventError(LOGGED_OUT, "no"))
    assert talk.hears(info("B", 2, status="Over"), info("A", 2)) == [("B", [2], False, False), ("A", [2], False, False)]


@pytest.mark.parametrize("error", [NO_SUCH_USER, WRONG_KEY, UNHEARD_OF])
def test_any_other_error_without_a_chat_and_a_reference_is_kept_without_its_text(error: int) -> None:
    talk = Talk("A")
    talk.conversation.receive(EventError(error, "wrong password S3cret"), 1.0)
    [kept] = talk.conversation.events_received()
    assert kept.reason == reasons.ANSWERS_NOTHING  # type: ignore[union-attr]
    assert kept.message == EventError(error)  # type: ignore[union-attr]
    assert talk.conversation.joined == {"A"}


def test_a_late_error_concerns_nobody() -> None:
    talk = Talk("A")
    ours = talk.join("B")
    assert talk.hears(EventError(UNHEARD_OF, "no", ours)) == [("B", Verdict.RETRY)]
    assert talk.hears(EventError(LOGGED_OUT, "no", ours)) == []
    assert talk.hears(EventError(LOGGED_OUT, "no", 999)) == []
    assert talk.hears(EventError(LOGGED_OUT, "no", session_id="B")) == []
    assert talk.hears(EventError(LOGGED_OUT, "no", 999, "A")) == []  # it answers something, whatever it names
    assert talk.conversation.joined == {"A"}


def test_an_error_that_names_a_chat_that_is_being_joined_refuses_its_join() -> None:
    talk = Talk("A")
    talk.join("B")
    assert talk.hears(EventError(NO_SUCH_USER, "no", session_id="B")) == [("B", Verdict.GONE)]
    assert talk.conversation.joined == {"A"}


def test_our_own_departure_from_a_chat_that_goes_on_is_its_absence() -> None:
    talk = NamedTalk("A", "B")
    assert talk.hears(left("A")) == [("A", [2], False, False)]
    assert talk.conversation.next_timer == 1.0 + OVER_FOLLOWS
    assert talk.after(OVER_FOLLOWS - 0.1) == []
    assert talk.after(OVER_FOLLOWS) == [Absent("A", Problem(link_codes.REMOVED, "removed from the chat"))]
    talk.released()
    assert talk.conversation.joined == {"B"}
    assert talk.after(2 * OVER_FOLLOWS) == []


def test_our_own_departure_from_a_chat_that_is_closed_is_none() -> None:
    talk = NamedTalk("A")
    assert talk.hears(left("A"), info("A", 3, status="Over")) == [("A", [2], False, False), ("A", [3], False, True)]
    assert talk.after(OVER_FOLLOWS) == []
    talk = NamedTalk("A")
    assert talk.hears(left("A", status="Over")) == [("A", [2], False, True)]
    assert talk.after(OVER_FOLLOWS) == []


def test_a_departure_of_somebody_else_is_none() -> None:
    talk = NamedTalk("A")
    talk.hears(left("A", "00A1000000000001"))
    assert talk.after(OVER_FOLLOWS) == []
    unnamed = Talk("A")  # the registration told no user id
    unnamed.hears(left("A", ""))
    unnamed.conversation.on_timer(10.0)
    assert unnamed.learnt() == []


def test_a_departure_in_the_history_or_in_the_answer_to_a_release_is_none() -> None:
    talk = NamedTalk("A")
    release = talk.leave("A")
    reference = talk.join("A")
    talk.hears(left("A", reference=release), left("A", reference=reference))
    assert talk.after(OVER_FOLLOWS) == []
    assert talk.conversation.joined == {"A"}


def test_a_chat_that_was_left_meanwhile_is_not_absent() -> None:
    talk = NamedTalk("A")
    talk.hears(left("A"))
    talk.leave("A")
    assert talk.after(OVER_FOLLOWS) == []


def test_while_reading_is_paused_a_departure_waits_for_its_over() -> None:
    talk = NamedTalk("A")
    talk.hears(left("A"))
    talk.conversation.on_timer(1.0 + OVER_FOLLOWS, listening=False)
    assert talk.learnt() == []
    assert talk.conversation.next_timer == 1.0 + 2 * OVER_FOLLOWS
    talk.conversation.requests()
    assert talk.hears(info("A", 3, status="Over")) == [("A", [3], False, True)]
    assert talk.after(2 * OVER_FOLLOWS) == []
