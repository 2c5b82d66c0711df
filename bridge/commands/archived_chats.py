"""Chats as archives hold them: the copies of each, as they were read, to be sent and to be compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bridge.transcript.bounds import LOST

if TYPE_CHECKING:
    from bridge.archive.stored_documents import StoredDocument
    from bridge.transcript.events import ChatEvent

DAMAGED: Final = "DAMAGED"
UNREADABLE_FILE: Final = "UNREADABLE_FILE"
NOT_RECORDS: Final = "NOT_RECORDS"
NOT_TOGETHER: Final = "NOT_TOGETHER"
BAD_SESSION_ID: Final = "BAD_SESSION_ID"

REFUSAL_CODES: Final = {
    DAMAGED: ("The transcript is damaged, and `--strict` was given.", "Repair it, or leave out `--strict`."),
    UNREADABLE_FILE: (
        "A file cannot be read, or has changed while it was read.",
        "Look at its rights; run the command again.",
    ),
    NOT_RECORDS: (
        "An Avro container holds no TranscriptEvents, or is damaged from some place on.",
        "Convert the transcripts again, or send the transcripts themselves.",
    ),
    NOT_TOGETHER: (
        "The records of a chat are not together in an Avro container.",
        "Sort the records by sessionId.",
    ),
    BAD_SESSION_ID: (
        "The session id in the transcript is none that Chat Server gives: too long, or with other characters.",
        "See whether the file was edited.",
    ),
}
"""Code of a refused document -> what it means, and what to do. Others are those of stored transcripts."""


@dataclass(slots=True)
class ArchivedCopy:
    """One text that holds a chat. `place` says where, for people; `documents` are those of the chat in it, one or more.

    `repairs` counts the places in which the text had to be repaired. `final`: the chat is over, and this is its text.
    """

    place: str
    text: bytes
    documents: list[StoredDocument]
    repairs: int = 0
    final: bool = True

    @property
    def events(self) -> dict[int, ChatEvent]:
        """Its events by id; of one that is there several times, the last."""
        return {event.event_id: event for one in self.documents for event in one.transcript.chat_event_list}

    @property
    def losses(self) -> int:
        """How many times the damage has cost events."""
        return sum(len(one.losses) for one in self.documents)


@dataclass(slots=True)
class ArchivedChat:
    """One chat and its copies, at least one."""

    session_id: str
    copies: list[ArchivedCopy] = field(default_factory=list)

    def in_order(self) -> tuple[list[ArchivedCopy], list[ArchivedCopy]]:
        """Return the copies in the order in which they are to be told, and those that tell nothing more than others.

        Damaged ones come first, then those with fewer events: what comes later corrects what came before.
        """
        rising = sorted(self.copies, key=lambda copy: (not _is_damaged(copy), len(copy.events)))
        needed: list[ArchivedCopy] = []
        others: list[ArchivedCopy] = []
        for at, copy in enumerate(rising):
            held = any(_holds(later, copy) for later in rising[at + 1 :])
            (others if held else needed).append(copy)
        return needed, others


def _is_damaged(copy: ArchivedCopy) -> bool:
    return copy.losses > 0 or any(LOST in repr(event) for event in copy.events.values())


def _holds(later: ArchivedCopy, copy: ArchivedCopy) -> bool:
    """Tell whether `later` has all that `copy` has, but for characters that were lost."""
    if later.text == copy.text:
        return True
    known = later.events
    return not later.losses and all(
        known.get(event_id) == event or (event_id in known and LOST in repr(event))
        for event_id, event in copy.events.items()
    )


@dataclass(slots=True, frozen=True)
class Refusal:
    """A document that gives nothing.

    `place` says where it is; `session_id` is empty if its chat is not known. `code` is that of the reason, and `line`
    says it to people.
    """

    place: str
    session_id: str
    code: str
    line: str


Refuse = Callable[[Refusal], None]
