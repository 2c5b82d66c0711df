"""The topic of stored transcripts as the ports of the engine see it, scripted."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from bridge.capture.stored_texts import records_of
from bridge.records.shard_facts import LogMark

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from bridge.capture.consumer_ports import StoredReading
    from bridge.capture.stored_texts import StoredText


class NoReading:
    """Reads nothing."""

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass

    def end(self) -> None:
        pass


class NoStoredTopic:
    """Nothing lies there."""

    def begin(self, *_: object, **__: object) -> StoredReading:
        return NoReading()


class TopicRecord(NamedTuple):
    """A record of the topic."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


@dataclass
class ScriptedStoredTopic:
    """What lies on the topic. `first` are the offsets of the first records; `error` is raised by each call."""

    topic_id: bytes = b"\1" * 16
    records: dict[int, list[TopicRecord]] = field(default_factory=dict)
    first: dict[int, int] = field(default_factory=dict)
    error: Exception | None = None
    made: list[ScriptedLog] = field(default_factory=list)

    def write(self, partition: int, text: StoredText, room: int = 1_000) -> None:
        for headers, value in records_of(text, room):
            self.put(partition, text.session_id.encode(), value, headers)

    def put(
        self, partition: int, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        there = self.records.setdefault(partition, [])
        there.append(TopicRecord(partition, self.first.get(partition, 0) + len(there), key, value, headers))

    def log(self) -> ScriptedLog:
        self.made.append(ScriptedLog(self))
        return self.made[-1]


class ScriptedLog:
    """The `StoredLog` of it. `wanted` is what was asked for last."""

    def __init__(self, topic: ScriptedStoredTopic) -> None:
        self.closed = False
        self.wanted: Mapping[int, int] = {}
        self.fetches = 0
        self._topic = topic

    async def open(self) -> None:
        await self._call()

    async def look(self, partitions: Collection[int]) -> Mapping[int, LogMark]:
        await self._call()
        topic = self._topic
        return {
            one: LogMark(topic.topic_id, first := topic.first.get(one, 0), first + len(topic.records[one]), 2)
            for one in partitions
            if one in topic.records
        }

    async def fetch(self, offsets: Mapping[int, int], full: Collection[int]) -> Sequence[TopicRecord]:
        await self._call()
        self.wanted = {one: offset for one, offset in offsets.items() if one not in full}
        self.fetches += 1
        return [
            record
            for partition, offset in self.wanted.items()
            for record in self._topic.records[partition]
            if record.offset >= offset
        ][:3]

    async def close(self) -> None:
        self.closed = True

    async def _call(self) -> None:
        await asyncio.sleep(0.01)
        if self._topic.error is not None:
            raise self._topic.error
