"""The default partitioner of the Java client: murmur2 of the key."""

from __future__ import annotations

from aiokafka.partitioner import murmur2


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition (from 0) that the Java client's default partitioner gives a key."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions
