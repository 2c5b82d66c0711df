"""A registered conversation, and what it tells in values that are short to compare."""

from __future__ import annotations

from typing import Any

from bridge.chatserver.connection_settings import ConnectionSettings
from bridge.chatserver.conversation import Conversation
from bridge.chatserver.conversation_events import ConversationEvent, UnexpectedMessage
from bridge.chatserver.messages import (
    EventError,
    EventRegistered,
    EventSessionInfo,
    EventStatus,
    RequestJoin,
    RequestReleaseParty,
    UnknownMessage,
)
from bridge.transcript.events import ChatTranscript
from bridge.transcript.updates import JoinRefused, TranscriptUpdate
from tests.transcript.build import said

ME = ConnectionSettings("bridge", "bridge-1", "chat-1:4800", ping_after=30, pong_timeout=10, join_timeout=10)


def info(session: str, *ids: int, reference: int | None = None, status: str = "Alive") -> EventSessionInfo:
    transcript = ChatTranscript(session, "2031-03-04T10:00:00Z", chat_event_list=[said(n) for n in ids])
    return EventSessionInfo(transcript, session_status=status, reference_id=reference)


class Talk:
    """A registered conversation; what is learnt of chats is told as (chat, event ids, snapshot, over) or a refusal."""

    def __init__(self, *joined: str) -> None:
        self.conversation = Conversation(ME)
        self.conversation.opened(0.0)
        self.conversation.receive(EventRegistered(client_version=106), 0.0)
        self.conversation.events_received()
        self.conversation.requests()
        for session in joined:
            assert self.hears(info(session, 1, reference=self.join(session))) == [(session, [1], True, False)]

    def join(self, session: str) -> int:
        self.conversation.join(session, None, 0.0)
        [request] = self.conversation.requests()
        assert isinstance(request, RequestJoin)
        assert request.reference_id is not None
        return request.reference_id

    def leave(self, session: str) -> int:
        self.conversation.leave(session)
        return self.released()

    def released(self) -> int:
        [request] = self.conversation.requests()
        assert isinstance(request, RequestReleaseParty)
        assert request.reference_id is not None
        return request.reference_id

    def hears(
        self, *messages: EventSessionInfo | EventError | EventStatus | UnknownMessage, size: int = 0
    ) -> list[Any]:
        for one in messages:
            self.conversation.receive(one, 1.0, size=size)
        return self.learnt()

    def learnt(self) -> list[Any]:
        return [told(event) for event in self.conversation.events_received()]


def told(event: ConversationEvent) -> Any:
    if isinstance(event, TranscriptUpdate):
        ids = [one.event_id for one in event.transcript.chat_event_list]
        return event.session_id, ids, event.snapshot, event.over
    if isinstance(event, JoinRefused):
        return event.session_id, event.verdict
    if isinstance(event, UnexpectedMessage):
        return event.session_id, event.reason.code, event.attributed
    return event
