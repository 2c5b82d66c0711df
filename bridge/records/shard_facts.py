"""ShardFacts in the marker of a shard: whose the checkpoints are, and where the logs of the shard stood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.records.binary import EMPTY, NULL, SOME, data, long, text


@dataclass(slots=True, frozen=True)
class LogMark:
    """Where the log of one partition stood: offsets of its first record, and after its last committed one.

    `topic_id` is Kafka's own, which a topic that is made again does not keep; empty when it is not known.
    `partitions` is the topic's number of them; 0 in a mark that was stored.
    """

    topic_id: bytes
    start: int
    end: int
    partitions: int = 0


Logs = Mapping[str, LogMark]
"""Kind of topic -> the log of the shard's partition; a topic that does not exist is not there."""


@dataclass(slots=True, frozen=True)
class ShardFacts:
    """Consumer group and number of partitions that checkpoints were written under, and the logs at that time."""

    group: str
    partitions: int
    logs: Logs = field(default_factory=dict)


def shard_block(shard: ShardFacts | None) -> bytes:
    """Encode nullable ShardFacts."""
    if shard is None:
        return NULL
    logs = b"".join(
        text(kind) + data(mark.topic_id) + long(mark.start) + long(mark.end) for kind, mark in shard.logs.items()
    )
    block = long(len(shard.logs)) + logs + EMPTY if shard.logs else EMPTY
    return SOME + text(shard.group) + long(shard.partitions) + block


def shard_facts(record: dict[str, Any] | None) -> ShardFacts | None:
    """Return what `shard_block` encoded, decoded by Avro."""
    if record is None:
        return None
    logs = {kind: LogMark(mark["topicId"], mark["start"], mark["end"]) for kind, mark in record["logs"].items()}
    return ShardFacts(record["group"], record["partitions"], logs)
