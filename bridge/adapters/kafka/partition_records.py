"""What a fetch brought of a partition, as records: aiokafka's way of reading it, on a log that was compacted, too.

Kafka's cleaner keeps the last batch of a producer that it still knows, without its records. If that is the marker of a
transaction of which nothing else is left, aiokafka 0.14 raises KafkaError, each time, and the partition cannot be read
any more; Kafka's own consumer passes over it. The cleaner empties a marker only when all records of its transaction are
gone: it aborts nothing any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.record.control_record import ABORT_MARKER, ControlRecord

if TYPE_CHECKING:
    from typing import Any


class CompactedRecords(PartitionRecords):  # type: ignore[misc] # aiokafka has no types
    """The records of a fetch; made, and iterated over, as aiokafka's PartitionRecords."""

    def _contains_abort_marker(self, next_batch: Any) -> bool:
        """Overrides what aiokafka asks of each control batch; one without records aborts nothing."""
        first = next(next_batch, None)
        return first is not None and bool(ControlRecord.parse(first.key) == ABORT_MARKER)


def read_compacted_logs() -> None:
    """Make all consumers of this process read so, from now on: aiokafka has no other place for that than its module."""
    fetcher.PartitionRecords = CompactedRecords
