"""Whatever shows an object of the engine by accident, in a log or an error, shows no password and no text (P5)."""

from __future__ import annotations

from bridge.capture.session_store import SessionStore
from bridge.errors import Problem
from bridge.sources.chat_server.followed_session import FollowedSession
from bridge.transcript import input_codes
from bridge.transcript.updates import QuarantinedInput
from tests.capture.test_session_store import NOW, announcement, settings
from tests.transcript.build import CHAT, history, said

SECRET = "open-sesame"


def test_no_representation_shows_a_password_or_text() -> None:
    announced, store = announcement(password=SECRET), SessionStore(3, settings())
    plan = store.fold([announced, history(said(1, SECRET))], NOW)
    assert SECRET.encode() in store.chats[CHAT].announced
    assert len(plan.batch) > 1
    raw = SECRET.encode()
    for one in (
        announced,
        history(said(1, SECRET)),
        plan,
        plan.batch,
        store.chats[CHAT],
        FollowedSession(CHAT, ("chat-1:4800",), SECRET),
        QuarantinedInput("chat-1:4800", raw, Problem(input_codes.UNKNOWN_STATUS, ""), len(raw)),
    ):
        assert SECRET not in repr(one)
