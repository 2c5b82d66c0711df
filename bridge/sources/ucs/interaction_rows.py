"""A row of the table of interactions, as far as the bridge reads it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

NO_START: Final = datetime(9999, 12, 31)  # noqa: DTZ001 - STARTDATE has no zone
"""STARTDATE of a row that has none which can be read: such a row is remembered as long as it is there."""
STOPPED: Final = 3
"""STATUS of an interaction that is over."""
_DECLARATION: Final = re.compile(r"\A\ufeff?\s*<\?xml[^<>]{0,300}\?>")


@dataclass(slots=True, frozen=True)
class PagePlace:
    """The last row of a page: pages go on after it. `start` is STARTDATE, UTC without a zone."""

    start: datetime
    id: str = ""


@dataclass(slots=True, frozen=True)
class RowHead:
    """A row without its text. `length` is that of the text as the database counts it; None: there is no text.

    `unreadable`: the row cannot be read, and why. Of the other values only the id is its own then, and `start_date`
    unless that is NO_START: nothing is known of its place in the order of pages.
    """

    id: str
    status: int
    start_date: datetime
    length: int | None
    unreadable: str | None = None

    @property
    def is_stopped(self) -> bool:
        """Whether the chat is over."""
        return self.status == STOPPED

    @property
    def place(self) -> PagePlace:
        """Its place in the order of pages."""
        return PagePlace(self.start_date, self.id)


def place_after(heads: Sequence[RowHead], before: PagePlace) -> PagePlace:
    """Return where the next page begins; `before` is where this one did, and is returned if nothing comes after it."""
    return next((head.place for head in reversed(heads) if head.start_date != NO_START), before)


@dataclass(slots=True, frozen=True)
class ReadText:
    """The text of a row. `text` is None if there is none any more, or if it is `unreadable`, which then says why."""

    text: str | bytes | None = None
    unreadable: str | None = None


@dataclass(slots=True, frozen=True)
class InteractionRow:
    """One stored chat. `text` is None as long as none is stored, or if it is `unreadable`, which then says why."""

    id: str
    status: int
    start_date: datetime
    text: str | bytes | None = None
    unreadable: str | None = None

    @property
    def is_stopped(self) -> bool:
        """Whether the chat is over."""
        return self.status == STOPPED

    @property
    def is_final(self) -> bool:
        """Whether the chat is over and its transcript is there."""
        return self.is_stopped and self.text is not None


def document_of(text: str | bytes) -> bytes:
    """Return a column's text as a document in UTF-8: what it declares is not the encoding of the column."""
    if isinstance(text, bytes):
        return text
    return _DECLARATION.sub("", text).encode("utf-8", "surrogatepass")
