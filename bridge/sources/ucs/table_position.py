"""How far the tables of interactions were read: a value that can be stored, and what each row says that is new.

A table is read in pages by (STARTDATE, ID) from a place that lies an overlap before its bookmark, the highest
STARTDATE, because rows become visible late. Every chat that is not over is asked again by its id: as long after the
last time as nothing has changed meanwhile, so twice as late each time. A chat whose final text was passed on is asked
again, too, as long as the overlap: a hash tells whether it has changed. After that it is forgotten. Pure: `now` is an
argument, in seconds since 1970.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import msgspec

from bridge.sources.ucs.due_times import DueTimes
from bridge.sources.ucs.followed_chats import FollowedChat, FollowedChats, FollowedState
from bridge.sources.ucs.interaction_rows import STOPPED, PagePlace, ReadText, RowHead, document_of
from bridge.sources.ucs.position_format import FORMAT, PREFIX, decoded, encoded
from bridge.transcript import input_codes

if TYPE_CHECKING:
    from collections.abc import Mapping

MAIN: Final = 0
ARCHIVE: Final = 1
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - STARTDATE has no zone
_SECOND: Final = 1_000_000
_CHECK_AGAIN: Final = (900, 3_600)
"""Seconds until a chat is asked again whose final text was passed on, or that was told to be missing."""

_FORGOTTEN_TOGETHER: Final = 1_000
"""Chats that are added before it is worth while to look for those that can be forgotten."""


class RowNews(Enum):
    """What a row says that was not known.

    GROWN: a chat that is not over has another text. FINAL: it is over, and has a text. CHANGED: another text than the
    final one that was passed on. The others say why a chat is told to be missing, and are codes.
    """

    NOTHING = "NOTHING"
    GROWN = "GROWN"
    FINAL = "FINAL"
    CHANGED = "CHANGED"
    NO_TEXT = input_codes.NO_TEXT
    NOT_OVER = input_codes.NOT_OVER
    ROW_GONE = input_codes.ROW_GONE
    UNREADABLE_ROW = input_codes.UNREADABLE_ROW
    LIST_FULL = input_codes.LIST_FULL


TEXT_NEWS: Final = frozenset({RowNews.GROWN, RowNews.FINAL, RowNews.CHANGED})
"""News of which the text is passed on."""
MISSING_NEWS: Final = frozenset(RowNews) - TEXT_NEWS - {RowNews.NOTHING}
"""News that are told once: the chat's text is not passed on."""


@dataclass(slots=True, frozen=True)
class FollowingRules:
    """How tables are followed; times in seconds.

    `near_live`: texts of chats that are not over are passed on, too. `grace`: how long after a chat was seen to be over
    its text is passed on. `soonest`, `latest`: limits of the time after which an unfinished chat is asked again.
    `missing_after`: how long a chat that is over is asked for its text. `unfinished_after`: how long a chat is asked
    that is not over and does not change. `most_chats`: of those that wait, and of the others, as many are remembered.
    """

    overlap: int = 3_600
    near_live: bool = False
    grace: int = 0
    soonest: int = 60
    latest: int = 3_600
    missing_after: int = 86_400
    unfinished_after: int = 30 * 86_400
    most_chats: int = 50_000


class Bookmark(msgspec.Struct, frozen=True):
    """How far one table was read: STARTDATE in us since 1970.

    `not_before`: the place of the highest row that was forgotten because too many were remembered.
    """

    start: int
    not_before: tuple[int, str] = (0, "")


class _Bookmarks(msgspec.Struct):
    v: int
    main: Bookmark
    archive: Bookmark


class TablePosition:
    """What is known of the tables: a bookmark for each, and the chats that are remembered."""

    def __init__(self, rules: FollowingRules, stored: Mapping[str, bytes], now: int, since: datetime) -> None:
        """Go on from stored positions, or begin at `since` (UTC, without a zone). Raises PositionUnreadable."""
        self._rules = rules
        self.chats = FollowedChats(stored)
        self._due = DueTimes()
        for chat in self.chats:
            self._due.set(chat.id, now if chat.is_waiting else now + self._interval(chat, now))
        self._forgotten_at = len(self.chats)
        self._moved = PREFIX not in stored
        if self._moved:
            self._bookmarks = [Bookmark(us_of(since)), Bookmark(us_of(since))]
        else:
            found = decoded(stored[PREFIX], _Bookmarks)
            self._bookmarks = [found.main, found.archive]

    # --- where to read -------------------------------------------------------------------------------------------

    def begin(self, database: int) -> PagePlace:
        """Return the place after which a table is read next."""
        mark = self._bookmarks[database]
        start, row_id = max((max(mark.start - self._rules.overlap * _SECOND, 0), ""), mark.not_before)
        return PagePlace(date_of(start), row_id)

    def age(self, now: int) -> int:
        """Return how old the main table's bookmark is, in seconds."""
        return now - self._bookmarks[MAIN].start // _SECOND

    def due(self, now: int, most: int) -> list[str]:
        """Return at most so many of the ids to ask for now, those that have waited longest first."""
        return self._due.until(now, most)

    def next_due(self) -> int | None:
        """Return when a chat is to be asked again; None without one."""
        return self._due.first()

    # --- rows ----------------------------------------------------------------------------------------------------

    def wants(self, head: RowHead, now: int) -> bool:
        """Return whether the text of a row is to be fetched."""
        known, rules = self.chats.get(head.id), self._rules
        due = known is None or self._due[head.id] <= now
        if not head.length or (known is not None and not known.is_waiting and not due and head.length == known.length):
            return False
        if not head.is_stopped:
            changed = known is None or head.length != known.length
            return rules.near_live and changed and (known is None or known.state is not FollowedState.FINAL)
        if known is None or known.state is FollowedState.RUNNING:
            return not rules.grace
        return known.state is not FollowedState.STOPPED or now - known.changed >= rules.grace

    def passed(self, head: RowHead, now: int, database: int) -> None:
        """Move the bookmark over a row of a page; never beyond `now`, whatever a row says."""
        mark = self._bookmarks[database]
        start = min(us_of(head.start_date), now * _SECOND)
        if start > mark.start:
            self._bookmarks[database] = msgspec.structs.replace(mark, start=start)
            self._moved = True

    def take(self, head: RowHead, read: ReadText | None, now: int, database: int = MAIN) -> RowNews:
        """Take a row over, whichever way it was read; return what it says. `read` None: its text was not fetched."""
        known = self.chats.get(head.id)
        news, chat = self._judged(known, head, read, now, database)
        self._keep(known, chat, now)
        return news

    def absent(self, session_id: str, now: int, *, certain: bool = True) -> RowNews:
        """Take over that no table has a chat that was asked by its id; not `certain`: not all of them were asked."""
        known = self.chats.get(session_id)
        if known is None:
            return RowNews.NOTHING
        gone = certain and known.is_waiting and now - known.changed >= self._rules.missing_after
        self._keep(known, _changed(known, now, state=FollowedState.MISSING) if gone else known, now)
        return RowNews.ROW_GONE if gone else RowNews.NOTHING

    def waits(self, session_id: str) -> bool:
        """Return whether the final text of a chat is still expected."""
        known = self.chats.get(session_id)
        return known is not None and known.is_waiting

    def found(self, session_id: str, text: bytes, now: int) -> RowNews:
        """Take over the final text of a chat that waits, which no table has and UCS gave otherwise."""
        known = self.chats.get(session_id)
        if known is None or not known.is_waiting:
            return RowNews.NOTHING
        head = RowHead(session_id, STOPPED, date_of(known.started), None)
        return self.take(head, ReadText(text), now, known.database)

    def archive_read(self) -> None:
        """Take over that the archive was read to its end after the main table: what is moved there now was read."""
        start = max(self._bookmarks[ARCHIVE].start, self._bookmarks[MAIN].start)
        if start > self._bookmarks[ARCHIVE].start:
            self._bookmarks[ARCHIVE] = msgspec.structs.replace(self._bookmarks[ARCHIVE], start=start)
            self._moved = True

    def _judged(
        self, known: FollowedChat | None, head: RowHead, read: ReadText | None, now: int, database: int
    ) -> tuple[RowNews, FollowedChat]:
        met = FollowedChat(head.id, us_of(head.start_date), now, FollowedState.RUNNING, database=database)
        chat = met if known is None else msgspec.structs.replace(known, database=database)
        length = -1 if head.length is None else head.length
        if read is not None and read.text is not None:
            return self._with_text(known, chat, head, read.text, now)
        if read is not None and read.unreadable is not None and (chat.is_waiting or chat.length != length):
            return RowNews.UNREADABLE_ROW, _changed(chat, now, state=FollowedState.MISSING, length=length)
        return self._without_text(chat, head, now)

    def _with_text(
        self, known: FollowedChat | None, chat: FollowedChat, head: RowHead, text: str | bytes, now: int
    ) -> tuple[RowNews, FollowedChat]:
        digest = blake2b(document_of(text), digest_size=16).digest()
        length, same = -1 if head.length is None else head.length, digest == chat.hash
        if not head.is_stopped:
            if same:
                return RowNews.NOTHING, msgspec.structs.replace(chat, length=length)
            return RowNews.GROWN, _changed(chat, now, state=FollowedState.RUNNING, length=length, hash=digest)
        if chat.state is FollowedState.FINAL and same:
            return RowNews.NOTHING, msgspec.structs.replace(chat, length=length)
        news = RowNews.CHANGED if chat.state is FollowedState.FINAL else RowNews.FINAL
        at = min(now, chat.started // _SECOND) if known is None else now  # one that is met as final may be very old
        return news, _changed(chat, at, state=FollowedState.FINAL, length=length, hash=digest)

    def _without_text(self, chat: FollowedChat, head: RowHead, now: int) -> tuple[RowNews, FollowedChat]:
        state = FollowedState.STOPPED if head.is_stopped else FollowedState.RUNNING
        goes_on = chat.state is FollowedState.FINAL and not head.is_stopped and head.length != chat.length
        if goes_on or (chat.is_waiting and state is not chat.state):
            return RowNews.NOTHING, _changed(chat, now, state=state)
        waited = now - chat.changed
        if chat.state is FollowedState.STOPPED and not head.length and waited >= self._rules.missing_after:
            return RowNews.NO_TEXT, _changed(chat, now, state=FollowedState.MISSING)
        if chat.state is FollowedState.RUNNING and waited >= self._rules.unfinished_after:
            return RowNews.NOT_OVER, _changed(chat, now, state=FollowedState.MISSING)
        return RowNews.NOTHING, chat

    def _keep(self, known: FollowedChat | None, chat: FollowedChat, now: int) -> None:
        self.chats.put(chat)
        if known is None or chat.changed != known.changed or self._due[chat.id] <= now:
            self._due.set(chat.id, now + self._interval(chat, now))

    def _interval(self, chat: FollowedChat, now: int) -> int:
        rules, unchanged = self._rules, max(now - chat.changed, 0)
        if not chat.is_waiting:
            return min(max(unchanged, _CHECK_AGAIN[0]), _CHECK_AGAIN[1])
        wait = min(max(unchanged, rules.soonest), rules.latest)
        in_grace = chat.state is FollowedState.STOPPED and unchanged < rules.grace
        return min(wait, rules.grace - unchanged) if in_grace else wait

    # --- what is forgotten, and stored ---------------------------------------------------------------------------

    @property
    def has_grown(self) -> bool:
        """Whether many chats were added since the last `forget`, which looks at all of them."""
        most = self._rules.most_chats
        enough = max(min(most, self._forgotten_at) // 4, min(_FORGOTTEN_TOGETHER, most // 4), 1)
        return len(self.chats) - self._forgotten_at > enough

    def forget(self, now: int) -> list[tuple[str, RowNews]]:
        """Forget what is not needed any more; return the chats that wait and are given up because they are too many."""
        given_up: list[tuple[str, RowNews]] = []
        begins = [us_of(self.begin(database).start) for database in (MAIN, ARCHIVE)]
        done = [chat for chat in self.chats if not chat.is_waiting]
        old = [chat for chat in done if chat.started < begins[chat.database] and self._checked(chat, now)]
        for chat in old:
            self._drop(chat)
        kept = sorted((chat for chat in done if self.chats.get(chat.id) is not None), key=lambda chat: chat.started)
        for chat in kept[: max(len(kept) - self._rules.most_chats, 0)]:
            self._drop(chat)
            self._shorten(chat)
        too_many = self.chats.waiting - self._rules.most_chats
        if too_many > 0:
            waiting = sorted((chat for chat in self.chats if chat.is_waiting), key=lambda chat: chat.changed)
            for chat in waiting[:too_many]:
                self._keep(chat, _changed(chat, now, state=FollowedState.MISSING), now)
                given_up.append((chat.id, RowNews.LIST_FULL))
        self._forgotten_at = len(self.chats)
        return given_up

    def _shorten(self, chat: FollowedChat) -> None:
        """Read a table next from behind a chat that is forgotten too soon: it would be taken for a new one."""
        mark = self._bookmarks[chat.database]
        place = min(max(mark.not_before, (chat.started, chat.id)), (mark.start, chat.id))
        self._bookmarks[chat.database] = msgspec.structs.replace(mark, not_before=place)
        self._moved = True

    def _checked(self, chat: FollowedChat, now: int) -> bool:
        again = self._rules.missing_after if chat.state is FollowedState.MISSING else self._rules.overlap
        return now - chat.changed >= again

    def _drop(self, chat: FollowedChat) -> None:
        self.chats.forget(chat.id)
        self._due.forget(chat.id)

    def changes(self) -> dict[str, bytes | None]:
        """Return the positions that have to be stored: name -> value, None deletes. They count as stored then."""
        changes = self.chats.changes()
        if self._moved or changes:
            changes[PREFIX] = encoded(_Bookmarks(FORMAT, self._bookmarks[MAIN], self._bookmarks[ARCHIVE]))
        self._moved = False
        return changes


def us_of(start_date: datetime) -> int:
    """Return STARTDATE in us since 1970."""
    return (start_date - _EPOCH) // timedelta(microseconds=1)


def date_of(start: int) -> datetime:
    """Return us since 1970 as STARTDATE, UTC without a zone."""
    return _EPOCH + timedelta(microseconds=start)


def _changed(chat: FollowedChat, at: int, **what: object) -> FollowedChat:
    return msgspec.structs.replace(chat, changed=at, **what)
