"""The claims of workers in the checkpoint partitions of shards, and the fence: see `capture/worker_transactions.py`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiokafka.errors import for_code

from bridge.adapters.kafka.any_broker import answer_of_any
from bridge.adapters.kafka.calls import call, time_limit, unavailable
from bridge.adapters.kafka.claim_reading import read_claims
from bridge.adapters.kafka.group_question import described_by
from bridge.adapters.kafka.kept_client import KeptClient
from bridge.adapters.kafka.producer_ids import initialise
from bridge.adapters.kafka.stopping import stop_producer
from bridge.adapters.kafka.topic_ids import TopicIdsRequest, described_topics
from bridge.adapters.kafka.topic_lookup import missing_topics
from bridge.adapters.kafka.transaction_marks import answered_or
from bridge.closings import Closings
from bridge.errors import KafkaUnavailable, TopicMissing
from bridge.kafka_clients import AIOKafkaProducer

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from bridge.adapters.kafka.connection import KafkaConnection
    from bridge.capture.worker_ports import ClaimRecord, ProducerEpoch

_SECONDS: Final = 10.0
_IDLE_SECONDS: Final = 5.0
"""Claims are seldom written and read: the clients end when there was nothing for so long."""
_REQUEST_MS: Final = 10_000
_QUESTION_SECONDS: Final = 1.0
_write_failed: Final = unavailable("cannot write a claim")
_read_failed: Final = unavailable("cannot read claims, or fence")
_fence_failed: Final = unavailable("cannot fence a former holder")


class KafkaClaims:
    """The `ClaimTopic` of one worker. What it writes, it writes outside of transactions, at once."""

    def __init__(self, settings: KafkaConnection) -> None:
        """Nothing connects before the first call."""
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._client = KeptClient(settings, "claims", _REQUEST_MS, _read_failed, idle_seconds=_IDLE_SECONDS)
        self._starting = asyncio.Lock()
        self._writes = 0
        self._closings = Closings("release a producer of claims")

    async def write(self, partition: int, key: str, claimant: str) -> int:
        """Write a claim; it is written once, or not at all, but may be written later if this fails.

        Raises KafkaUnavailable, TopicMissing.
        """
        offset = await self._write(partition, key, claimant.encode())
        if offset < 0:  # aiokafka sent it twice, and the broker had it already
            raise KafkaUnavailable("Kafka does not tell the offset of a claim")
        return offset

    async def remove(self, partition: int, keys: Collection[str]) -> None:
        """Write a tombstone for each of the claims."""
        for key in keys:
            await self._write(partition, key, None)

    async def _write(self, partition: int, key: str, value: bytes | None) -> int:
        topic, producer = self._settings.topics.checkpoints, None
        self._writes += 1
        try:
            async with time_limit(_SECONDS, f"Kafka did not acknowledge a claim within {_SECONDS:g} s"):
                producer = await self._started()
                sending = producer.send_and_wait(topic, value, key.encode(), partition=partition)
                return int((await call(sending, _write_failed)).offset)
        except BaseException as error:
            # It would go on sending, and a failed idempotent producer has used up sequence numbers.
            self._drop(producer)
            if isinstance(error, KafkaUnavailable) and await self._is_missing(topic):
                raise TopicMissing(topic) from error
            raise
        finally:
            self._writes -= 1
            asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._drop_idle, producer)

    async def _is_missing(self, topic: str) -> bool:
        """Ask whether a topic does not exist: aiokafka says the same of one that no broker has told it of."""
        try:
            async with time_limit(_QUESTION_SECONDS, "Kafka did not tell in time"), self._client.use() as client:
                described = described_topics(await answer_of_any(client, TopicIdsRequest([topic]), _read_failed))
        except KafkaUnavailable:
            return False
        return topic in missing_topics(described)

    def _drop_idle(self, producer: AIOKafkaProducer | None) -> None:
        if not self._writes:
            self._drop(producer)

    def _drop(self, producer: AIOKafkaProducer | None) -> None:
        if producer is not None and producer is self._producer:
            self._producer = None
            self._closings.begin(stop_producer(producer))

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                settings = self._settings
                producer = AIOKafkaProducer(
                    **{
                        "bootstrap_servers": settings.bootstrap_servers,
                        "client_id": f"chatbridge-{settings.group}-claims",
                        "request_timeout_ms": _REQUEST_MS,
                        **settings.client,
                        "acks": "all",
                        "enable_idempotence": True,
                    }
                )
                settings.open_clients.add(producer.client)
                try:
                    await call(producer.start(), _write_failed)
                except BaseException:
                    await stop_producer(producer)
                    raise
                self._producer = producer
            return self._producer

    async def read(self, since: Mapping[int, int]) -> Mapping[int, tuple[Sequence[ClaimRecord], int]]:
        """Read from these offsets to the high watermarks, so also beyond transactions that are open."""
        async with self._client.use() as client:
            found = await read_claims(client, self._settings.topics.checkpoints, since)
            if len(found) < len(since):
                self._client.drop()
            return found

    async def fence(self, transactional_id: str, *, abandoned: ProducerEpoch | None) -> None:
        """Initialise this transactional id, without using it.

        No process of the bridge asks for the abort of a transaction. So Kafka aborts one only after it has raised the
        epoch of the id, as an initialisation does, and that fences, whether or not the abort is marked anywhere.
        """
        seconds = self._settings.transaction_timeout
        async with (
            time_limit(seconds, "Kafka did not fence a former holder in time"),
            self._client.use() as client,
        ):
            await answered_or(
                lambda found: found.aborted or (found.committed and found.epoch == abandoned),
                1,
                call(initialise(client, transactional_id, int(seconds * 1000)), _fence_failed),
                client,
                transactional_id,
            )

    async def members(self) -> frozenset[str]:
        """Ask the coordinator of the group; the instance ids of its members are the names of the workers."""
        limit = time_limit(_QUESTION_SECONDS, "Kafka did not tell in time who is in the group")
        async with limit, self._client.use() as client:
            found = await described_by(client, self._settings.group)
        if found.code:  # not inside, which would give up the client
            raise KafkaUnavailable(f"cannot ask who is in the group: {for_code(found.code).__name__}")
        return frozenset(member.instance_id for member in found.members if member.instance_id)

    async def close(self) -> None:
        """Stop the clients, within seconds."""
        self._drop(self._producer)
        try:
            await self._client.close()
        finally:
            await self._closings.ended()
