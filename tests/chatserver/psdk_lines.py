"""Lines as a Chat Server sends them, written by Python's json and not by the bridge's encoder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from bridge.chatserver.messages import (
    Event,
    EventSessionInfo,
)
from bridge.chatserver.psdk_json import (
    decode_event,
)
from bridge.errors import UnreadableMessage
from bridge.transcript.events import ChatEvent, MessageText

if TYPE_CHECKING:
    from bridge.chatserver.decoded import Decoded

CHAT = "0000SIMA00000001"
SAID = {"eventType": "message", "eventId": 3, "userId": "00A1", "messageText": {"text": "hello"}}
SAID_EVENT = ChatEvent("message", 3, "00A1", message_text=MessageText("hello"))


def line(*chat_events: object, **more: object) -> bytes:
    """An EventSessionInfo with these events, as any JSON library would write it."""
    transcript = {"sessionId": CHAT, "chatEventList": list(chat_events)}
    return json.dumps({"messageName": "EventSessionInfo", "chatTranscript": transcript, **more}).encode()


def events_in(decoded: Decoded[Event]) -> list[ChatEvent]:
    """The events of an EventSessionInfo."""
    assert isinstance(decoded.message, EventSessionInfo)
    return decoded.message.chat_transcript.chat_event_list


def only_event(*fields: tuple[str, object]) -> ChatEvent:
    """What comes of SAID with these attributes set."""
    decoded = decode_event(line(SAID | dict(fields)))
    assert decoded.damaged == ()
    [event] = events_in(decoded)
    return event


def reason_for(raw: bytes) -> str:
    """Why a line is no event."""
    with pytest.raises(UnreadableMessage) as caught:
        decode_event(raw)
    return caught.value.message
