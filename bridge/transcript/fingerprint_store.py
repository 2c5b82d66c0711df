"""What is remembered of each event of a chat, in blocks of ids, as checkpoints store it: fingerprints and outlines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.transcript.event_outlines import Outlines
from bridge.transcript.fingerprints import BLANK, PrintLayout, length_at, print_layout
from bridge.transcript.id_blocks import IdBlock, Prints, block_of, each_print, ids_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.transcript.ranges import IdRanges

MAX_BLOCKS: Final = 65_536
"""Limit for the blocks of one chat: half a million events with ids one after the other, some 25 MB of memory (35 MB at
worst). A chat with more has `outgrown` what is remembered of one."""


class Fingerprints:
    """The fingerprints of the delivered events of a chat.

    Belongs to the IdRanges of the delivered ids. Each has one, but for those whose block is not there: of them nothing
    is known but that they were delivered. Or none is kept at all. `outlines` are those of the same events: the
    caller puts in one for each event whose fingerprint was added or replaced.
    """

    __slots__ = ("_blocks", "_changed", "_ids", "_marked", "_open", "_read", "kept", "layout", "outlines")

    def __init__(
        self,
        ids: IdRanges,
        stored: Mapping[int, Prints] | None,
        layout: PrintLayout | None = None,
        outlines: Mapping[int, bytes] | None = None,
    ) -> None:
        """Start from the delivered ids and what `stored` returned; new fingerprints have the layout `layout`.

        `ids` is changed by the caller: after `add`, and after `remove`. `outlines` is what `outlines.stored` returned;
        without fingerprints none are kept.
        """
        self.layout = layout or print_layout()
        self._ids = ids
        self.kept = stored is not None
        self.outlines = Outlines(outlines if self.kept else None)
        self._blocks = {
            block: prints.in_layout(self.layout, self._count(*ids_of(block)))
            for block, prints in (stored or {}).items()
        }
        highest = ids.maximum
        self._open = -1 if highest is None else block_of(highest)  # changed in any case, until it is returned closed
        self._changed: list[int] | None = None  # others; some may stand there more than once
        self._marked: dict[int, bytes | None] | None = None  # None: nothing has changed since then
        self._read: tuple[int, dict[int, bytes]] | None = None  # the block that was read last

    def __len__(self) -> int:
        """Count the blocks."""
        return len(self._blocks)

    def get(self, event_id: int) -> bytes | None:
        """Return the fingerprint of a delivered id; None when none is kept, or none is known."""
        block = block_of(event_id)
        if block not in self._blocks:
            return None
        if self._read is None or self._read[0] != block:
            prints = self._blocks[block]
            ids = (one for low, high in self._ids.within(*ids_of(block)) for one in range(low, high + 1))
            self._read = block, dict(zip(ids, each_print(prints), strict=True))
        return self._read[1][event_id]

    def add(self, event_id: int, new: bytes) -> None:
        """Add the fingerprint of an id that is not among the ids yet."""
        if self.kept:
            block = block_of(event_id)
            prints = self._blocks.get(block)
            if prints is None:
                prints = BLANK * self._count(*ids_of(block))
            at = self._place(event_id, prints)
            self._replace(block, prints[:at] + new + prints[at:])

    def replace(self, event_id: int, new: bytes) -> None:
        """Replace the fingerprint of a delivered id."""
        if self.kept:
            block = block_of(event_id)
            prints = self._blocks[block]
            at = self._place(event_id, prints)
            self._replace(block, prints[:at] + new + prints[at + length_at(prints, at) :])

    def remove(self, event_id: int) -> None:
        """Remove the fingerprint of an id that will no longer be among the ids."""
        if self.kept:
            block = block_of(event_id)
            prints = self._blocks[block]
            at = self._place(event_id, prints)
            self._replace(block, prints[:at] + prints[at + length_at(prints, at) :])
            self.outlines.remove(event_id)

    def _count(self, low: int, high: int) -> int:
        """Count the delivered ids from `low` to `high`."""
        return sum([end - start + 1 for start, end in self._ids.within(low, high)])

    def _place(self, event_id: int, prints: bytes) -> int:
        """Return where in the block's fingerprints that of this id begins, or would begin."""
        highest = self._ids.maximum
        if highest is None or event_id > highest:
            return len(prints)
        at = 0
        for _ in range(self._count(ids_of(block_of(event_id))[0], event_id - 1)):
            at += length_at(prints, at)
        return at

    def _replace(self, block: int, prints: bytes) -> None:
        """Replace all of a block; one without fingerprints is none."""
        if self._marked is None:
            self._marked = {block: self._blocks.get(block)}
        elif block not in self._marked:
            self._marked[block] = self._blocks.get(block)
        if block != self._open:
            if not self._changed:
                self._changed = [block]
            elif self._changed[-1] != block:
                self._changed.append(block)
        self._read = None
        if prints:
            self._blocks[block] = prints
        else:
            self._blocks.pop(block, None)

    # --- all or nothing ------------------------------------------------------------------------------------------

    def mark(self) -> None:
        """Remember this moment for `undo`."""
        self._marked = self._read = None
        self.outlines.mark()

    def undo(self) -> None:
        """Go back to the last `mark`. A block that was changed since then still counts as changed."""
        for block, prints in (self._marked or {}).items():
            if prints is None:
                self._blocks.pop(block, None)
            else:
                self._blocks[block] = prints
        self._read = None
        self.outlines.undo()
        self.mark()

    # --- what is stored ------------------------------------------------------------------------------------------

    def stored(self) -> dict[int, Prints] | None:
        """Return all fingerprints, by block; None when none is kept."""
        return {block: Prints(prints, self.layout) for block, prints in self._blocks.items()} if self.kept else None

    def _block(self, number: int) -> IdBlock:
        prints = Prints(self._blocks[number], self.layout)
        return IdBlock(self._ids.within(*ids_of(number)), prints, self.outlines.packed(number))

    def take_changed(self, *, again: bool = False) -> tuple[IdBlock | None, list[IdBlock]]:
        """Return the open block, if it is there, and the others that changed since they were last returned.

        With `again` all others. Not to be called when none is kept.
        """
        highest = self._ids.maximum
        if highest is None:
            return None, []
        if again:
            self._changed = [*self._blocks]
        still_open = block_of(highest)
        closed: list[IdBlock] = []
        if self._changed is not None or self._open != still_open:
            changed = {*(self._changed or ()), self._open} - {still_open}
            closed = [self._block(one) for one in sorted(changed) if one in self._blocks]
            self._open, self._changed = still_open, None
        return self._block(still_open) if still_open in self._blocks else None, closed
