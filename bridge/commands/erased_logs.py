"""What the compacted topics still hold of chats: their checkpoints, and whether Kafka has removed what was deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge import factories
from bridge.adapters.kafka.partitioner import partitions_of
from bridge.adapters.kafka.topic_reader import reader
from bridge.capture.chat import OPEN
from bridge.errors import VerificationFailed
from bridge.records.avro import SESSION_CHECKPOINT
from bridge.records.checkpoint_keys import parsed_key

if TYPE_CHECKING:
    from collections.abc import Collection

    from bridge.commands.stored_values import StoredValues
    from bridge.config import Config


def _chat_of(key: bytes | None) -> tuple[str, bool]:
    """Return which chat a record of the checkpoints topic is of, empty for none; and whether it is the head."""
    try:
        session_id, segment = parsed_key((key or b"").decode("utf-8", "replace"))
    except VerificationFailed:
        return "", False
    return session_id, segment is None


async def remembered_chats(config: Config, values: StoredValues, session_ids: Collection[str]) -> dict[str, bool]:
    """Return which of the chats the shards remember, as committed now, and whether each is open.

    Raises KafkaUnavailable, VerificationFailed, SchemaUnknown.
    """
    topic, wanted = factories.names_of(config).checkpoints, set(session_ids)
    count = await factories.topics_of(config).partitions(topic)
    latest: dict[tuple[str, bytes, int], tuple[bool, bytes]] = {}
    places = partitions_of((one.encode() for one in wanted), factories.numbers_of(config, count))
    async with reader(factories.client_of(config)) as topics:
        async for records in topics.whole(topic, places):
            for record in records:
                session_id, head = _chat_of(record.key)
                if session_id not in wanted:
                    continue
                if record.value is None:
                    latest.pop((session_id, record.key, record.partition), None)
                else:
                    latest[session_id, record.key, record.partition] = head, record.value
    found = dict.fromkeys((session_id for session_id, *_ in latest), False)
    for (session_id, *_), (head, value) in latest.items():
        if head:
            told = (await values.decode(SESSION_CHECKPOINT, value))["head"]
            found[session_id] = told["state"] in OPEN or bool((told["extra"] or {}).get("stored"))
    return found


async def not_gone(config: Config, session_ids: Collection[str]) -> set[str]:
    """Return the chats of which a log still holds a checkpoint or a data key, deleted, aborted or not.

    The logs are read from their beginnings, as they are on the broker's disk. That of the keys is read if it exists,
    whatever these settings say of a master key: a worker may have one. Raises KafkaUnavailable.
    """
    names, wanted, found = factories.names_of(config), set(session_ids), set[str]()
    keys, manager = {one.encode(): one for one in wanted}, factories.topics_of(config)
    counts = {names.checkpoints: await manager.partitions(names.checkpoints)}
    if (of_keys := await manager.known_partitions(names.keys)) is not None:
        counts[names.keys] = of_keys
    async with reader(factories.client_of(config), uncommitted=True) as topics:
        for topic, count in counts.items():
            async for records in topics.whole(topic, partitions_of(keys, factories.numbers_of(config, count))):
                for record in records:
                    if record.value is None:
                        continue
                    one = _chat_of(record.key)[0] if topic == names.checkpoints else keys.get(record.key, "")
                    if one in wanted:
                        found.add(one)
    return found
