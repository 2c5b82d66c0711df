"""The marker of a shard, read without the rest: whose the checkpoints are, before a worker joins its group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.capture.stored_chats import stored_shard
from bridge.errors import VerificationFailed
from bridge.records.checkpoint_keys import MARKER_KEY
from bridge.records.writer_schemas import is_schema_key

if TYPE_CHECKING:
    from bridge.capture.ports import ShardLogs
    from bridge.records.shard_facts import ShardFacts
    from bridge.records.writer_schemas import WriterSchemas


async def stored_marker(logs: ShardLogs, writers: WriterSchemas) -> ShardFacts | None:
    """Return what the marker of a shard says; None when there is none, or when it is damaged, which the shard tells.

    Reads the partition as opening the shard does. Raises KafkaUnavailable, SchemaUnknown.
    """
    found: dict[str, bytes] = {}
    there = (await logs.look()).get("checkpoints")
    if there is None:
        return None
    async for records in logs.read("checkpoints", there.start, there.end):
        for record in records:
            key = (record.key or b"").decode("utf-8", "replace")
            if record.value is not None and (key == MARKER_KEY or is_schema_key(key)):
                found[key] = record.value
    try:
        marker = stored_shard(found.items(), writers).marker
    except VerificationFailed:
        return None
    return None if marker is None else marker.shard
