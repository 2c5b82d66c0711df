"""Reads the events and sessions topics into a spool."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from bridge import factories
from bridge.adapters.kafka.partitioner import partitions_of
from bridge.adapters.kafka.topic_reader import reader
from bridge.commands.formatting import warn
from bridge.commands.progress import Progress
from bridge.commands.stored_values import StoredValues
from bridge.commands.topic_keys import TopicKeys
from bridge.errors import SchemaUnknown, VerificationFailed
from bridge.records.avro import SESSION_RECORD, TRANSCRIPT_EVENT

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from bridge.adapters.kafka.topic_reader import TopicReader
    from bridge.commands.captured_spool import CapturedSpool
    from bridge.config import Config

    Take = Callable[[Iterable[dict[str, Any]]], None]


async def read_captured(config: Config, spool: CapturedSpool, chats: Collection[str] = ()) -> int:
    """Take all that is committed now, or that of some chats; return how many records could not be read.

    Raises KafkaUnavailable.
    """
    names = factories.names_of(config)
    count = await factories.topics_of(config).partitions(names.events)
    numbers = factories.numbers_of(config, count)
    partitions = partitions_of((one.encode() for one in chats), numbers) if chats else list(range(count))
    unread = 0
    async with StoredValues(config.schema_registry) as values, reader(factories.client_of(config)) as topics:
        keys = await TopicKeys.read(config, topics, partitions) if config.sealing.has_master_key else None
        one_topic = _Topic(topics, values, partitions, {one.encode() for one in chats}, keys)
        unread += await one_topic.read(names.sessions, SESSION_RECORD, spool.take_sessions)
        unread += await one_topic.read(names.events, TRANSCRIPT_EVENT, spool.take_events)
    return unread


class _Topic:
    def __init__(
        self,
        topics: TopicReader,
        values: StoredValues,
        partitions: list[int],
        chats: Collection[bytes],
        keys: TopicKeys | None,
    ) -> None:
        self._topics = topics
        self._values = values
        self._partitions = partitions
        self._chats = chats
        self._keys = keys

    async def read(self, topic: str, name: str, take: Take) -> int:
        """Take the values of a topic, of type `name`; return how many could not be read."""
        begins = await self._topics.beginnings(topic, self._partitions)
        ends = await self._topics.ends(topic, self._partitions)
        progress = Progress(f"reading {topic}", sum(ends[each] - begins[each] for each in self._partitions))
        unread = 0
        async for records in self._topics.whole(topic, self._partitions):
            found: list[dict[str, Any]] = []
            for record in records:
                if self._chats and record.key not in self._chats:
                    continue
                try:
                    value = await self._values.decode(name, record.value or b"")
                    found.append(await self._in_clear(value) if name == TRANSCRIPT_EVENT else value)
                except (VerificationFailed, SchemaUnknown) as error:
                    unread += 1
                    warn(f"{topic}-{record.partition}@{record.offset}: {error}")
            take(found)
            last = records[-1]
            progress.reached(last.partition, last.offset + 1 - begins[last.partition])
        progress.end()
        return unread

    async def _in_clear(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return an event in clear; one that cannot be opened is compared as far as it can be."""
        if self._keys is None:
            return event
        with contextlib.suppress(VerificationFailed):
            return await self._keys.opened(event)
        return event
