"""A row of the table of interactions, as far as the bridge reads it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

STOPPED: Final = 3
"""STATUS of an interaction that is over."""


@dataclass(slots=True, frozen=True)
class InteractionRow:
    """One stored chat. `text` is None as long as none is stored, or if it is `unreadable`, which then says why."""

    id: str
    status: int
    start_date: datetime
    text: str | bytes | None = None
    unreadable: str | None = None

    @property
    def is_final(self) -> bool:
        """Whether the chat is over and its transcript is there."""
        return self.is_stopped and self.text is not None

    @property
    def is_stopped(self) -> bool:
        """Whether the chat is over."""
        return self.status == STOPPED
