"""What a source says about a chat: the input of the fold, and of the shard that owns the chat.

The types are the same for every kind of source. A source that has no notion of a server, of a protocol version or of
wire bytes leaves those fields at their defaults.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from bridge.errors import Problem
from bridge.transcript.entries import CHAT_SERVER
from bridge.transcript.events import ChatTranscript  # noqa: TC001 - the compiled form looks it up
from bridge.transcript.input_codes import UNREADABLE_EVENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.transcript.events import ChatEvent


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

    `detail` names the place and the problem, never a value. Of an event that is too long, `raw` is the beginning and
    `length` the size in bytes. The code is one of input_codes.QUARANTINE_CODES.
    """

    raw: bytes = field(repr=False)
    detail: str
    event_id: int | None = None
    code: str = UNREADABLE_EVENT
    length: int | None = None

    @property
    def reason(self) -> Problem:
        """Why it is in the quarantine."""
        return Problem(self.code, self.detail)


class WaitingEvents(Protocol):
    """Events of one message that are read in parts, in the order of their ids. An id never stands in two parts."""

    @property
    def count(self) -> int:
        """Number of events that wait."""

    @property
    def size(self) -> int:
        """Bytes that they occupy."""

    def each(self) -> Iterator[ChatEvent]:
        """Look at all that wait, without taking them."""

    def next(self) -> tuple[list[ChatEvent], int]:
        """Take the events of the next part, and the bytes that they occupied; none if nothing waits."""


@dataclass(slots=True, frozen=True)
class Part:
    """Which part of a message an update is. `damaged_ids` are those of all events of the message that are damaged.

    The parts come in the order of the ids, and the last one is not empty unless the message is. Damaged events are in
    the last one.
    """

    first: bool
    last: bool
    damaged_ids: tuple[int, ...] = ()


WHOLE: Final = Part(first=True, last=True)
"""The only part of a message."""


@dataclass(slots=True)
class TranscriptUpdate:
    """Transcript content of a chat. A `snapshot` is the whole history, else an increment; `over` says the chat ended.

    `observed_at` in us since 1970 UTC; `server` says where it came from, as it stands in records; `version` is the
    protocol version that decided what the source withheld, None when it withholds nothing; `size` is the number of
    bytes it came from. `unknown_status` is what the source said of the chat's state in a word that is not known; such
    a word does not end the chat. `source` is the door that it came through, one of entries.SOURCES; `visibility` that
    of the bridge's own party in the chat, None where a source has none.

    Of a long message, the events are in `waiting`: such an update is folded only in the parts that `take_part` returns.
    """

    transcript: ChatTranscript = field(repr=False)
    over: bool
    snapshot: bool
    server: str = ""
    version: int | None = None
    observed_at: int = 0
    size: int = 0
    damaged: list[Damaged] = field(default_factory=list)
    unknown_status: str | None = None
    source: str = CHAT_SERVER
    visibility: str | None = None
    part: Part = WHOLE
    waiting: WaitingEvents | None = None

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

    @property
    def told_ids(self) -> list[int]:
        """The ids up to the highest of its events that the message has and no part before had; of the last part, all.

        No id up to there is in a later part: what is not among them is missing in the message.
        """
        ids = self.ids
        if not self.part.last:
            highest = max(ids, default=-1)
            ids += [event_id for event_id in self.part.damaged_ids if event_id <= highest]
        return ids

    @property
    def count(self) -> int:
        """Number of its readable events, of those that wait as well."""
        return len(self.transcript.chat_event_list) + (0 if self.waiting is None else self.waiting.count)

    def each_event(self) -> Iterator[ChatEvent]:
        """Look at its readable events, also at those that wait."""
        yield from self.transcript.chat_event_list
        if self.waiting is not None:
            yield from self.waiting.each()

    def take_part(self) -> tuple[TranscriptUpdate, int]:
        """Take the next part of an update with `waiting` events; return it and the bytes that it occupied.

        Only the last one has the damaged events and says `over`; after it nothing waits.
        """
        waiting = self.waiting
        if waiting is None:
            return self, self.size
        first = self.part.first
        events, size = waiting.next()
        last = not waiting.count
        damaged = self.damaged if last else []
        ids = tuple(one.event_id for one in self.damaged if one.event_id is not None)
        taken = replace(
            self,
            transcript=msgspec.structs.replace(self.transcript, chat_event_list=events),
            over=self.over and last,
            size=size,
            damaged=damaged,
            part=Part(first, last, ids),
            waiting=None,
        )
        self.part = Part(first=False, last=False)
        return taken, size


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
    one will hardly be different. `asked` are the places and the password with which it was asked for until it was given
    up; None: not told.
    """

    session_id: str
    error_id: int
    reason: Problem
    verdict: Verdict
    observed_at: int = 0
    unreadable: bool = False
    asked: tuple[tuple[str, ...], str | None] | None = field(default=None, repr=False)

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
    raw: bytes = field(repr=False)
    reason: Problem
    total_bytes: int
    session_id: str | None = None
    attributed: bool = False
    followed: tuple[str, ...] = ()
    observed_at: int = 0


Update = TranscriptUpdate | LinkDown | JoinRefused | QuarantinedInput
