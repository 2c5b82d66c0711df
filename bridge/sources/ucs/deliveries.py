"""What a feeder delivers together: texts, chats of which none will come, and rows that are set aside. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.announcement import session_id_problem
from bridge.capture.stored_inputs import StoredRead, StoredUnreadable
from bridge.capture.stored_texts import StoredText
from bridge.sources.ucs.table_position import RowNews

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.errors import Problem

_ENDED: Final = frozenset({RowNews.NO_TEXT, RowNews.ROW_GONE})
"""News after which no text is expected, whatever the row said last."""
_SET_ASIDE: Final = frozenset({RowNews.UNREADABLE_ROW, RowNews.NOT_OVER, RowNews.LIST_FULL})
"""News of rows that are set aside: their chats may go on, or there is a text that nobody could read."""


class Delivery:
    """One transaction of the shard that has the position."""

    def __init__(self) -> None:
        """There is nothing in it yet."""
        self.texts: list[StoredText] = []
        self.set_aside: list[StoredUnreadable] = []

    def add_missing(self, session_id: str, place: str, why: Problem, at: int, *, over: bool = False) -> None:
        """Add that the text of a chat is missing. The code of `why` is one of table_position.MISSING_NEWS.

        A chat that has ended, as far as is known, learns so itself: nothing will come of it. `over`: its row says that
        it is. `at` in us since 1970 UTC.
        """
        news = RowNews(why.code)
        is_chat = not session_id_problem(session_id)  # what is no id has no chat
        if news in _SET_ASIDE or not is_chat:
            self.set_aside.append(StoredUnreadable(session_id, place, why))
        if is_chat and (news in _ENDED or (news is RowNews.UNREADABLE_ROW and over)):
            self.texts.append(StoredText(session_id, place, b"", final=True, read_at=at, missing=why.code))

    def read(self, positions: Mapping[str, bytes | None], at: int) -> tuple[StoredRead, int] | None:
        """Return it with what is to be stored of the position, and its size in bytes; None if there is nothing."""
        if not (self.texts or self.set_aside or positions):
            return None
        size = sum(text.size for text in self.texts) + sum(len(value or b"") for value in positions.values())
        return StoredRead(tuple(self.texts), positions, at, tuple(self.set_aside)), size
