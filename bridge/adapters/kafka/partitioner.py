"""Which partition a key belongs to."""

from __future__ import annotations

from aiokafka.partitioner import murmur2


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition that every murmur2 client (the Java client's default) gives a key."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions
