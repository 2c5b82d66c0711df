"""Where partitions begin and end, and what lies behind an open transaction."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.client import AIOKafkaClient

from bridge.adapters.kafka.aiokafka_internals import ask_no_more
from bridge.adapters.kafka.calls import unavailable
from bridge.adapters.kafka.kept_client import asking_client
from bridge.adapters.kafka.log_ends import know_leaders, log_bounds
from bridge.adapters.kafka.log_positions import KafkaShardLogs
from tests.integration.test_transactional_writer import play, writer_of

if TYPE_CHECKING:
    from bridge.adapters.kafka.connection import KafkaConnection

_failed = unavailable("no answer")


def test_checkpoints_tell_whether_something_lies_behind_a_transaction_that_is_open(broker: str) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        found = []
        writer = writer_of(settings, 1)
        await writer.open()
        other = AIOKafkaProducer(bootstrap_servers=broker, transactional_id=f"{settings.group}-worker:other")
        await other.start()
        try:
            found.append((await writer.checkpoints(), writer.read_all))
            await other.begin_transaction()
            await other.send_and_wait(settings.topics.checkpoints, b"state", b"chat", partition=1)
            found.append((await writer.checkpoints(), writer.read_all))
            await other.commit_transaction()
            found.append((await writer.checkpoints(least=1), writer.read_all))
        finally:
            await other.stop()
            await writer.close()
        assert found == [([], True), ([], False), ([("chat", b"state")], True)]

    play(scenario, broker)


def test_the_leaders_of_several_topics_are_known_before_their_offsets_are_asked_for(broker: str) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        topics = (settings.topics.events, settings.topics.sessions, settings.topics.checkpoints)
        places = [TopicPartition(topic, 1) for topic in topics]
        client = AIOKafkaClient(bootstrap_servers=broker)
        await client.bootstrap()
        try:
            asked = asyncio.gather(*(know_leaders(client, [at]) for at in places))
            await asked  # at once: also the topic that is added while the first answer is on its way
            assert all(client.cluster.leader_for_partition(at) is not None for at in places)
            assert await log_bounds(client, places, _failed) == (dict.fromkeys(places, 0), dict.fromkeys(places, 0))
        finally:
            await client.close()

    play(scenario, broker)


def test_the_end_of_a_log_is_told_when_what_was_written_before_is_marked(broker: str) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        questions = asking_client(settings)
        logs = KafkaShardLogs(settings, questions, 1)
        assert await logs.marked("checkpoints") == 0
        other = AIOKafkaProducer(bootstrap_servers=broker, transactional_id=f"{settings.group}-worker:other")
        await other.start()
        try:
            await other.begin_transaction()
            await other.send_and_wait(settings.topics.checkpoints, b"state", b"chat", partition=1)
            waiting = asyncio.ensure_future(logs.marked("checkpoints"))
            assert (await logs.look())["checkpoints"].end == 0
            assert not waiting.done()
            await other.commit_transaction()
            assert await waiting == 2  # the record and its marker
        finally:
            await other.stop()
            await questions.close()

    play(scenario, broker)


def test_a_topic_that_somebody_else_has_not_found_is_asked_for_again(broker: str) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        at = TopicPartition(settings.topics.events, 1)
        client = AIOKafkaClient(bootstrap_servers=broker)
        await client.bootstrap()
        try:
            client.set_topics([settings.topics.checkpoints])
            await know_leaders(client, [at])
            assert client.cluster.leader_for_partition(at) is not None
            ask_no_more(client, [at.topic])  # of one who looked before it was created again
            await client.force_metadata_update()
            assert client.cluster.leader_for_partition(at) is None
            async with asyncio.timeout(10):
                assert await log_bounds(client, [at], _failed) == ({at: 0}, {at: 0})
        finally:
            await client.close()

    play(scenario, broker)
