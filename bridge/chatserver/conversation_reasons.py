"""Why a conversation ends, gives up a join or sets a message aside: codes with their sentences."""

from __future__ import annotations

from typing import Final

from bridge.errors import Problem
from bridge.transcript import input_codes, link_codes

UNKNOWN_MESSAGE: Final = Problem(input_codes.UNKNOWN_MESSAGE, "unknown message")
WRONG_CONNECTION: Final = Problem(input_codes.STRAY, "a message that does not belong on a basic connection")
REGISTERED_TWICE: Final = Problem(input_codes.STRAY, "a second EventRegistered")
NOT_JOINED: Final = Problem(input_codes.STRAY, "a chat that was not joined here")
ANOTHER_CHAT: Final = Problem(input_codes.STRAY, "answer to a join of another chat")
NO_CHAT: Final = Problem(input_codes.STRAY, "an EventSessionInfo without a chat")
ANSWERS_NOTHING: Final = Problem(input_codes.STRAY, "an error that answers nothing")
REMOVED: Final = Problem(link_codes.REMOVED, "removed from the chat")
WRONG_ANSWER: Final = Problem(link_codes.WRONG_ANSWER, "the server answered with another chat")
NO_HISTORY: Final = Problem(link_codes.WRONG_ANSWER, "the server answered without a transcript")
TOO_MANY_EVENTS: Final = Problem(link_codes.TOO_MANY_EVENTS, "events without end, and no answer to the join")


def no_update(*, chatless: bool) -> Problem:
    """A message of an unknown name came, or an EventSessionInfo of no chat."""
    return NO_CHAT if chatless else UNKNOWN_MESSAGE


def not_registered(seconds: float) -> Problem:
    """The registration was not answered."""
    return Problem(link_codes.NOT_REGISTERED, f"no answer to the registration within {seconds:g} s")


def registration_refused(error_id: int) -> Problem:
    """The registration was answered with an error."""
    return Problem(link_codes.REFUSED, f"registration refused with error {error_id}")


def silent(seconds: float) -> Problem:
    """A ping was not answered."""
    return Problem(link_codes.SILENT, f"no sign of life within {seconds:g} s of a ping")


def logged_out(error_id: int) -> Problem:
    """An error that answers nothing says that we are not a party any more."""
    return Problem(link_codes.LOGGED_OUT, f"logged out by the server (error {error_id})")


def no_answer(seconds: float) -> Problem:
    """A join was not answered."""
    return Problem(link_codes.NO_ANSWER, f"no answer to the join within {seconds:g} s")


def join_refused(error_id: int) -> Problem:
    """A join was answered with an error. The server's own words are not repeated: they may hold anything (P5)."""
    return Problem(link_codes.REFUSED, f"join refused with error {error_id}")


def unreadable_history(why: Problem) -> Problem:
    """A join was answered with a line that cannot be read."""
    if why.code == input_codes.TOO_LONG:
        return Problem(link_codes.HISTORY_TOO_LONG, f"its history is {why.detail}")
    return Problem(link_codes.UNREADABLE_HISTORY, f"its history cannot be read: {why.detail}")
