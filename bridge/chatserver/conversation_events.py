"""What a conversation tells its owner, beside the updates that belong to a chat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.errors import Problem  # noqa: TC001 - the compiled form looks it up
from bridge.transcript.updates import Damaged, JoinRefused, TranscriptUpdate

if TYPE_CHECKING:
    from bridge.chatserver.messages import Event, UnknownMessage


@dataclass(slots=True, frozen=True)
class Registered:
    """The connection accepts joins; `version` is the ClientVersion in force.

    `assumed`: the server did not say it, and the declared one is taken for it.
    """

    version: int
    assumed: bool = False


@dataclass(slots=True, frozen=True)
class Ended:
    """The connection is unusable: close it. Every chat on it must be joined again on another one.

    The code of `reason` is one of link_codes.LINK_CODES.
    """

    reason: Problem


@dataclass(slots=True, frozen=True)
class Absent:
    """The server has ended our part in a chat that goes on: it is no longer watched, and must be joined again.

    The code of `reason` is one of link_codes.AWAY_CODES.
    """

    session_id: str
    reason: Problem


@dataclass(slots=True, frozen=True)
class UnexpectedMessage:
    """A message that cannot be taken as an update of a chat; it is kept as data. `session_id` is the chat it names.

    `attributed`: that chat is joined here, or has ended here, so that content of it may be lost with the message.
    `damaged` are events of it that could not be read: they are not in the message. The code of `reason` is one of
    input_codes.QUARANTINE_CODES.
    """

    session_id: str | None
    reason: Problem
    message: Event | UnknownMessage
    attributed: bool = False
    damaged: tuple[Damaged, ...] = ()


@dataclass(slots=True, frozen=True)
class Concern:
    """Which chats an unreadable line may have been about; the fields are those of a QuarantinedInput."""

    session_id: str | None
    attributed: bool
    followed: tuple[str, ...] = ()


ConversationEvent = Registered | Ended | Absent | UnexpectedMessage | TranscriptUpdate | JoinRefused
