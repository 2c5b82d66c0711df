"""What the model wants done or known: it decides, `server.py` acts."""

from __future__ import annotations

import msgspec

from bridge.chatserver.messages import Event
from bridge.transcript.events import ChatEvent, Item


class Push(msgspec.Struct, frozen=True, gc=False):
    """Send `message` to the client on `connection`."""

    connection: int
    message: Event


class Drop(msgspec.Struct, frozen=True, gc=False):
    """Close `connection`; `reason` is for the journal."""

    connection: int
    reason: str


class Said(msgspec.Struct, frozen=True, gc=False):
    """The event became part of the session, whoever may see it."""

    session_id: str
    event: ChatEvent


class Opened(msgspec.Struct, frozen=True, gc=False):
    """A session began. `start_at` is ISO-8601 UTC to the second; `user_data` is the creator's."""

    session_id: str
    start_at: str
    password: str | None
    tenant: str
    user_data: list[Item]


class Closed(msgspec.Struct, frozen=True, gc=False):
    """The session is over."""

    session_id: str


class Restored(msgspec.Struct, frozen=True, gc=False):
    """The session goes on in another life of the server, without the events `lost`, next id `next_id`."""

    session_id: str
    lost: list[int]
    next_id: int


Effect = Push | Drop | Said | Opened | Closed | Restored
