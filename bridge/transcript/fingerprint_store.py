"""The fingerprints of one chat: packed in the order of the event ids, as they are stored in checkpoints."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, Self

from bridge.transcript.fingerprints import BLANK, PrintLayout, length_at, print_layout, without_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.transcript.fields import EventField
    from bridge.transcript.ranges import IdRanges

MAX_BYTES: Final = 256 * 1024
"""Limit for the fingerprints of one chat, some 10,000 events; a longer history does not fit into a frame anyway."""


class Fingerprints:
    """The fingerprints of the delivered events of a chat, packed in the order of their ids.

    Belongs to the IdRanges of the delivered ids: the last fingerprint is that of the highest id, and so on downwards.
    Never holds more than `limit` bytes: beyond it the fingerprints of the lowest ids are dropped.
    """

    __slots__ = ("_cursor", "_data", "_dropped", "_limit", "_marked", "layout")

    def __init__(
        self, packed: bytes = b"", ids: int | None = None, limit: int = MAX_BYTES, layout: PrintLayout | None = None
    ) -> None:
        """Start from what `packed` returned; `ids` is the number of ids that had been delivered by then."""
        self.layout = layout or print_layout()
        self._data = bytearray(packed)
        self._limit = limit
        self._dropped = 0 if ids is None else max(ids - self._count(), 0)
        self._cursor = (0, 0)  # (fingerprints, bytes) before the place of the last insertion
        self._marked: tuple[int, int, bytes | None] = (len(self._data), self._dropped, None)

    @classmethod
    def stored(cls, packed: bytes, ids: int, made: PrintLayout, fields: tuple[EventField, ...]) -> Self:
        """Start from what a checkpoint holds: `packed` was made with the layout `made`, new ones will be with `fields`.

        Where the two differ, less or nothing can be compared of what was delivered; that amends no event.
        """
        now = print_layout(fields)
        if made.version != now.version:
            packed = BLANK * min(ids, MAX_BYTES) if packed else b""
        elif made.table != now.table:
            packed = b"".join(without_table(one) for one in _each(packed))
        return cls(packed, ids, layout=now)

    def packed(self) -> bytes:
        """Return all fingerprints, one after the other."""
        return bytes(self._data)

    def append(self, new: bytes) -> None:
        """Add the fingerprint of an id above all others."""
        self._data += new
        self._shorten()

    def _count(self) -> int:
        at = count = 0
        while at < len(self._data):
            at += length_at(self._data, at)
            count += 1
        return count

    def _shorten(self) -> None:
        if len(self._data) <= self._limit:
            return
        self._before_rewriting()
        at = 0
        while len(self._data) - at > self._limit - self._limit // 8:  # an eighth more than necessary: seldom
            at += length_at(self._data, at)
            self._dropped += 1
        del self._data[:at]
        self._cursor = (0, 0)

    def _offset(self, place: int) -> int:
        """Return where fingerprint number `place` begins, counting from the last insertion if that lies before it."""
        done, at = self._cursor if self._cursor[0] <= place else (0, 0)
        for _ in range(place - done):
            at += length_at(self._data, at)
        return at

    def insert(self, rank: int, new: bytes) -> None:
        """Add the fingerprint of an id that has `rank` ids below it."""
        place = rank - self._dropped
        if place < 0:  # it would be among those that were dropped
            self._dropped += 1
            return
        self._before_rewriting()
        at = self._offset(place)
        self._data[at:at] = new
        self._cursor = (place + 1, at + len(new))
        self._shorten()

    def replace(self, rank: int, new: bytes) -> None:
        """Replace the fingerprint of an id that has `rank` ids below it; no effect if it was dropped."""
        place = rank - self._dropped
        if place < 0:
            return
        self._before_rewriting()
        at = self._offset(place)
        self._data[at : at + length_at(self._data, at)] = new
        self._cursor = (place, at)
        self._shorten()

    def remove(self, rank: int) -> None:
        """Remove the fingerprint of an id that has `rank` ids below it, and will no longer be among the ids."""
        place = rank - self._dropped
        if place < 0:
            self._dropped -= 1
            return
        self._before_rewriting()
        at = self._offset(place)
        del self._data[at : at + length_at(self._data, at)]
        self._cursor = (place, at)

    def mark(self) -> None:
        """Remember this moment for `undo`. Cheap: what is there is copied only before the first change of it."""
        self._marked = (len(self._data), self._dropped, None)

    def undo(self) -> None:
        """Go back to the last `mark`."""
        length, self._dropped, rewritten = self._marked
        if rewritten is None:
            del self._data[length:]
        else:
            self._data = bytearray(rewritten)
        self._cursor = (0, 0)
        self.mark()

    def _before_rewriting(self) -> None:
        """Keep what has been there since the last `mark`, before something other than an append changes it."""
        length, dropped, rewritten = self._marked
        if rewritten is None:
            self._marked = (length, dropped, bytes(self._data[:length]))

    def by_id(self, ids: IdRanges) -> dict[int, bytes]:
        """Return the fingerprints by id; those of the lowest ids may have been dropped."""
        found: dict[int, bytes] = {}
        at = 0
        for event_id in islice(ids, self._dropped, None):
            length = length_at(self._data, at)
            found[event_id] = bytes(self._data[at : at + length])
            at += length
        return found


def _each(packed: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(packed):
        end = at + length_at(packed, at)
        yield packed[at:end]
        at = end
