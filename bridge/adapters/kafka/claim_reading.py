"""Reads the claims of shards with requests of its own: it asks for the end of each partition, and fetches up to it.

A consumer connects anew, and has the next fetch under way when the end is reached.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiokafka import TopicPartition
from aiokafka.record.memory_records import MemoryRecords

from bridge.adapters.kafka.aiokafka_internals import ask_for_topics
from bridge.adapters.kafka.calls import call, kafka_errors, time_limit, unavailable
from bridge.adapters.kafka.log_ends import UNCOMMITTED, answered, high_watermark
from bridge.adapters.kafka.partition_reading import fetched
from bridge.errors import AccessDenied, KafkaUnavailable
from bridge.records.checkpoint_keys import is_claim_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiokafka.client import AIOKafkaClient

    from bridge.capture.worker_ports import ClaimRecord

_SECONDS: Final = 5.0
"""Between two fetches of a partition: one that does not answer for so long is left out."""
_failed: Final = unavailable("cannot read claims")


async def read_claims(
    client: AIOKafkaClient, topic: str, since: Mapping[int, int]
) -> dict[int, tuple[list[ClaimRecord], int]]:
    """Read partitions from these offsets to their high watermarks, so also beyond transactions that are open.

    `client` is started. Returns what `ClaimTopic.read` does. Raises AccessDenied.
    """
    async with time_limit(_SECONDS, "Kafka did not answer who leads the partitions"):
        await call(ask_for_topics(client, [topic]), _failed)
    reads = [_read(client, TopicPartition(topic, partition), offset) for partition, offset in since.items()]
    found = dict(zip(since, await asyncio.gather(*reads, return_exceptions=True), strict=True))
    for one in found.values():
        if isinstance(one, BaseException) and (isinstance(one, AccessDenied) or not isinstance(one, KafkaUnavailable)):
            raise one
    return {partition: one for partition, one in found.items() if not isinstance(one, BaseException)}


async def _read(client: AIOKafkaClient, at: TopicPartition, position: int) -> tuple[list[ClaimRecord], int]:
    """Raises KafkaUnavailable when there is no answer for seconds."""
    found: list[ClaimRecord] = []
    async with time_limit(_SECONDS, f"Kafka did not answer what partition {at.partition} holds") as limit:
        end = await answered(client, [at], lambda: high_watermark(client, at), _failed)
        while position < end:
            one = await answered(client, [at], lambda: fetched(client, at, position, UNCOMMITTED), _failed)  # noqa: B023 - awaited
            records, reached = _claims(one.content, one.position)
            found += records
            if reached > position:
                position = reached
                limit.reschedule(asyncio.get_running_loop().time() + _SECONDS)
    return found, position


def _claims(content: bytes, position: int) -> tuple[list[ClaimRecord], int]:
    """Return the claims in the content of a fetch from this offset on, and the offset after it.

    Raises KafkaUnavailable if it is damaged.
    """
    found: list[ClaimRecord] = []
    batches = MemoryRecords(content)
    while batches.has_next():
        with kafka_errors(_failed):
            batch = batches.next_batch()
        if not batch.validate_crc():
            raise KafkaUnavailable("cannot read claims: a record batch is damaged")
        for record in () if batch.is_control_batch else batch:
            key = (record.key or b"").decode("utf-8", "replace")
            if record.offset >= position and is_claim_key(key):
                found.append((key, None if record.value is None else record.value.decode("utf-8", "replace")))
        position = batch.next_offset
    return found, position
