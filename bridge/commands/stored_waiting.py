"""Waits until the shards have committed the stored transcripts that were sent to them.

A shard writes, in the transaction that has what a stored transcript gave, how far it has read its partition of their
topic: a record of the checkpoints topic. So the checkpoints topic is followed from its end as it was before anything
was sent. It holds session passwords: only what these records say is looked at.
"""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from bridge import factories
from bridge.adapters.kafka.topic_reader import reader
from bridge.commands.progress import Progress
from bridge.commands.stored_values import StoredValues
from bridge.errors import KafkaUnavailable
from bridge.records.avro import SESSION_CHECKPOINT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from aiokafka.structs import ConsumerRecord

    from bridge.config import Config

_KEY: Final = b"/position/stored"
_PATIENCE_SECONDS: Final = 120.0


class PublishedWait:
    """`expect` each text that was sent, then `all_published`. Made by `of`."""

    def __init__(self, positions: AsyncIterator[Sequence[ConsumerRecord]] | None, values: StoredValues | None) -> None:
        """None: nothing is waited for."""
        self._records = positions
        self._values = values
        self._expected: dict[int, int] = {}
        self._reached: dict[int, int] = {}

    @staticmethod
    @asynccontextmanager
    async def of(config: Config, partitions: int, *, wanted: bool) -> AsyncIterator[PublishedWait]:
        """Begin to follow the checkpoints, if that is wanted. Raises KafkaUnavailable."""
        if not wanted:
            yield PublishedWait(None, None)
            return
        topic = factories.names_of(config).checkpoints
        async with StoredValues(config.schema_registry) as values, reader(factories.client_of(config)) as topics:
            records = topics.follow(topic, range(partitions), from_beginning=False)
            waiting = PublishedWait(records, values)
            await waiting.take(await anext(records))  # only now is it known where the end is
            yield waiting

    def expect(self, partition: int, offset: int) -> None:
        """Note that the record at this offset of the topic of stored transcripts is to be waited for."""
        self._expected[partition] = max(offset, self._expected.get(partition, -1))

    async def all_published(self) -> bool:
        """Wait until all of it is committed; False: nobody waits. Raises KafkaUnavailable when nothing moves."""
        if self._records is None:
            return False
        progress = Progress("waiting for shards", len(self._expected))
        since = time.monotonic()
        while behind := self.behind:
            progress.reached(0, len(self._expected) - len(behind))
            if await self.take(await anext(self._records)):
                since = time.monotonic()
            elif time.monotonic() - since > _PATIENCE_SECONDS:
                raise KafkaUnavailable(
                    f"the shards of partitions {', '.join(map(str, behind))} have not taken what was sent, "
                    f"and did nothing for {_PATIENCE_SECONDS:g} s",
                    next_step="see that workers of this version run: `chatbridge doctor`, /readyz; what was sent stays",
                )
        progress.end()
        return True

    @property
    def behind(self) -> list[int]:
        """The partitions whose shards have not committed all that is expected."""
        return sorted(one for one, offset in self._expected.items() if self._reached.get(one, 0) <= offset)

    async def take(self, records: Sequence[ConsumerRecord]) -> bool:
        """Look at the next records of the checkpoints topic; return whether a shard has gone on."""
        went_on = False
        for record in records:
            if record.key != _KEY or not record.value or self._values is None:
                continue
            head = (await self._values.decode(SESSION_CHECKPOINT, record.value))["head"] or {}
            position = (head.get("extra") or {}).get("position")
            if position:
                self._reached[record.partition] = int(bytes(position).partition(b"@")[0])
                went_on = True
        return went_on
