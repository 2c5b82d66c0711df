"""The marker of a shard, read without the rest: whose the checkpoints are, before a worker joins its group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from bridge.capture.partition_numbers import PARTITIONS_POSITION, decoded_numbers, may_be_raised
from bridge.capture.stored_chats import stored_shard
from bridge.errors import VerificationFailed
from bridge.records.checkpoint_keys import MARKER_KEY, position_key
from bridge.records.writer_schemas import is_schema_key

if TYPE_CHECKING:
    from bridge.capture.ports import ShardLogs
    from bridge.records.shard_facts import ShardFacts
    from bridge.records.writer_schemas import WriterSchemas

_WANTED: Final = frozenset({MARKER_KEY, position_key(PARTITIONS_POSITION)})


class StoredMarker(NamedTuple):
    """What the marker says, and the numbers of partitions by which the shard goes: that of the marker at least.

    `grows`: its owner would go by a higher number, too.
    """

    facts: ShardFacts
    numbers: tuple[int, ...]
    grows: bool = False


async def stored_marker(logs: ShardLogs, writers: WriterSchemas) -> StoredMarker | None:
    """Return the marker of a shard; None when there is none, or when it is damaged, which the shard tells.

    Reads the partition as opening the shard does. Raises KafkaUnavailable, SchemaUnknown.
    """
    found: dict[str, bytes] = {}
    there = (await logs.look()).get("checkpoints")
    if there is None:
        return None
    async for records in logs.read("checkpoints", there.start, there.end):
        for record in records:
            key = (record.key or b"").decode("utf-8", "replace")
            if record.value is not None and (key in _WANTED or is_schema_key(key)):
                found[key] = record.value
    try:
        stored = stored_shard(found.items(), writers)
    except VerificationFailed:
        return None
    if stored.marker is None or (facts := stored.marker.shard) is None:
        return None
    position = stored.positions.get(PARTITIONS_POSITION)
    return StoredMarker(facts, decoded_numbers(position) or (facts.partitions,), grows=may_be_raised(position))
