"""Claims on a real Kafka: what is read of them, who is fenced, and how many connections that takes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import aiokafka.client
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.errors import ProducerFenced

from bridge.adapters.kafka.aiokafka_internals import open_transports
from bridge.adapters.kafka.calls import unavailable
from bridge.adapters.kafka.claim_topic import KafkaClaims
from bridge.adapters.kafka.kept_client import KeptClient
from bridge.adapters.kafka.topic_manager import TopicNames
from bridge.errors import TopicMissing
from bridge.records.checkpoint_keys import claim_key
from tests.integration.test_transactional_writer import play
from tests.support.kafka_connections import for_each_shard
from tests.support.kafka_tools import alter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.adapters.kafka.connection import KafkaConnection

CONNECTIONS = 5
"""Two of the producer, which asks any broker first; three of what reads and fences, which asks coordinators, too."""
_failed = unavailable("no answer")


def keys(*numbers: int) -> list[str]:
    return [claim_key("one", str(number)) for number in numbers]


async def read_up_to(claims: KafkaClaims, end: int) -> None:
    """Read until a marker is there, which Kafka writes after it has answered."""
    async with asyncio.timeout(20):
        while (await claims.read({1: end - 1}))[1] != ([], end):  # noqa: ASYNC110 - of Kafka
            await asyncio.sleep(0.05)


def test_claims_are_read_to_the_end_beyond_open_transactions_markers_and_other_records(broker: str) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        claims, topic = KafkaClaims(settings), settings.topics.checkpoints
        other = AIOKafkaProducer(bootstrap_servers=broker, transactional_id=f"{settings.group}-other")
        await other.start()
        first, second = keys(1, 2)
        try:
            assert await claims.read({0: 0, 1: 0}) == {0: ([], 0), 1: ([], 0)}
            assert await claims.write(1, first, "a") == 0
            async with other.transaction():
                await other.send_and_wait(topic, b"state", b"chat", partition=1)
            await other.begin_transaction()
            await other.send_and_wait(topic, b"state", b"chat", partition=1)
            assert await claims.write(1, second, "b") == 4  # after a marker, and within a transaction
            await claims.remove(1, [first])
            whole = [(first, "a"), (second, "b"), (first, None)]
            assert await claims.read({0: 0, 1: 0}) == {0: ([], 0), 1: (whole, 6)}
            assert await claims.read({1: 3}) == {1: (whole[1:], 6)}
            assert await claims.read({1: 6}) == {1: ([], 6)}
            await other.abort_transaction()
            await read_up_to(claims, 7)  # nothing but a marker
        finally:
            await other.stop()
            await claims.close()

    play(scenario, broker)


def test_claims_before_the_beginning_of_the_log_are_passed_over(broker: str) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        claims, at = KafkaClaims(settings), TopicPartition(settings.topics.checkpoints, 1)
        admin = AIOKafkaAdminClient(bootstrap_servers=broker)
        await admin.start()
        try:
            for key in keys(1, 2, 3):
                await claims.write(1, key, "a")
            await asyncio.to_thread(alter, broker, at.topic, "cleanup.policy", "compact,delete")
            await admin.delete_records({at: RecordsToDelete(before_offset=2)})
            assert await claims.read({1: 0}) == {1: ([(keys(3)[0], "a")], 3)}
        finally:
            await admin.close()
            await claims.close()

    play(scenario, broker)


def test_a_claim_to_a_shard_whose_topic_is_missing_says_so(broker: str) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        elsewhere = replace(settings, topics=TopicNames("never-made."), client={"request_timeout_ms": 1000})
        claims = KafkaClaims(elsewhere)
        try:
            with pytest.raises(TopicMissing, match=r"never-made\.chat.*checkpoints"):
                await claims.write(1, keys(1)[0], "a")
        finally:
            await claims.close()

    play(scenario, broker)


def test_who_is_fenced_commits_nothing_more_and_its_open_transaction_is_aborted(broker: str) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        claims, topic, name = KafkaClaims(settings), settings.topics.checkpoints, f"{settings.group}-other"
        other = AIOKafkaProducer(bootstrap_servers=broker, transactional_id=name)
        await other.start()
        try:
            await other.begin_transaction()
            await other.send_and_wait(topic, b"state", b"chat", partition=1)
            await claims.fence(name, abandoned=None)
            await read_up_to(claims, 2)  # the marker of its abort comes
            with pytest.raises(ProducerFenced):
                await other.commit_transaction()
            await claims.fence(f"{settings.group}-nobody", abandoned=None)
        finally:
            await other.stop()
            await claims.close()

    play(scenario, broker)


def test_how_many_connections_are_made_does_not_grow_with_the_shards_that_are_taken(broker: str) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        claims = KafkaClaims(settings)

        async def take(shard: int) -> None:
            await claims.write(shard, keys(shard)[0], "a")
            await asyncio.gather(claims.read({shard: 0}), claims.fence(f"{settings.group}-{shard}", abandoned=None))
            await claims.read({shard: 1})
            await claims.remove(shard, keys(shard))

        try:
            await for_each_shard(take, connections=CONNECTIONS)
        finally:
            await claims.close()

    play(scenario, broker)


def test_a_kept_client_ends_when_it_was_not_used_for_some_time_or_is_dropped_and_not_used(
    broker: str,
) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        kept = KeptClient(settings, "kept", 10_000, _failed, idle_seconds=0.3)

        async def answers() -> aiokafka.client.AIOKafkaClient:
            async with kept.use() as client:
                await client.fetch_all_metadata()
                return client

        try:
            async with kept.use() as first:
                assert await answers() is first
                await asyncio.sleep(0.6)  # longer than a client is kept that nobody uses
                assert await answers() is first
                kept.drop()
                async with kept.use() as second:
                    await second.fetch_all_metadata()
                    assert second is not first
                await first.fetch_all_metadata()
            await _closed(first)
            await _closed(second)
            assert await answers() is not second
        finally:
            await kept.close()

    async def _closed(client: aiokafka.client.AIOKafkaClient) -> None:
        async with asyncio.timeout(10):
            while _open(open_transports(client)):  # noqa: ASYNC110 - of Kafka's client
                await asyncio.sleep(0.05)

    play(scenario, broker)


def _open(transports: Sequence[asyncio.Transport]) -> bool:
    return any(not transport.is_closing() for transport in transports)
