"""Reads topics from a beginning to an end, or on and on: committed records only, without a consumer group."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from bridge.errors import KafkaUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

    from aiokafka.structs import ConsumerRecord

_WAIT_MS: Final = 500


@contextlib.asynccontextmanager
async def reader(client: Mapping[str, Any]) -> AsyncIterator[TopicReader]:
    """Give a reader for the block. Raises KafkaUnavailable, from the block too."""
    consumer = AIOKafkaConsumer(
        **{
            **client,
            "group_id": None,
            "enable_auto_commit": False,
            "isolation_level": "read_committed",
            "auto_offset_reset": "earliest",
            "max_partition_fetch_bytes": 4 << 20,
        }
    )
    try:
        await consumer.start()
        yield TopicReader(consumer)
    except KafkaError as error:
        raise KafkaUnavailable(
            f"Kafka at {client['bootstrap_servers']} does not answer: {type(error).__name__}",
            next_step="check kafka.bootstrap_servers and kafka.client",
        ) from error
    finally:
        await consumer.stop()


class TopicReader:
    """What `reader` gives."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        """Take a started consumer."""
        self._consumer = consumer

    async def follow(
        self, topic: str, partitions: Iterable[int], *, from_beginning: bool
    ) -> AsyncIterator[Sequence[ConsumerRecord]]:
        """Yield what is committed, for ever; each partition in its order. An empty yield says: nothing new now."""
        ours = [TopicPartition(topic, partition) for partition in partitions]
        self._consumer.assign(ours)
        await (self._consumer.seek_to_beginning(*ours) if from_beginning else self._consumer.seek_to_end(*ours))
        while True:
            found = await self._consumer.getmany(timeout_ms=_WAIT_MS)
            yield [record for records in found.values() for record in records]

    async def whole(self, topic: str, partitions: Iterable[int]) -> AsyncIterator[Sequence[ConsumerRecord]]:
        """Yield what is committed by now, from the beginning to the end; each partition in its order."""
        ours = [TopicPartition(topic, partition) for partition in partitions]
        self._consumer.assign(ours)
        await self._consumer.seek_to_beginning(*ours)
        ends = await self._consumer.end_offsets(ours)
        while unread := [each for each in ours if await self._consumer.position(each) < ends[each]]:
            for records in (await self._consumer.getmany(*unread, timeout_ms=_WAIT_MS)).values():
                yield records
