"""The transactional producer of a worker that commits all its shards in one transaction."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiokafka import TopicPartition
from aiokafka.errors import IllegalOperation, TopicAuthorizationFailedError

from bridge.adapters.kafka.aiokafka_internals import producer_epoch
from bridge.adapters.kafka.calls import call as kafka_call
from bridge.adapters.kafka.calls import time_limit, unavailable
from bridge.adapters.kafka.replicas_in_sync import replicas_behind, too_few_in_sync
from bridge.adapters.kafka.stopping import abandon_producer
from bridge.adapters.kafka.transaction_marks import answered_or, state_by_any, state_of
from bridge.adapters.kafka.transactional_writer import KafkaTransactionalWriter, place_records, topics_of
from bridge.errors import BridgeError, KafkaUnavailable, TopicMissing, TransactionHeldUp, TransactionNotMarked

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from aiokafka import AIOKafkaProducer
    from aiokafka.structs import RecordMetadata

    from bridge.adapters.kafka.connection import KafkaConnection
    from bridge.adapters.kafka.kept_client import KeptClient
    from bridge.adapters.kafka.transaction_requests import FoundTransaction
    from bridge.adapters.kafka.transactional_writer import Packed
    from bridge.capture.ports import Batch, Outgoing
    from bridge.capture.worker_ports import ProducerEpoch

_LOOK_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 1.0
_NO_SHARD: Final = -1
_LOOKS: Final = 4
"""A quarter of a second apart: the marks of a transaction take milliseconds, unless a partition cannot be written."""
_END_LOOKS: Final = 2
"""The answer to the end of a transaction, which does not wait for marks, takes milliseconds if it is not lost."""
_look_failed: Final = unavailable("cannot find out who leads the partitions")


class KafkaWorkerProducer(KafkaTransactionalWriter):
    """The `WorkerProducer` of one worker: a writer whose transactions hold the batches of several shards."""

    def __init__(
        self, settings: KafkaConnection, questions: KeptClient, transactional_id: str, topics: Iterable[str]
    ) -> None:
        """`topics` are all that are written."""
        super().__init__(settings, questions, _NO_SHARD, topics, transactional_id=transactional_id)
        self._told: list[tuple[list[Outgoing], int]] = []
        self._offsets: dict[TopicPartition, int] = {}

    async def _initialise(self, producer: AIOKafkaProducer) -> None:
        begun = super()._initialise(producer)
        if not await answered_or(_decided, _LOOKS, begun, producer.client, self._transactional_id):
            raise TransactionNotMarked("Kafka cannot mark the end of a transaction on each of its partitions")

    async def unmarked(self, transactional_id: str) -> Collection[int | None] | None:
        """Return what the coordinator of the id says now; it is not waited for longer than two seconds.

        The producer's client is not the only one that asks: if all brokers have moved to other addresses, it never
        finds them, and it is not replaced as long as every shard is kept waiting for this answer.
        """
        own = state_of(self._opened().client, transactional_id)
        told = await asyncio.gather(own, state_by_any(self._questions, transactional_id))
        found = next((one for one in told if one is not None), None)
        if found is None or not _decided(found):
            return None if found is None else ()
        # What is left may be the group's offsets, which this client may not describe.
        return {at.partition for at in found.places if at.topic in self._topics} or {None}

    @property
    def epoch(self) -> ProducerEpoch:
        """What the coordinator gave."""
        return producer_epoch(self._opened())

    async def unwritable(
        self, batches: Mapping[int, Batch], doubted: Collection[int]
    ) -> Mapping[int, BridgeError | None]:
        """Return the shards of which a partition has no leader, or a topic does not exist, as far as is known.

        Of `doubted` ones, also those of which Kafka says now that a partition has too few replicas in sync, and with
        None those of which it does not say at once whether that is so. Raises KafkaUnavailable if it does not say
        either who leads a partition that seems to have no leader.
        """
        client = self._opened().client
        found = self._leaderless(batches)
        if found:
            async with time_limit(_LOOK_SECONDS, "Kafka did not say who leads the partitions"):
                topics = {at.topic for places in found.values() for at in places}
                await kafka_call(asyncio.gather(*map(client.add_topic, topics)), _look_failed)
                if not await kafka_call(client.force_metadata_update(), _look_failed):
                    raise KafkaUnavailable("no broker tells who leads the partitions")
            found = self._leaderless(batches)
        reasons = {shard: self._reason(places[0]) for shard, places in found.items()}
        others = {shard: batches[shard] for shard in doubted if shard not in reasons}
        return {**reasons, **await self._refused(others)} if others else reasons

    async def _refused(self, batches: Mapping[int, Batch]) -> dict[int, BridgeError | None]:
        """Return the shards of which a partition accepts nothing, with None those of which that is not told at once.

        On a connection of its own: on those of the producer, what Kafka has not acknowledged is answered first.
        """
        places = _places(batches)
        not_told = {at for found in places.values() for at in found}
        try:
            async with time_limit(_ANSWER_SECONDS, "Kafka did not say who is in sync"), self._questions.use() as client:
                behind = await replicas_behind(client, not_told, _look_failed)
                not_told = set(behind)
                few = await too_few_in_sync(client, behind, _look_failed)
        except KafkaUnavailable:
            return dict.fromkeys(shard for shard, found in places.items() if not_told.intersection(found))
        refused = {shard: [few[at] for at in found if at in few] for shard, found in places.items()}
        return {shard: KafkaUnavailable(sentences[0]) for shard, sentences in refused.items() if sentences}

    def _leaderless(self, batches: Mapping[int, Batch]) -> dict[int, list[TopicPartition]]:
        cluster = self._opened().client.cluster
        without = {
            shard: [at for at in found if cluster.leader_for_partition(at) in (None, -1)]
            for shard, found in _places(batches).items()
        }
        return {shard: found for shard, found in without.items() if found}

    def _reason(self, at: TopicPartition) -> BridgeError:
        if not self._opened().client.cluster.partitions_for_topic(at.topic):
            return TopicMissing(at.topic)
        return KafkaUnavailable(f"partition {at.partition} of {at.topic} has no leader")

    async def send(self, batches: Mapping[int, Batch]) -> Mapping[int, asyncio.Future[None]]:
        """Begin a transaction and begin to send; each future ends when all of its shard is acknowledged.

        Where a shard's batch cannot be packed, only the futures of such shards are returned, and nothing has begun.
        """
        producer, settings = self._opened(), self._settings
        self._told = []
        packed: dict[int, Packed] = {}
        defects: dict[int, asyncio.Future[None]] = {}
        for shard, batch in batches.items():
            try:
                packed[shard] = self._packed(producer, batch)
            except Exception as error:  # noqa: BLE001 - a defect in what one shard writes must not end the others
                defects[shard] = asyncio.get_running_loop().create_future()
                defects[shard].set_exception(error)
        if defects:
            return defects  # no transaction has begun
        async with self._time_limit():
            await self._call(producer.begin_transaction())
        self._offsets = {
            TopicPartition(settings.topics.announcements, shard): batch.announcement_offset
            for shard, batch in batches.items()
            if batch.announcement_offset is not None
        }
        create = asyncio.get_running_loop().create_task
        return {
            shard: create(self._acknowledged(producer, one), name=f"commit {shard}") for shard, one in packed.items()
        }

    async def _acknowledged(self, producer: AIOKafkaProducer, packed: Packed) -> None:
        try:
            acknowledged = await self._call(_delivered(producer, packed))
        except BridgeError as error:
            cause = error.__cause__
            refused = topics_of(cause) if isinstance(cause, TopicAuthorizationFailedError) else []
            others = refused and not {topic for topic, *_ in packed} & set(refused)
            if others or isinstance(cause, IllegalOperation):  # the transaction had failed before this was sent
                raise TransactionHeldUp("Kafka refused what another shard writes") from error
            raise
        self._told += [(records, one.offset) for (*_, records), one in zip(packed, acknowledged, strict=True)]

    async def commit_offsets(self) -> None:
        """Commit the offsets of the batches that were sent.

        Not while they are: then one of the two is refused now and then, which aiokafka repeats after 0.1 s. A broker
        seems to verify one request of a transaction at a time (KIP-890).
        """
        if self._offsets:
            producer = self._opened()
            async with self._time_limit():
                await self._call(producer.send_offsets_to_transaction(self._offsets, self._settings.group))

    async def end(self) -> bool:
        """Commit the transaction. What is decided with the epoch of this producer is what it asked for.

        If the first answer is lost with the coordinator, the next one tells aiokafka to wait for the marks.
        """
        producer, own = self._opened(), self.epoch
        async with self._time_limit():
            # P3: nothing counts as captured before this returns
            marked = await answered_or(
                lambda found: found.committed and found.epoch == own,
                _END_LOOKS,
                self._call(producer.commit_transaction()),
                producer.client,
                self._transactional_id,
            )
        self._settings.times.taken(self._given)
        for records, first in self._told:
            place_records(records, first)
        return marked

    async def close(self) -> None:
        """Stop all clients at once: a transaction that waits for its turn would begin, and hold up who reads."""
        producer, self._producer = self._producer, None
        if producer is not None:
            self._closings.begin(abandon_producer(producer))
        await super().close()

    def _opened(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise KafkaUnavailable("the worker's producer is not open")
        return self._producer


async def _delivered(producer: AIOKafkaProducer, packed: Packed) -> list[RecordMetadata]:
    """Send record batches; return where each lies once all are acknowledged."""
    sent = [await producer.send_batch(one, topic, partition=partition) for topic, partition, one, _ in packed]
    return await asyncio.gather(*sent)


def _places(batches: Mapping[int, Batch]) -> dict[int, list[TopicPartition]]:
    """Return shard -> the partitions that its batch is written to, in order."""
    return {
        shard: sorted({TopicPartition(record.topic, record.partition) for record in batch.records})
        for shard, batch in batches.items()
    }


def _decided(found: FoundTransaction) -> bool:
    return found.aborted or found.committed
