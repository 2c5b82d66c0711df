"""KafkaTransactionalWriter: atomic transactions, fencing, and checkpoints read back."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from bridge.adapters.kafka.aiokafka_internals import consumer_client
from bridge.adapters.kafka.announcement_producer import AnnouncementProducer
from bridge.adapters.kafka.connection import KafkaConnection
from bridge.adapters.kafka.kept_client import asking_client
from bridge.adapters.kafka.log_ends import high_watermark
from bridge.adapters.kafka.partitioner import partition_of
from bridge.adapters.kafka.producers import ignore_unretrieved_batches
from bridge.adapters.kafka.required_topics import TopicShape
from bridge.adapters.kafka.topic_manager import TopicManager, TopicNames
from bridge.adapters.kafka.transactional_writer import KafkaTransactionalWriter
from bridge.announcement import Announcement, parse
from bridge.capture.ports import Batch, Outgoing
from bridge.errors import EnvironmentFault, KafkaUnavailable, ShardFenced
from bridge.sandbox import LocalBroker
from tests.support.kafka_tools import AUTHORIZER, forbid_writes
from tests.support.wanted_topics import wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    Scenario = Callable[[KafkaConnection], Coroutine[None, None, None]]

PARTITIONS = 4


def settings_for(bootstrap_servers: str, **changes: object) -> KafkaConnection:
    name = uuid.uuid4().hex[:8]
    fields: dict[str, object] = {
        "bootstrap_servers": bootstrap_servers,
        "group": f"group-{name}",
        "topics": TopicNames(f"{name}."),
        **changes,
    }
    return KafkaConnection(**fields)  # type: ignore[arg-type]


async def prepared(settings: KafkaConnection) -> KafkaConnection:
    shape = TopicShape(PARTITIONS, 1, settings.max_record_bytes, 3600, 3600)
    await TopicManager(settings.bootstrap_servers, {}, wanted(settings.topics, shape)).apply()
    return settings


def play(scenario: Scenario, bootstrap_servers: str, **changes: object) -> None:
    async def whole() -> None:
        await scenario(await prepared(settings_for(bootstrap_servers, **changes)))

    asyncio.run(asyncio.wait_for(whole(), 60))


async def committed(
    settings: KafkaConnection, topic: str, partition: int, *, marked: bool = False
) -> list[tuple[bytes | None, bytes | None]]:
    """Return what is committed; `marked`: once no transaction is open. Kafka answers a commit before it marks it."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap_servers, isolation_level="read_committed", enable_auto_commit=False
    )
    await consumer.start()
    try:
        at = TopicPartition(topic, partition)
        consumer.assign([at])
        await consumer.seek_to_beginning(at)
        end = (await consumer.end_offsets([at]))[at]
        while marked and end < await high_watermark(consumer_client(consumer), at):
            await asyncio.sleep(0.01)
            end = (await consumer.end_offsets([at]))[at]
        found = []
        while await consumer.position(at) < end:
            for records in (await consumer.getmany(at, timeout_ms=200)).values():
                found += [(record.key, record.value) for record in records]
        return found
    finally:
        await consumer.stop()


async def group_offset(settings: KafkaConnection, partition: int) -> int | None:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap_servers, group_id=settings.group, enable_auto_commit=False
    )
    await consumer.start()
    try:
        at = TopicPartition(settings.topics.announcements, partition)
        consumer.assign([at])
        offset: int | None = await consumer.committed(at)
        return offset
    finally:
        await consumer.stop()


class LoneWriter(KafkaTransactionalWriter):
    """The writer of a shard whose questions have a client of their own, which closes with it."""

    def __init__(self, settings: KafkaConnection, partition: int, topics: Iterable[str]) -> None:
        self._asking = asking_client(settings)
        super().__init__(settings, self._asking, partition, topics)

    async def close(self) -> None:
        try:
            await super().close()
        finally:
            await self._asking.close()


def writer_of(settings: KafkaConnection, partition: int) -> KafkaTransactionalWriter:
    """Return the writer of a shard that has one output."""
    topics = settings.topics
    return LoneWriter(settings, partition, (topics.events, topics.sessions, topics.quarantine, topics.checkpoints))


def value(number: int, size: int = 10) -> bytes:
    return f"{number}".encode().ljust(size, b".")


def record(topic: str, partition: int, number: int, size: int = 10) -> Outgoing:
    return Outgoing(topic, partition, b"chat", value(number, size), [("ce_id", f"chat:{number}".encode())])


def test_one_commit_writes_all_topics_and_the_offset_in_order(broker: str) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        topics = settings.topics
        log = writer_of(settings, 2)
        await log.open()
        for start in (0, 10):
            others = (
                record(topics.sessions, 2, start),
                record(topics.quarantine, 2, start),
                Outgoing(topics.checkpoints, 2, b"chat", b"state %d" % start),
                Outgoing(topics.announcements, 3, b"other", b"{}"),
            )
            first, *rest = (record(topics.events, 2, n) for n in range(start, start + 10))
            await log.commit(Batch([first, *others, *rest], announcement_offset=start + 1))
        await log.close()
        assert [one for _, one in await committed(settings, topics.events, 2)] == [value(n) for n in range(20)]
        assert len(await committed(settings, topics.sessions, 2)) == 2
        assert len(await committed(settings, topics.quarantine, 2)) == 2
        assert await committed(settings, topics.checkpoints, 2) == [(b"chat", b"state 0"), (b"chat", b"state 10")]
        assert await committed(settings, topics.announcements, 3) == [(b"other", b"{}")] * 2
        assert await group_offset(settings, 2) == 11

    play(scenario, broker)


def test_a_batch_larger_than_one_record_batch_keeps_its_order(broker: str) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        log = writer_of(settings, 0)
        await log.open()
        await log.commit(Batch([record(settings.topics.events, 0, n, 90_000) for n in range(40)]))
        await log.close()
        events = await committed(settings, settings.topics.events, 0)
        assert [one for _, one in events] == [value(n, 90_000) for n in range(40)]

    play(scenario, broker, compression=None)


def test_checkpoints_are_read_back_latest_first_written_last_and_tombstones_gone(broker: str) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        log = writer_of(settings, 1)
        await log.open()
        assert await log.checkpoints() == []
        topic = settings.topics.checkpoints
        await log.commit(Batch([Outgoing(topic, 1, key, b"1") for key in (b"a", b"b", b"c")]))
        await log.commit(Batch([Outgoing(topic, 1, b"a", b"2"), Outgoing(topic, 1, b"b", None)]))
        # Kafka answers a commit before it marks it; the second transaction begins at 4, behind the first mark.
        assert await log.checkpoints(least=5) == [("a", b"2"), ("c", b"1")]
        await log.close()

    play(scenario, broker)


def test_a_new_owner_fences_the_former_one_whose_open_transaction_vanishes(broker: str) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        zombie, owner = writer_of(settings, 0), writer_of(settings, 0)
        events, checkpoints = settings.topics.events, settings.topics.checkpoints
        await zombie.open()
        await zombie.commit(Batch([record(events, 0, 1), Outgoing(checkpoints, 0, b"chat", b"one")]))
        await owner.open()
        with pytest.raises(ShardFenced):
            await zombie.commit(Batch([record(events, 0, 2), Outgoing(checkpoints, 0, b"chat", b"zombie")]))
        await zombie.close()
        assert await owner.checkpoints() == [("chat", b"one")]
        await owner.commit(Batch([record(events, 0, 3)]))
        await owner.close()
        assert [one for _, one in await committed(settings, events, 0)] == [value(1), value(3)]

    play(scenario, broker)


@pytest.mark.faults
def test_nothing_of_a_transaction_that_was_denied_one_topic_is_committed_with_the_former_one() -> None:
    """The broker answers the end of a transaction before its markers are written: they must not cover what follows."""

    async def denied(settings: KafkaConnection, shard: int, writer: KafkaTransactionalWriter) -> None:
        events, checkpoints = settings.topics.events, settings.topics.checkpoints
        await writer.commit(Batch([record(checkpoints, shard, 1)]))
        with pytest.raises(EnvironmentFault, match=r"Kafka denies User:ANONYMOUS: Write on topic"):
            await writer.commit(Batch([record(events, shard, 2), record(checkpoints, shard, 2)]))

    async def scenario(settings: KafkaConnection) -> None:
        asyncio.get_running_loop().set_exception_handler(ignore_unretrieved_batches)
        writers = [writer_of(settings, shard) for shard in range(PARTITIONS)]
        await asyncio.gather(*(writer.open() for writer in writers))
        topics = settings.topics
        for shard, writer in enumerate(writers):
            await writer.commit(Batch([record(topic, shard, 0) for topic in (topics.events, topics.checkpoints)]))
        forbid_writes(settings.bootstrap_servers, topics.events)
        with contextlib.suppress(EnvironmentFault):
            while True:  # until the broker knows
                await writers[-1].commit(Batch([record(topics.events, PARTITIONS - 1, 1)]))
        await asyncio.gather(*(denied(settings, shard, writer) for shard, writer in enumerate(writers[:-1])))
        await asyncio.gather(*(writer.close() for writer in writers))
        for shard in range(PARTITIONS - 1):
            writer = writer_of(settings, shard)
            await writer.open()
            assert await writer.checkpoints() == [("chat", value(1))]
            await writer.close()

    with LocalBroker(overrides=AUTHORIZER) as broker:
        for _ in range(6):
            play(scenario, broker.bootstrap_servers)


def test_a_kafka_that_is_away_is_a_retryable_error_and_closing_does_not_hang() -> None:
    async def scenario() -> None:
        log = writer_of(settings_for("127.0.0.1:1"), 0)
        with pytest.raises(KafkaUnavailable) as away:
            await log.open()
        assert away.value.retryable
        await asyncio.wait_for(log.close(), 15)

    asyncio.run(scenario())


def test_an_announcement_lies_where_every_murmur2_client_puts_it(broker: str) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        announcer = AnnouncementProducer(settings)
        sessions = [f"0000KEYS{number:08}" for number in range(20)]
        for session in sessions:
            await announcer.announce([Announcement(session_id=session, host="chat-1", port=4800)])
        await announcer.close()
        found = []
        for partition in range(PARTITIONS):
            for key, _ in await committed(settings, settings.topics.announcements, partition):
                found.append((key or b"").decode())
                assert partition_of(key or b"", PARTITIONS) == partition
        assert sorted(found) == sessions

    play(scenario, broker)


def test_a_list_of_announcements_is_written_whole_and_those_of_one_chat_stay_in_order(broker: str) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        announcer = AnnouncementProducer(settings)
        tenant = "t" * 200  # several record batches per partition
        announced = [
            Announcement(session_id=f"0000MANY{number % 300:08}", host=f"chat-{number}", port=4800, tenant=tenant)
            for number in range(1000)
        ]
        await announcer.announce(announced)
        await announcer.close()
        hosts: dict[str, list[str]] = {}
        for partition in range(PARTITIONS):
            for _, value in await committed(settings, settings.topics.announcements, partition):
                read = parse(value or b"")
                hosts.setdefault(read.session_id, []).append(read.host)
        expected: dict[str, list[str]] = {}
        for one in announced:
            expected.setdefault(one.session_id, []).append(one.host)
        assert hosts == expected

    play(scenario, broker)
