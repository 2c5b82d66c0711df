"""Short ways to make transcript events and what a link saw of them."""

from __future__ import annotations

from bridge.transcript.entries import SessionFacts
from bridge.transcript.events import ChatEvent, ChatTranscript, MessageText, NoticeText, Reason, UserInfo
from bridge.transcript.fold import Transcript
from bridge.transcript.state import TranscriptState
from bridge.transcript.updates import TranscriptUpdate

CHAT = "0000TEST00000001"
ALICE = "00A1000000000001"


def fresh() -> Transcript:
    """A chat of which nothing was seen yet."""
    return Transcript(TranscriptState(SessionFacts(CHAT, server="chat-1:4800")))


def joined(event_id: int, user_id: str = ALICE, **info: str) -> ChatEvent:
    """A party joined."""
    return ChatEvent(
        "newParty",
        event_id,
        user_id,
        user_info=UserInfo(user_nickname=info.get("nickname", "Visitor"), user_type=info.get("user_type", "CLIENT")),
    )


def said(event_id: int, text: str = "hello", user_id: str = ALICE) -> ChatEvent:
    """A message."""
    return ChatEvent("message", event_id, user_id, time_shift=event_id, message_text=MessageText(text=text))


def noticed(event_id: int, notice_type: str, text: str = "", user_id: str = ALICE) -> ChatEvent:
    """A notice."""
    return ChatEvent("notice", event_id, user_id, notice_text=NoticeText(notice_type=notice_type, text=text))


def left(event_id: int, user_id: str = ALICE) -> ChatEvent:
    """A party left."""
    return ChatEvent("partyLeft", event_id, user_id, asker_id=user_id, reason=Reason(text="left"))


def history(
    *events: ChatEvent, version: int = 106, server: str = "chat-1:4800", over: bool = False
) -> TranscriptUpdate:
    """The answer to a join."""
    return TranscriptUpdate(
        ChatTranscript(CHAT, "2031-03-04T10:00:00Z", chat_event_list=list(events)),
        over,
        snapshot=True,
        server=server,
        version=version,
        observed_at=1_000_000,
    )


def push(*events: ChatEvent, version: int = 106, over: bool = False) -> TranscriptUpdate:
    """An increment."""
    return TranscriptUpdate(
        ChatTranscript(CHAT, "2031-03-04T10:00:00Z", chat_event_list=list(events)),
        over,
        snapshot=False,
        server="chat-1:4800",
        version=version,
        observed_at=2_000_000,
    )
