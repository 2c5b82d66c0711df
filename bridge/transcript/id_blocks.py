"""Blocks of event ids: the pieces in which the delivered ids of a chat and their fingerprints are kept and stored.

Block k holds the ids from k * BLOCK_IDS up to the next block. The block of the highest id is *open*: it changes with
nearly every event. All others are *closed*: they change only when an event comes late or is amended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from bridge.transcript.fingerprints import BLANK, PrintLayout, length_at, without_table

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK_IDS: Final = 8
"""Ids per block; stored checkpoints depend on it. Measured (docs/performance.md): the open block is written with every
transaction, so larger ones cost more than the event itself; each closed one has a record of its own, so smaller ones
cost more when a shard is opened."""


def block_of(event_id: int) -> int:
    """Return the number of the block that an id lies in."""
    return event_id // BLOCK_IDS


def ids_of(block: int) -> tuple[int, int]:
    """Return the lowest and the highest id that lie in a block."""
    return block * BLOCK_IDS, block * BLOCK_IDS + BLOCK_IDS - 1


class Prints(NamedTuple):
    """Fingerprints, packed in the order of their ids, and the layout with which they were made."""

    packed: bytes
    layout: PrintLayout

    def in_layout(self, now: PrintLayout, ids: int) -> bytes:
        """Return those of `ids` ids as they are compared with ones of the layout `now`.

        Where the two differ, less or nothing can be compared of what was delivered; that amends no event.
        """
        if self.layout.version != now.version:
            return BLANK * ids
        if self.layout.table != now.table:
            return b"".join(map(without_table, each_print(self.packed)))
        return self.packed


class IdBlock(NamedTuple):
    """The delivered ids of one block, as disjoint rising ranges, a fingerprint for each, and their packed outlines."""

    ranges: list[tuple[int, int]]
    prints: Prints
    outlines: bytes = b""

    @property
    def number(self) -> int:
        """The number of the block. It holds an id, else there is none."""
        return block_of(self.ranges[0][0])


def each_print(packed: bytes) -> Iterator[bytes]:
    """Yield the fingerprints that are packed one after the other."""
    at = 0
    while at < len(packed):
        end = at + length_at(packed, at)
        yield packed[at:end]
        at = end
