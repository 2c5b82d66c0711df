"""Reads the claims of shards with requests of its own: it asks for the end of each partition, and fetches up to it.

A consumer connects anew, and has the next fetch under way when the end is reached.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiokafka import TopicPartition
from aiokafka.errors import NoError, OffsetOutOfRangeError, for_code
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.memory_records import MemoryRecords

from bridge.adapters.kafka.calls import call, kafka_errors, time_limit, unavailable
from bridge.adapters.kafka.log_ends import high_watermark, leader_of, log_start
from bridge.errors import AccessDenied, KafkaUnavailable
from bridge.records.checkpoint_keys import is_claim_key

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import TypeVar

    from aiokafka.client import AIOKafkaClient

    from bridge.capture.worker_ports import ClaimRecord

    _Result = TypeVar("_Result")

_SECONDS: Final = 5.0
"""Between two fetches of a partition: one that does not answer for so long is left out."""
_AGAIN_SECONDS: Final = 0.1
_WAIT_MS: Final = 100
_FETCH_BYTES: Final = 4 * 1024 * 1024
_UNCOMMITTED: Final = 0
_failed: Final = unavailable("cannot read claims")


async def read_claims(
    client: AIOKafkaClient, topic: str, since: Mapping[int, int]
) -> dict[int, tuple[list[ClaimRecord], int]]:
    """Read partitions from these offsets to their high watermarks, so also beyond transactions that are open.

    `client` is started. Returns what `ClaimTopic.read` does. Raises AccessDenied.
    """
    async with time_limit(_SECONDS, "Kafka did not answer who leads the partitions"):
        await call(client.add_topic(topic), _failed)
        # The client may know leaders from seconds ago: a deposed one that does not know it yet would tell an old end.
        await call(client.force_metadata_update(), _failed)
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
        end = await _answered(client, lambda: high_watermark(client, at))
        while position < end:
            content, start = await _answered(client, lambda: _fetched(client, at, position))  # noqa: B023 - awaited
            records, reached = _claims(content, max(position, start))
            found += records
            if reached > position:
                position = reached
                limit.reschedule(asyncio.get_running_loop().time() + _SECONDS)
    return found, position


async def _answered(client: AIOKafkaClient, ask: Callable[[], Awaitable[_Result]]) -> _Result:
    """Ask until there is an answer; the leader may be another one by now. Raises AccessDenied."""
    while True:
        try:
            return await call(ask(), _failed)
        except AccessDenied:
            raise
        except KafkaUnavailable:
            await call(client.force_metadata_update(), _failed)
            await asyncio.sleep(_AGAIN_SECONDS)


async def _fetched(client: AIOKafkaClient, at: TopicPartition, position: int) -> tuple[bytes, int]:
    """Fetch once; return what came, and from which offset on at least. Raises KafkaError."""
    places = [(at.topic, [(at.partition, position, _FETCH_BYTES)])]
    response = await client.send(leader_of(client, at), FetchRequest(_WAIT_MS, 1, _FETCH_BYTES, _UNCOMMITTED, places))
    [(_, [(_, code, *_, content)])] = response.topics
    error = for_code(code)
    if error is OffsetOutOfRangeError and (start := await log_start(client, at)) > position:
        return b"", start  # what lies before is deleted
    if error is not NoError:
        raise error(at)
    return content or b"", position


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
