"""The numbers of a shard's transactions, by which a committed one is recognised whose answer was lost.

The head of every checkpoint says which owner of the shard wrote it, in which batch. Batches are numbered from 1, over
all owners of the shard: a transaction that was not committed leaves its number to the next one. The *marker* is a head
that belongs to no chat. It is written in the first batch after a restoration, with the last batch of each owner up to
then, and in every batch that writes no other checkpoint. So the highest number on the topic is always that of the last
committed batch, whichever checkpoints were overwritten or deleted since, and the last batch of an owner stays known
until 8 others have owned the shard after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.records.checkpoint import BatchStamp, CheckpointHead, encode_head

if TYPE_CHECKING:
    from bridge.records.shard_facts import ShardFacts
    from bridge.records.tree_state import TreeState

SHARD: Final = "SHARD"
"""The state in the marker."""
OWNERS: Final = 8
"""The marker names so many owners at most."""


class BatchNumbers:
    """Which batches of one shard are committed, and what the next one is called.

    Like the chats of a store, it takes every batch for committed; after a failed commit it is dropped with the store.
    """

    def __init__(self, owner: int) -> None:
        """Begin with no batch committed; `owner` is the owner of the batches to come."""
        self._owner = owner
        self._last: dict[int, int] = {}
        self._highest = 0
        self._marked = False
        self.shard: ShardFacts | None = None
        """What the marker says of the shard."""
        self.tree: TreeState | None = None
        """The tree over the shard's certificates, in the marker, too: `mark_next` goes with a change of it."""

    def restored(self, stamp: BatchStamp) -> None:
        """Learn from the stamp of a checkpoint that was read back."""
        self.shard, self.tree = stamp.shard or self.shard, stamp.tree or self.tree
        for owner, number in ((stamp.owner, stamp.number), *stamp.owners):
            self._last[owner] = max(number, self._last.get(owner, 0))
            self._highest = max(number, self._highest)

    def committed(self, number: int) -> bool:
        """Return whether a batch of this owner with this number, or a later one, is committed."""
        return self._last.get(self._owner, 0) >= number

    @property
    def highest(self) -> int:
        """The number of the last batch."""
        return self._highest

    @property
    def owners(self) -> frozenset[int]:
        """Those of whom a batch is known."""
        return frozenset(self._last)

    def mark_next(self) -> None:
        """Have the next batch hold the marker."""
        self._marked = False

    def next(self) -> BatchStamp:
        """Return the stamp of the next batch."""
        return BatchStamp(self._owner, self._highest + 1)

    def wants_marker(self, *, beside: bool) -> bool:
        """Return whether the next batch has to hold the marker; `beside`: it writes another checkpoint anyway."""
        return not (self._marked and beside)

    def marker(self, now: int) -> bytes:
        """Return the payload of the marker for the next batch; `now` in us since 1970 UTC."""
        self._marked = True
        stamp = self.next()
        last = {**self._last, stamp.owner: stamp.number}
        owners = sorted(last.items(), key=lambda one: one[1], reverse=True)[:OWNERS]
        named = BatchStamp(stamp.owner, stamp.number, tuple(owners), self.shard, self.tree)
        return encode_head(CheckpointHead(SHARD, 0, 0, b"", {}, None, now, named))

    def take(self) -> int:
        """Return the number of the next batch, which is taken for committed from now on."""
        self._highest += 1
        self._last[self._owner] = self._highest
        return self._highest
