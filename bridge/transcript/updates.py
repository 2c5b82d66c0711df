"""What a link learns about one chat: the input of the fold, and of the shard that owns the chat."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bridge.chatserver.messages import ChatTranscript

RETRY: Final = "retry"
GIVE_UP: Final = "give up"


@dataclass(slots=True, frozen=True)
class Damaged:
    """One event of an otherwise readable message that could not be read. `raw` is its JSON."""

    raw: bytes
    reason: str
    event_id: int | None = None


@dataclass(slots=True)
class TranscriptUpdate:
    """Transcript content for a chat. A `snapshot` is the whole history (answer to a join), else an increment.

    `observed_at` in us since 1970 UTC; `server` as host:port; `version` is the negotiated ClientVersion; `size` is the
    number of wire bytes it came from.
    """

    transcript: ChatTranscript
    over: bool
    snapshot: bool
    server: str
    version: int
    observed_at: int = 0
    size: int = 0
    damaged: list[Damaged] = field(default_factory=list)

    @property
    def session_id(self) -> str:
        """The chat it is about."""
        return self.transcript.session_id


@dataclass(slots=True, frozen=True)
class LinkDown:
    """The link of a joined chat is gone; nothing of it is seen until it is joined again."""

    session_id: str
    reason: str
    observed_at: int = 0


@dataclass(slots=True, frozen=True)
class JoinRefused:
    """The server refused to let us in. `verdict` is RETRY or GIVE_UP."""

    session_id: str
    error_id: int
    description: str
    verdict: str
    observed_at: int = 0


@dataclass(slots=True, frozen=True)
class QuarantinedInput:
    """Input that could not be read, or that belongs nowhere. `session_id` is None when no chat can be named.

    `attributed` says that content of that chat is lost with it. `followed` lists the chats of the link it came on,
    each of which it may have concerned when none can be named.
    """

    source: str
    raw: bytes
    reason: str
    total_bytes: int
    session_id: str | None = None
    attributed: bool = False
    followed: tuple[str, ...] = ()
    observed_at: int = 0


Update = TranscriptUpdate | LinkDown | JoinRefused | QuarantinedInput
