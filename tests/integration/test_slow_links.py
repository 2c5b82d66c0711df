"""A broker behind a slow link: what takes long does not hold up what is short."""

from __future__ import annotations

import asyncio
import math
import random
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.client import AIOKafkaClient

from bridge.adapters.kafka.kept_client import asking_client
from bridge.adapters.kafka.log_positions import KafkaShardLogs
from bridge.adapters.kafka.transaction_marks import answered_or
from tests.integration.test_aiokafka_running_clients import until
from tests.integration.test_transactional_writer import play
from tests.support.slow_address import broker_over_slow_link

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.adapters.kafka.connection import KafkaConnection
    from tests.support.slow_address import SlowAddress

RECORD_BYTES = 900_000
BEGUN_BYTES = 100_000
SLOW = 300_000  # a fetch takes three seconds


@pytest.fixture(scope="module", name="link")
def _link() -> Iterator[SlowAddress]:
    with broker_over_slow_link() as link:
        yield link


def test_a_look_at_logs_is_answered_while_another_shard_reads(link: SlowAddress) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        questions, topic = asking_client(settings), settings.topics.checkpoints
        logs, producer = KafkaShardLogs(settings, questions, 1), AIOKafkaProducer(bootstrap_servers=str(link))
        await producer.start()
        try:
            await producer.send_and_wait(topic, random.randbytes(RECORD_BYTES), b"chat", partition=1)
        finally:
            await producer.stop()

        async def read() -> int:
            return sum([len(records) async for records in logs.read("checkpoints", 0, 1)])

        try:
            assert (await logs.look())["checkpoints"].end == 1
            link.bytes_per_second, passed = SLOW, link.passed
            reading = asyncio.create_task(read())
            await until(lambda: link.passed > passed + BEGUN_BYTES)
            assert (await logs.look())["checkpoints"].end == 1
            assert not reading.done()
            assert await reading == 1
        finally:
            link.bytes_per_second = math.inf
            await questions.close()

    play(scenario, str(link))


def test_what_has_come_is_told_although_the_look_whether_it_will_is_not_answered(link: SlowAddress) -> None:
    async def scenario(_: KafkaConnection) -> None:
        client, now = AIOKafkaClient(bootstrap_servers=str(link)), asyncio.get_running_loop().time
        await client.bootstrap()
        try:
            assert await client.force_metadata_update()
            link.bytes_per_second, began = 1.0, now()
            assert await answered_or(lambda _: False, 1, asyncio.sleep(0.5), client, "an id")
            assert now() - began < 1.5
            with pytest.raises(ZeroDivisionError):
                await answered_or(lambda _: False, 1, fails(0.5), client, "an id")
            assert now() - began < 3
            await asyncio.sleep(0)
            assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("commit")]
        finally:
            link.bytes_per_second = math.inf
            await client.close()

    async def fails(seconds: float) -> None:
        await asyncio.sleep(seconds)
        raise ZeroDivisionError

    play(scenario, str(link))
