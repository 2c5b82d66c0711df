"""Whether the ids of a site's captured events are those of its stored ones: the same id, text, second and author."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.reconciliation.differences import OTHER_EVENT

if TYPE_CHECKING:
    from bridge.reconciliation.comparison import ChatComparison

AGREE: Final = "agree"
DIFFER: Final = "differ"
NOT_KNOWN: Final = "not known"


@dataclass(slots=True)
class IdAgreement:
    """The sums of one site."""

    chats: int = 0
    agreeing: int = 0
    shifted: int = 0
    contradicting: int = 0
    """Ids under which the two sides have different events."""

    def take(self, comparison: ChatComparison) -> None:
        """Add a chat of the site."""
        self.chats += 1
        self.agreeing += comparison.agreeing
        self.shifted += comparison.shifted
        self.contradicting += comparison.by_code[OTHER_EVENT]

    @property
    def verdict(self) -> str:
        """Return AGREE, DIFFER, or NOT_KNOWN when nothing could be compared."""
        if self.shifted or self.contradicting:
            return DIFFER
        return AGREE if self.agreeing else NOT_KNOWN
