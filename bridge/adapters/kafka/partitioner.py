"""The default partitioner of the Java client: murmur2 of the key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka.partitioner import murmur2

if TYPE_CHECKING:
    from collections.abc import Iterable


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition (from 0) that the Java client's default partitioner gives a key."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions


def partitions_of(keys: Iterable[bytes], numbers: Iterable[int]) -> list[int]:
    """Return every partition that one of the keys has under one of these numbers of partitions, ascending."""
    counts = tuple(numbers)
    return sorted({partition_of(key, count) for key in keys for count in counts})
