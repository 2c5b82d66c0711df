"""What a conversation tells its owner, beside the updates that belong to a chat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.transcript.updates import JoinRefused, TranscriptUpdate

if TYPE_CHECKING:
    from bridge.chatserver.messages import Event, UnknownMessage


@dataclass(slots=True, frozen=True)
class Registered:
    """The connection accepts joins; `version` is the negotiated ClientVersion."""

    version: int


@dataclass(slots=True, frozen=True)
class Ended:
    """The connection is unusable: close it. Every chat on it must be joined again on another one."""

    reason: str


@dataclass(slots=True, frozen=True)
class UnexpectedMessage:
    """A message that belongs to no chat of this connection; it is kept as data. `session_id` is the chat it names."""

    session_id: str | None
    reason: str
    message: Event | UnknownMessage


ConversationEvent = Registered | Ended | UnexpectedMessage | TranscriptUpdate | JoinRefused
