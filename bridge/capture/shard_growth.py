"""By which numbers of partitions one shard goes, from what it was, what is set, and what Kafka shows. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.capture.partition_numbers import (
    PARTITIONS_POSITION,
    changed_number,
    decoded_numbers,
    encoded_numbers,
    numbers_to_go_by,
)
from bridge.errors import PartitionsRaised

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.capture.shard_positions import ShardPositions
    from bridge.records.shard_facts import Logs, ShardFacts


class ShardGrowth:
    """`opened` with each look when the shard is opened, `check` with the others; `goes_by` is the last number."""

    def __init__(self, partitions: int, former: Sequence[int], raised: Callable[[int], None]) -> None:
        """`partitions` is their number as it was at the start, `former` are those that they may be raised from.

        `raised` is told the number that the shard goes by, where there are former ones.
        """
        self.goes_by = partitions
        self._own = partitions
        self._former = former
        self._raised = raised

    @property
    def may_grow(self) -> bool:
        """Whether a higher number is to be gone by."""
        return self.goes_by in self._former

    def check(self, now: Logs) -> None:
        """Raise PartitionsRaised when all topics have more partitions than the shard goes by."""
        if self.may_grow and (there := self._together(now)) > self.goes_by:
            raise PartitionsRaised(f"the topics have {there} partitions now, and had {self.goes_by}")

    def opened(self, positions: ShardPositions, before: ShardFacts | None, now: Logs) -> int:
        """Find out by which numbers to go, and have the next transaction remember them; return the marker's.

        Only at an opening: a writer that has just been opened knows all partitions. `before` is what the marker says.
        Raises CheckpointsOfOthers.
        """
        marked = () if before is None else (before.partitions,)
        known = decoded_numbers(positions.get(PARTITIONS_POSITION)) or marked
        self.goes_by = known[-1] if known else self._own
        # Without former numbers a running worker goes on by its own, and says what is wrong with the topics.
        numbers = numbers_to_go_by(known, self._former, self._together(now) if self._former else self.goes_by)
        if not numbers:
            if self._own != self.goes_by:
                raise changed_number(self.goes_by, self._own)
            if PARTITIONS_POSITION in positions:  # nothing was raised, and the settings name no number any more
                positions.set(PARTITIONS_POSITION, None)
            return self._own
        positions.set(PARTITIONS_POSITION, encoded_numbers(numbers, self._former))
        self.goes_by = numbers[-1]
        self._raised(self.goes_by)
        return numbers[0]

    def _together(self, logs: Logs) -> int:
        """Return the number of partitions that all topics have; that which the shard goes by as long as they differ."""
        counts = {mark.partitions for mark in logs.values() if mark.partitions}
        return counts.pop() if len(counts) == 1 else self.goes_by
