"""An erasure whose commit is lost on the way to a real broker, and which another owner's transaction makes void.

What such a plan has destroyed and made is undone: the key that is on the topic stays, and opens all that is written.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaProducer

from bridge.adapters.clock import SystemClock
from bridge.adapters.kafka.kept_client import asking_client
from bridge.adapters.kafka.log_positions import KafkaShardLogs
from bridge.adapters.kafka.required_topics import TopicShape, wanted_of_installation, wanted_of_output
from bridge.adapters.kafka.topic_manager import TopicManager
from bridge.capture.outputs import log_topics
from bridge.capture.shard_keys import KIND, ShardKeys
from bridge.capture.shard_recovery import ShardRecovery
from bridge.capture.stored_inputs import ErasureRequested, StoredPlace
from bridge.errors import KafkaUnavailable
from bridge.facts import TransactionFailed
from bridge.records.avro import TRANSCRIPT_EVENT
from bridge.sealing.chat_seal import ChatSeal
from bridge.sealing.data_keys import parsed_key_record
from bridge.sealing.opened_records import opened_event
from tests.capture.hand_fed_shard import feed, hand_fed_shard, settled, until, while_it_runs
from tests.capture.recorded_facts import RecordedFacts
from tests.capture.test_session_store import NOW, PREFIX, SCHEMAS, announcement
from tests.integration.cutting_proxy import ApiKey, Cut, CuttingProxy
from tests.integration.test_lost_answers import OWNER, PARTITION, _proxy, client_id, store_of  # noqa: F401 - a fixture
from tests.integration.test_transactional_writer import PARTITIONS, LoneWriter, committed, settings_for
from tests.sealing.known_keys import CountedKeys, KnownMaster
from tests.transcript.build import CHAT, history, joined, said

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.adapters.kafka.connection import KafkaConnection
    from bridge.adapters.kafka.kept_client import KeptClient
    from bridge.capture.shard import Shard

REQUEST = ErasureRequested(CHAT, StoredPlace(8, "ab"), "request-1", NOW)
BEGUN = announcement()
AGAIN = replace(BEGUN, offset=BEGUN.offset + 1)
OTHER = announcement("0000TEST00000002", offset=BEGUN.offset + 2)


async def made(proxy: CuttingProxy) -> KafkaConnection:
    """Make the topics of an installation that seals."""
    connection = settings_for(f"127.0.0.1:{proxy.port}", transaction_timeout=3.0)
    shape = TopicShape(PARTITIONS, 1, connection.max_record_bytes, 3600, 3600)
    topics = [
        *wanted_of_output(connection.topics, shape),
        *wanted_of_installation(connection.topics, shape, evidence=False, key_compaction=3600),
    ]
    await TopicManager(connection.bootstrap_servers, {}, topics).apply()
    producer = AIOKafkaProducer(bootstrap_servers=connection.bootstrap_servers)
    await producer.start()
    for one in (BEGUN, AGAIN, OTHER):
        await producer.send_and_wait(connection.topics.announcements, one.raw, one.key, partition=PARTITION)
    await producer.stop()
    return connection


@dataclass
class SealingOwner:
    """An owner of the partition that seals its output; its parts towards Kafka are those of a worker.

    `writers` counts those that have not closed: the shard does not wait for that.
    """

    connection: KafkaConnection
    questions: KeptClient
    new_key: CountedKeys
    owner: int
    told: RecordedFacts = field(default_factory=RecordedFacts)
    writers: int = 0

    def shard(self) -> Shard:
        topics, clock = self.connection.topics, SystemClock()
        keys, store = ShardKeys(PARTITION, topics.keys, KnownMaster(), self.new_key), store_of(self.connection)
        (output,) = store.outputs
        output = replace(output, recording=replace(output.recording, keys=keys))
        store = replace(store, outputs=(output,), keys=keys, owner=self.owner, partition_of=lambda _: PARTITION)
        store = replace(store, closed_retention_us=None)  # the chats are older than the day that it is now
        logs = KafkaShardLogs(self.connection, self.questions, PARTITION, (KIND,), log_topics(store.outputs))
        return hand_fed_shard(
            PARTITION,
            lambda _: _TellingWriter(self, store.written_topics),
            clock,
            self.told,
            store,
            recovery=ShardRecovery(
                PARTITION, logs, store, partitions=PARTITIONS, interval=30.0, clock=clock, telemetry=self.told
            ),
        )


class _TellingWriter(LoneWriter):
    def __init__(self, owner: SealingOwner, topics: Iterable[str]) -> None:
        super().__init__(owner.connection, PARTITION, topics)
        self._owner = owner
        owner.writers += 1

    async def close(self) -> None:
        await super().close()
        self._owner.writers -= 1


async def key_on_topic(connection: KafkaConnection) -> bytes:
    last = dict(await committed(connection, connection.topics.keys, PARTITION, marked=True))
    wrapped = last[CHAT.encode()]
    assert wrapped is not None
    return wrapped


async def opened(connection: KafkaConnection, wrapped: bytes) -> list[dict[str, Any]]:
    """Return the events of the chat, opened with a key. Raises VerificationFailed where another one has sealed."""
    (key,) = await KnownMaster().unwrap([parsed_key_record(CHAT, wrapped)])
    there = await committed(connection, connection.topics.events, PARTITION, marked=True)
    events = [SCHEMAS.decode(TRANSCRIPT_EVENT, (value or b"")[len(PREFIX) :]) for _, value in there]
    return [opened_event(one, ChatSeal(CHAT, key)) for one in events if one["sessionId"] == CHAT]


def test_a_key_is_not_replaced_by_a_plan_whose_end_did_not_come_to_kafka(proxy: CuttingProxy) -> None:
    async def scene() -> None:
        connection = await made(proxy)
        questions, new_key = asking_client(connection), CountedKeys()
        first, second = (SealingOwner(connection, questions, new_key, owner) for owner in (OWNER, OWNER + 1))
        try:
            async with while_it_runs(first.shard()) as running:
                feed(running, [BEGUN, history(joined(1), said(2), over=True)])
                await settled(running)
                key, check = await key_on_topic(connection), running._check_assignment

                async def unknown() -> None:
                    raise KafkaUnavailable("scripted: rebalancing")

                running._check_assignment = unknown
                proxy.arm(client_id(connection), Cut(ApiKey.END_TXN, answered=False, away=True))
                running.stored_received(REQUEST, 100)
                feed(running, [AGAIN, history(joined(1), said(2), said(3))])
                await until(lambda: first.told.count(TransactionFailed) > 0)
                await until(lambda: not first.writers)  # one that is open would send the request again
                assert proxy.left == 0
                proxy.heal()
                async with while_it_runs(second.shard()) as other:  # which is to read the request, and has not
                    feed(other, [OTHER])
                    await settled(other)
                assert await key_on_topic(connection) == key
                running._check_assignment = check
                await settled(running)
            assert await key_on_topic(connection) == key
            assert [one["eventId"] for one in await opened(connection, key) if one["message"]] == [2, 3]
        finally:
            await questions.close()

    asyncio.run(scene())
