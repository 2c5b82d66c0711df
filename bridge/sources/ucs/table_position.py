"""How far a table of interactions was read: a value that can be stored, and what each row says that was not known.

Rows are read by (STARTDATE, ID) from a place that lies an overlap before the highest row, because rows become visible
late. A chat that is not over is asked again by its id: after a minute at first, then twice as late each time up to an
hour; what it has said meanwhile makes it a minute again. A hash per id tells a row that was read from one that has
changed; hashes are forgotten some time after the chat has started. Pure: `now` is always an argument, in seconds.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import Enum
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from bridge.sources.ucs.interaction_rows import InteractionRow

OVERLAP: Final = timedelta(hours=1)
SOONEST: Final = 60
LATEST: Final = 3_600
WITHOUT_TEXT_SECONDS: Final = 86_400
"""How long a chat that is over and has no text is asked for."""
HASHES_KEPT: Final = timedelta(days=30)
_NO_TEXT: Final = b""


class RowNews(Enum):
    """What a row says that was not known.

    GROWN: a chat that is not over has other text. FINAL: it is over, and its text was not read as final before.
    CHANGED: text that was final is another one. MISSING: it is over for a day, and there is no text.
    """

    NOTHING = "nothing"
    GROWN = "grown"
    FINAL = "final"
    CHANGED = "changed"
    MISSING = "missing"


class WaitingChat(msgspec.Struct, frozen=True, array_like=True):
    """A chat that is asked again at `due`, `delay` seconds after the last time; first seen at `since`."""

    due: int
    delay: int
    since: int


class ReadText(msgspec.Struct, frozen=True, array_like=True):
    """The hash of a text that was read, whether it was final, and when its chat started (seconds since 1970)."""

    hash: bytes
    final: bool
    started: int


class TablePosition(msgspec.Struct):
    """What is known of one table. `start` is STARTDATE of the highest row (UTC, without a zone), `id` its id."""

    start: datetime
    id: str = ""
    waiting: dict[str, WaitingChat] = {}
    texts: dict[str, ReadText] = {}

    def begin(self) -> datetime:
        """Return the STARTDATE from which the table is read next."""
        return self.start - OVERLAP

    def due(self, now: int) -> list[str]:
        """Return the ids to ask for now, those that wait longest first."""
        return sorted(
            (one for one, chat in self.waiting.items() if chat.due <= now), key=lambda one: self.waiting[one].due
        )

    def take(self, row: InteractionRow, now: int) -> RowNews:
        """Take a row over, whichever way it was read; return what it says that was not known."""
        self.start, self.id = max((self.start, self.id), (row.start_date, row.id))
        news = self._news(row)
        if row.is_final:
            self.waiting.pop(row.id, None)
        elif row.id not in self.texts or not self.texts[row.id].final:
            return self._wait(row, news, now)
        return news

    def _news(self, row: InteractionRow) -> RowNews:
        if row.text is None:
            return RowNews.NOTHING
        data = row.text if isinstance(row.text, bytes) else row.text.encode("utf-8", "surrogatepass")
        known = self.texts.get(row.id)
        final = row.is_final or (known is not None and known.final)
        read = self.texts[row.id] = ReadText(blake2b(data, digest_size=16).digest(), final, _seconds(row.start_date))
        if known is None or not known.final or known.hash == _NO_TEXT:
            if row.is_final:
                return RowNews.FINAL
            return RowNews.NOTHING if known == read else RowNews.GROWN
        return RowNews.NOTHING if known.hash == read.hash else RowNews.CHANGED

    def _wait(self, row: InteractionRow, news: RowNews, now: int) -> RowNews:
        chat = self.waiting.get(row.id)
        if chat is None:
            self.waiting[row.id] = WaitingChat(now + SOONEST, SOONEST, now)
        elif row.is_stopped and now - chat.since >= WITHOUT_TEXT_SECONDS:
            del self.waiting[row.id]
            self.texts[row.id] = ReadText(_NO_TEXT, final=True, started=_seconds(row.start_date))
            return RowNews.MISSING
        elif news is RowNews.GROWN or chat.due <= now:
            delay = SOONEST if news is RowNews.GROWN else min(chat.delay * 2, LATEST)
            self.waiting[row.id] = WaitingChat(now + delay, delay, chat.since)
        return news

    def forget(self, now: int) -> None:
        """Drop hashes of chats that started long ago; none that waits, or that the overlap brings again."""
        first = min(now - int(HASHES_KEPT.total_seconds()), _seconds(self.begin()))
        self.texts = {one: read for one, read in self.texts.items() if read.started >= first or one in self.waiting}


def _seconds(at: datetime) -> int:
    return int(at.replace(tzinfo=UTC).timestamp())
