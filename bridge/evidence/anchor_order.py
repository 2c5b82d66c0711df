"""Checks that anchors are whole: after each signed head comes its statement, with all of its parts, and once. Pure.

A shard writes both in one transaction, so a head without its statement was left of an anchor from which something was
taken. An anchor that was taken away with all its records leaves no trace: nothing names the one before it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.evidence.anchors import Statement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.evidence.anchors import TreeHead


@dataclass(slots=True)
class AnchorOrder:
    """The heads and statements of one tree, by the offset at which each lies; fed in any order."""

    _notes: list[tuple[int, TreeHead | Statement]] = field(default_factory=list)

    def feed(self, offset: int, note: TreeHead | Statement) -> None:
        """Take a head, or a part of a statement, that a known key has signed."""
        self._notes.append((offset, note))

    def problems(self, *, whole: bool) -> Iterator[str]:
        """Yield what is wrong; statements before the first head are none, unless nothing was deleted (`whole`)."""
        head: TreeHead | None = None
        at, told = 0, list[Statement]()
        seen = set[tuple[int, int]]()
        for offset, note in sorted(self._notes, key=lambda one: one[0]):
            if not isinstance(note, Statement):
                yield from _incomplete(head, at, told)
                head, at, told = note, offset, []
            elif head is not None or whole:
                if note.head != head or note.part != len(told) + 1 or note.parts != (told or [note])[0].parts:
                    yield f"anchor at offset {offset}: this part of a statement does not belong there"
                elif (note.at, note.part) in seen:
                    yield f"anchor at offset {offset}: this statement was there before"
                seen.add((note.at, note.part))
                if head is not None:
                    told.append(note)
        yield from _incomplete(head, at, told)


def _incomplete(head: TreeHead | None, at: int, told: list[Statement]) -> Iterator[str]:
    if head is not None and len(told) < (told[0].parts if told else 1):
        yield f"anchor at offset {at}: of the statement that belongs to this head a part is missing"
