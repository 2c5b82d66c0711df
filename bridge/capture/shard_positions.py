"""The positions in the checkpoints of a shard: up to where something else is read, in its reader's own form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from bridge.records.checkpoint import encode_position
from bridge.records.checkpoint_keys import position_key

if TYPE_CHECKING:
    from bridge.capture.batch_builder import BatchBuilder
    from bridge.records.checkpoint import BatchStamp


class ShardPositions(Mapping[str, bytes]):
    """Name -> position. What was changed is written with the next checkpoints; like these, it is taken for committed.

    A position that Kafka has forgotten is not there: its reader begins again, and what it reads twice is recognised.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._values: dict[str, bytes] = {}
        self._changed: set[str] = set()

    def __getitem__(self, name: str) -> bytes:
        """Return a position. Raises KeyError."""
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        return iter(self._values)

    def __len__(self) -> int:
        """Count them."""
        return len(self._values)

    def restore(self, positions: Mapping[str, bytes]) -> None:
        """Take over what the checkpoints hold."""
        self._values = dict(positions)

    def set(self, name: str, position: bytes | None) -> None:
        """Replace a position; None deletes it."""
        if self._values.get(name) == position:
            return
        self._changed.add(name)
        if position is None:
            del self._values[name]
        else:
            self._values[name] = position

    def write(self, builder: BatchBuilder, now: int, stamp: BatchStamp, *, again: bool) -> None:
        """Add what changed to a transaction, or all `again`; `now` in us since 1970 UTC."""
        for name in sorted(self._changed | (self._values.keys() if again else set())):
            position = self._values.get(name)
            builder.checkpoint(position_key(name), None if position is None else encode_position(position, now, stamp))
        self._changed = set()
