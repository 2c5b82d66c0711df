"""A table of chats in little memory: an id, a time and a few bytes each. Pure.

A dict takes 110 bytes for each entry beside what is in it: two objects and its place. Here some twelve entries lie
behind one another in one object, and take 18 bytes each beside what is in them. Which object an entry is in follows
from the hash of its id; there is one more of them whenever the table has grown by a few entries (linear hashing), so
that no call takes longer in a large table, but for those that look at each entry.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ENTRIES: Final = 12
"""In each bucket, on average."""
_HEADER: Final = Struct(">IIq")
"""Length of the id, length of the value, time. Id and value follow."""


class TableEntry(NamedTuple):
    """A chat's time, in us since 1970 UTC, and what is known of it."""

    at: int
    value: bytes


class ChatTable:
    """Ids of chats, and an entry for each. In no order."""

    def __init__(self) -> None:
        """Begin with none."""
        self._buckets = [b""]
        self._entries = 0
        self._doubled = 1
        """The largest power of two that is no more than the number of buckets."""

    def __len__(self) -> int:
        """Return how many there are."""
        return self._entries

    def __contains__(self, session_id: bytes) -> bool:
        """Tell whether there is an entry for a chat."""
        return self.get(session_id) is not None

    def __iter__(self) -> Iterator[tuple[bytes, TableEntry]]:
        """Yield each id with its entry. What is put or dropped meanwhile may or may not be among them."""
        for bucket in self._buckets:
            for start, middle, end, at in _places(bucket):
                yield bucket[start:middle], TableEntry(at, bucket[middle:end])

    def get(self, session_id: bytes) -> TableEntry | None:
        """Return the entry of a chat, None if there is none."""
        bucket = self._buckets[self._number(session_id)]
        if session_id in bucket:  # this is quick, and may be by chance
            for start, middle, end, at in _places(bucket):
                if bucket[start:middle] == session_id:
                    return TableEntry(at, bucket[middle:end])
        return None

    def before(self, before: int) -> list[bytes]:
        """Return the ids whose time is before one."""
        return [
            bucket[start:middle] for bucket in self._buckets for start, middle, _, at in _places(bucket) if at < before
        ]

    def put(self, session_id: bytes, entry: TableEntry) -> None:
        """Add the entry of a chat, in place of the one that it had."""
        self.drop(session_id)
        header = _HEADER.pack(len(session_id), len(entry.value), entry.at)
        self._buckets[self._number(session_id)] += b"".join((header, session_id, entry.value))
        self._entries += 1
        if self._entries > ENTRIES * len(self._buckets):
            self._grow()

    def drop(self, session_id: bytes) -> None:
        """Remove the entry of a chat, if there is one."""
        number = self._number(session_id)
        if session_id in self._buckets[number]:
            self._buckets[number], gone = _parted(self._buckets[number], lambda one, _: one == session_id)
            self._entries -= sum(1 for _ in _places(gone))

    def drop_before(self, before: int) -> list[bytes]:
        """Remove the entries whose time is before one; return the ids."""
        found: list[bytes] = []
        for number, bucket in enumerate(self._buckets):
            if any(at < before for *_, at in _places(bucket)):
                self._buckets[number], gone = _parted(bucket, lambda _, at: at < before)
                found += [gone[start:middle] for start, middle, _, _ in _places(gone)]
        self._entries -= len(found)
        return found

    def _number(self, session_id: bytes) -> int:
        """Return which bucket is that of a chat."""
        hashed = hash(session_id)
        number = hashed % (2 * self._doubled)
        return number if number < len(self._buckets) else hashed % self._doubled

    def _grow(self) -> None:
        """Add a bucket, with what is its own of the bucket that had it until now."""
        new = len(self._buckets)
        if new == 2 * self._doubled:
            self._doubled = new
        before = new - self._doubled
        self._buckets.append(b"")
        self._buckets[before], self._buckets[new] = _parted(
            self._buckets[before], lambda session_id, _: self._number(session_id) == new
        )


def _places(bucket: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield where the id of each entry starts, its value starts and ends, and its time."""
    end = 0
    while end < len(bucket):
        key, value, at = _HEADER.unpack_from(bucket, end)
        start = end + _HEADER.size
        end = start + key + value
        yield start, start + key, end, at


def _parted(bucket: bytes, moves: Callable[[bytes, int], bool]) -> tuple[bytes, bytes]:
    """Return the entries that stay, and those that move; `moves` is given id and time of each."""
    stay: list[bytes] = []
    move: list[bytes] = []
    for start, middle, end, at in _places(bucket):
        (move if moves(bucket[start:middle], at) else stay).append(bucket[start - _HEADER.size : end])
    return b"".join(stay), b"".join(move)
