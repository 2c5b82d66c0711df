"""Effects: what the model decided must be sent, closed or reported. `ChatServer.apply` carries them out."""

from __future__ import annotations

import msgspec

from bridge.chatserver.messages import Event
from bridge.transcript.events import ChatEvent, Item


class Push(msgspec.Struct, frozen=True, gc=False):
    """Send `message` to the client on `connection`."""

    connection: int
    message: Event


class CloseConnection(msgspec.Struct, frozen=True, gc=False):
    """Close `connection`; `reason` goes to the request observer."""

    connection: int
    reason: str


class EventAdded(msgspec.Struct, frozen=True, gc=False):
    """`event` was added to the session, whatever its visibility."""

    session_id: str
    event: ChatEvent


class SessionOpened(msgspec.Struct, frozen=True, gc=False):
    """A session was opened. `start_at` is ISO-8601 UTC to the second; `user_data` is the creator's."""

    session_id: str
    start_at: str
    password: str | None
    tenant: str
    user_data: list[Item]


class SessionClosed(msgspec.Struct, frozen=True, gc=False):
    """The session was closed; no event follows."""

    session_id: str


class SessionRestored(msgspec.Struct, frozen=True, gc=False):
    """The session was restored without the events whose ids are in `lost`; its next event id is `next_id`."""

    session_id: str
    lost: list[int]
    next_id: int


Effect = Push | CloseConnection | EventAdded | SessionOpened | SessionClosed | SessionRestored
