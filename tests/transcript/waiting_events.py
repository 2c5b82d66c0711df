"""Events of a long message that wait, in parts that a test chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.transcript.events import ChatEvent

PART_BYTES = 1_000


class InParts:
    """A WaitingEvents; each part counts as `part_bytes`."""

    def __init__(self, parts: list[list[ChatEvent]], part_bytes: int = PART_BYTES) -> None:
        self._parts = parts
        self._part_bytes = part_bytes

    @property
    def count(self) -> int:
        return sum(map(len, self._parts))

    @property
    def size(self) -> int:
        return self._part_bytes * len(self._parts)

    def each(self) -> Iterator[ChatEvent]:
        return (event for part in self._parts for event in part)

    def next(self) -> tuple[list[ChatEvent], int]:
        return (self._parts.pop(0), self._part_bytes) if self._parts else ([], 0)
