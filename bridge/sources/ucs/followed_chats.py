"""The chats of a table that are remembered, and how they are stored: in buckets, of which a change rewrites one.

A chat gets a place in the bucket that is being filled, and keeps it. Rows arrive in the order of STARTDATE, so what one
transaction takes over lies in few buckets, however many chats there are. Pure.
"""

from __future__ import annotations

from collections import Counter
from enum import IntEnum
from typing import TYPE_CHECKING, Final

import msgspec

from bridge.sources.ucs.position_format import PREFIX, PositionUnreadable, decoded, encoded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BUCKET_CHATS: Final = 64
_BUCKET: Final = f"{PREFIX}.chats."
_LATE_BUCKETS: Final = 16
"""Buckets that are rewritten in one go only because chats in them were forgotten."""


class FollowedState(IntEnum):
    """RUNNING: not over. STOPPED: over, and its text was not passed on. FINAL: it was. MISSING: told to be missing."""

    RUNNING = 0
    STOPPED = 1
    FINAL = 2
    MISSING = 3


class FollowedChat(msgspec.Struct, frozen=True, array_like=True):
    """One chat. Stored by position: fields are added at the end, with a default.

    `started` is STARTDATE in us since 1970, `changed` when it was last something else than before (s since 1970).
    `length` and `hash` are those of the text that was read last; `hash` is empty without one. `database`: index.
    """

    id: str
    started: int
    changed: int
    state: FollowedState
    length: int = -1
    hash: bytes = b""
    database: int = 0

    @property
    def is_waiting(self) -> bool:
        """Whether its final text is still expected."""
        return self.state in (FollowedState.RUNNING, FollowedState.STOPPED)


class _Bucket(msgspec.Struct):
    v: int
    chats: list[FollowedChat]


class FollowedChats:
    """The chats by id, in the order in which they were met."""

    def __init__(self, stored: Mapping[str, bytes] | None = None) -> None:
        """Read the buckets among stored positions. Raises PositionUnreadable."""
        self._chats: dict[str, FollowedChat] = {}
        self._numbers: dict[str, int] = {}
        self._members: dict[int, dict[str, None]] = {}
        self._changed: set[int] = set()
        self._thinned: set[int] = set()
        self._counts: Counter[bool] = Counter()
        self._filled = 0
        for number, value in sorted(_buckets(stored or {})):
            for chat in decoded(value, _Bucket).chats:
                if chat.id in self._chats:  # written by two workers, one of which had lost the table to the other
                    self.forget(chat.id)
                self._add(chat, number)
            self._filled = number

    def __len__(self) -> int:
        """Return the number of chats."""
        return len(self._chats)

    def __iter__(self) -> Iterator[FollowedChat]:
        """Return the chats, those that were met first first."""
        return iter(self._chats.values())

    @property
    def waiting(self) -> int:
        """Number of chats whose final text is still expected."""
        return self._counts[True]

    def get(self, session_id: str) -> FollowedChat | None:
        """Return a chat, None for one that is not remembered."""
        return self._chats.get(session_id)

    def put(self, chat: FollowedChat) -> None:
        """Remember a chat, in place of what was remembered of it."""
        before = self._chats.get(chat.id)
        if before == chat:
            return
        if before is None:
            if len(self._members.get(self._filled, ())) >= BUCKET_CHATS:
                self._filled += 1
            self._add(chat, self._filled)
        else:
            self._counts[before.is_waiting] -= 1
            self._counts[chat.is_waiting] += 1
            self._chats[chat.id] = chat
        self._changed.add(self._numbers[chat.id])

    def forget(self, session_id: str) -> None:
        """Remember a chat no longer. This is stored later, together with other changes."""
        chat = self._chats.pop(session_id)
        self._counts[chat.is_waiting] -= 1
        number = self._numbers.pop(session_id)
        del self._members[number][session_id]
        self._thinned.add(number)

    def changes(self) -> dict[str, bytes | None]:
        """Return what has to be stored: name -> value, None for what is to be deleted. It counts as stored then."""
        if not self._changed:
            return {}
        late = sorted(self._thinned - self._changed)[:_LATE_BUCKETS]
        found = {f"{_BUCKET}{number}": self._value(number) for number in (*sorted(self._changed), *late)}
        self._thinned -= {*self._changed, *late}
        self._changed.clear()
        return found

    def _value(self, number: int) -> bytes | None:
        members = self._members[number]
        if not members:
            del self._members[number]
            return None
        return encoded(_Bucket(1, [self._chats[one] for one in members]))

    def _add(self, chat: FollowedChat, number: int) -> None:
        self._counts[chat.is_waiting] += 1
        self._chats[chat.id] = chat
        self._numbers[chat.id] = number
        self._members.setdefault(number, {})[chat.id] = None


def _buckets(stored: Mapping[str, bytes]) -> Iterator[tuple[int, bytes]]:
    for name, value in stored.items():
        number = name.removeprefix(_BUCKET)
        if number == name:
            continue
        if not number.isdecimal():
            raise PositionUnreadable(name)
        yield int(number), value
