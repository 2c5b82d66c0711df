"""Reads committed records of topics without a consumer group: up to the current end, or continuously."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, Final

from aiokafka import TopicPartition

from bridge.adapters.kafka.aiokafka_internals import (
    consumer_client,
    last_answer,
    pause_between_updates,
    unauthorized_topics,
)
from bridge.adapters.kafka.broker_silence import SILENCE_SECONDS, BrokerSilence
from bridge.adapters.kafka.calls import call, kafka_errors, unavailable
from bridge.adapters.kafka.partition_records import read_compacted_logs
from bridge.adapters.kafka.rights import Right, denied, principal_of
from bridge.adapters.kafka.stopping import stop_consumer
from bridge.errors import KafkaUnavailable
from bridge.kafka_clients import AIOKafkaConsumer
from bridge.waiting import all_ended

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping, Sequence
    from typing import TypeVar

    from aiokafka.structs import ConsumerRecord

    from bridge.adapters.kafka.calls import Translate

    _Result = TypeVar("_Result")

_WAIT_MS: Final = 500
_FETCH_WAIT_MS: Final = 100
"""How long a broker may hold a fetch that finds nothing. Whoever goes on to other partitions waits for its answer, and
so does `whole` at an end that is a marker of a transaction."""
_ANSWER_SECONDS: Final = 10.0
"""For how long Kafka may answer, and not what was asked; the time in which it is silent is none of it."""
_LOOK_SECONDS: Final = 1.0


@contextlib.asynccontextmanager
async def reader(client: Mapping[str, Any], *, uncommitted: bool = False) -> AsyncIterator[TopicReader]:
    """Provide a started reader for the block. Entering it, and every method of the reader, raises KafkaUnavailable.

    `client` holds aiokafka's arguments: `bootstrap_servers`, SASL, TLS. `uncommitted`: it reads all that is in the log,
    also what transactions wrote that were aborted.
    """
    read_compacted_logs()
    consumer = AIOKafkaConsumer(
        **{
            **client,
            "group_id": None,
            "enable_auto_commit": False,
            "isolation_level": "read_uncommitted" if uncommitted else "read_committed",
            "auto_offset_reset": "earliest",
            "max_partition_fetch_bytes": 4 << 20,
            "fetch_max_wait_ms": _FETCH_WAIT_MS,
        }
    )
    pause_between_updates(consumer)
    failed = unavailable(
        f"Kafka at {client['bootstrap_servers']} does not answer",
        next_step="check kafka.bootstrap_servers and kafka.client",
    )
    try:
        await call(consumer.start(), failed)
        yield TopicReader(consumer, failed, principal_of(client))
    finally:
        await stop_consumer(consumer)


class TopicReader:
    """Reads committed records; made by `reader`."""

    def __init__(self, consumer: AIOKafkaConsumer, failed: Translate, principal: str) -> None:
        """`consumer` is started; `failed` translates its errors; `principal` is whom Kafka takes it for."""
        self._consumer = consumer
        self._principal = principal
        self._failed = failed
        self._silence = BrokerSilence()

    async def follow(
        self, topic: str, partitions: Iterable[int], *, from_beginning: bool
    ) -> AsyncIterator[Sequence[ConsumerRecord]]:
        """Yield committed records endlessly, in order within a partition; an empty list when there is nothing new."""
        assigned = [TopicPartition(topic, partition) for partition in partitions]
        with kafka_errors(self._failed):
            self._consumer.assign(assigned)
        seek = self._consumer.seek_to_beginning if from_beginning else self._consumer.seek_to_end
        await self._answered(seek(*assigned))
        while True:
            fetched = await call(self._consumer.getmany(timeout_ms=_WAIT_MS), self._failed)
            self._check_silence()
            self._check_access(topic)
            yield [record for records in fetched.values() for record in records]

    async def whole(self, topic: str, partitions: Iterable[int]) -> AsyncIterator[Sequence[ConsumerRecord]]:
        """Yield the records committed by now, from the beginning, in order within a partition."""
        assigned = [TopicPartition(topic, partition) for partition in partitions]
        if not assigned:
            return  # aiokafka takes none for all that are assigned
        with kafka_errors(self._failed):
            self._consumer.assign(assigned)
        await self._answered(self._consumer.seek_to_beginning(*assigned))
        ends = await self._answered(self._consumer.end_offsets(assigned))
        while unread := [each for each in assigned if await self._position(each) < ends[each]]:
            fetched = await call(self._consumer.getmany(*unread, timeout_ms=_FETCH_WAIT_MS), self._failed)
            self._check_silence()
            self._check_access(topic)
            for records in fetched.values():
                yield records

    async def beginnings(self, topic: str, partitions: Iterable[int]) -> dict[int, int]:
        """Return the offset of the first record that is left, of each partition."""
        asked = [TopicPartition(topic, partition) for partition in partitions]
        found = await self._answered(self._consumer.beginning_offsets(asked))
        return {each.partition: offset for each, offset in found.items()}

    async def ends(self, topic: str, partitions: Iterable[int]) -> dict[int, int]:
        """Return the offset after the last record that is committed, of each partition."""
        asked = [TopicPartition(topic, partition) for partition in partitions]
        found = await self._answered(self._consumer.end_offsets(asked))
        return {each.partition: offset for each, offset in found.items()}

    def _check_silence(self) -> None:
        """Raise KafkaUnavailable when no broker has answered for long: `getmany` then returns nothing, for ever."""
        self._silence.note(last_answer(consumer_client(self._consumer)), time.monotonic())
        if self._silence.seconds > SILENCE_SECONDS:
            raise KafkaUnavailable(
                f"Kafka does not answer: nothing for {self._silence.seconds:.0f} s",
                next_step="check that its brokers run and are at the addresses that they advertise",
            )

    async def _position(self, partition: TopicPartition) -> int:
        position: int = await self._answered(self._consumer.position(partition))
        return position

    async def _answered(self, awaitable: Awaitable[_Result]) -> _Result:
        """Await a call that aiokafka repeats without end while it is denied, or while a partition has no leader.

        It ends when Kafka has answered for so long, and not what was asked; a late answer is waited for.
        """
        asked, client = asyncio.ensure_future(call(awaitable, self._failed)), consumer_client(self._consumer)
        in_vain, looked = 0.0, time.monotonic()
        try:
            while not (await asyncio.wait([asked], timeout=_LOOK_SECONDS))[0]:
                self._check_silence()
                now = time.monotonic()
                if last_answer(client) > looked:
                    in_vain += min(now - looked, 2 * _LOOK_SECONDS)
                looked = now
                if in_vain >= _ANSWER_SECONDS:
                    raise KafkaUnavailable(f"Kafka has not told where a topic ends for {in_vain:.0f} s")
            return asked.result()
        finally:
            asked.cancel()
            await all_ended([asked])

    def _check_access(self, topic: str) -> None:
        """Raise AccessDenied when the topic may not be described any more: aiokafka waits then, for ever."""
        if topic in unauthorized_topics(consumer_client(self._consumer)):
            raise denied([Right("topic", topic, "Read")], self._principal)
