"""What a source says about a chat: the input of the fold, and of the shard that owns the chat.

The types are the same for every kind of source. A source that has no notion of a server, of a protocol version or of
wire bytes leaves those fields at their defaults.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from bridge.errors import Problem
from bridge.transcript.entries import CHAT_SERVER
from bridge.transcript.input_codes import UNREADABLE_EVENT

if TYPE_CHECKING:
    from bridge.transcript.events import ChatTranscript


class Verdict(Enum):
    """What a refusal means for the chat.

    RETRY: another attempt may succeed. GONE: the chat no longer exists at any of its places. NEVER: further attempts
    are pointless, or all of them are spent, although the chat may still exist.
    """

    RETRY = "retry"
    GONE = "gone"
    NEVER = "never"


@dataclass(slots=True, frozen=True)
class Damaged:
    """One event of an otherwise readable message that could not be read. `raw` is its JSON.

    `detail` names the place and the problem, never a value; its code is UNREADABLE_EVENT.
    """

    raw: bytes
    detail: str
    event_id: int | None = None

    @property
    def reason(self) -> Problem:
        """Why it is in the quarantine."""
        return Problem(UNREADABLE_EVENT, self.detail)


@dataclass(slots=True)
class TranscriptUpdate:
    """Transcript content of a chat. A `snapshot` is the whole history, else an increment; `over` says the chat ended.

    `observed_at` in us since 1970 UTC; `server` says where it came from, as it stands in records; `version` is the
    protocol version that decided what the source withheld, None when it withholds nothing; `size` is the number of
    bytes it came from. `unknown_status` is what the source said of the chat's state in a word that is not known; such
    a word does not end the chat. `source` is the door that it came through, one of entries.SOURCES.
    """

    transcript: ChatTranscript
    over: bool
    snapshot: bool
    server: str = ""
    version: int | None = None
    observed_at: int = 0
    size: int = 0
    damaged: list[Damaged] = field(default_factory=list)
    unknown_status: str | None = None
    source: str = CHAT_SERVER

    @property
    def session_id(self) -> str:
        """The chat that the update belongs to."""
        return self.transcript.session_id

    @property
    def ends_chat(self) -> bool:
        """Whether the source delivers nothing more of the chat, unless it is followed again."""
        return self.over

    @property
    def ids(self) -> list[int]:
        """The ids of its events, of damaged ones as far as they could be read."""
        ids = [event.event_id for event in self.transcript.chat_event_list]
        return ids + [damaged.event_id for damaged in self.damaged if damaged.event_id is not None]


@dataclass(slots=True, frozen=True)
class LinkDown:
    """The chat is no longer watched; nothing of it arrives until the next snapshot. `reason`: link_codes.AWAY_CODES."""

    session_id: str
    reason: Problem
    observed_at: int = 0


@dataclass(slots=True, frozen=True)
class JoinRefused:
    """The chat cannot be watched, for now (RETRY) or for good. `error_id` is the source's own error, 0 without one.

    The code of `reason` is one of link_codes.JOIN_CODES. `unreadable`: the history came and could not be read; the next
    one will hardly be different.
    """

    session_id: str
    error_id: int
    reason: Problem
    verdict: Verdict
    observed_at: int = 0
    unreadable: bool = False

    @property
    def ends_chat(self) -> bool:
        """Whether the source delivers nothing more of the chat, unless it is followed again."""
        return self.verdict is not Verdict.RETRY


@dataclass(slots=True, frozen=True)
class QuarantinedInput:
    """Input that could not be read, or that belongs to no chat. `session_id` is None when no chat can be named.

    `attributed` says that content of that chat is lost with it. `followed` lists the chats that were followed over the
    same connection: each of them may have been meant when none is named. The code of `reason` is one of
    input_codes.QUARANTINE_CODES.
    """

    source: str
    raw: bytes
    reason: Problem
    total_bytes: int
    session_id: str | None = None
    attributed: bool = False
    followed: tuple[str, ...] = ()
    observed_at: int = 0


Update = TranscriptUpdate | LinkDown | JoinRefused | QuarantinedInput
