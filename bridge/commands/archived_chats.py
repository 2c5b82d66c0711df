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
"""Why a document is refused with --strict."""


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
