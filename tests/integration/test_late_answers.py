"""Kafka that answers late, once: commands wait for that, and only a longer silence ends them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from bridge.adapters.kafka import topic_reader
from bridge.adapters.kafka.topic_reader import reader
from bridge.config import load
from bridge.errors import KafkaUnavailable
from bridge.factories import explained
from tests.integration.e2e_environment import PARTITIONS, E2EEnvironment
from tests.support.kafka_tools import write

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.sandbox import LocalBroker

LATE_SECONDS = 12.0
"""The length of the fault: longer than a question may be answered in vain, shorter than what counts as a silence."""


async def read(servers: str, topic: str) -> list[bytes | None]:
    async with reader({"bootstrap_servers": servers}) as topics:
        return [one.value async for records in topics.whole(topic, range(PARTITIONS)) for one in records]


def test_one_late_answer_ends_neither_a_reading_nor_a_command(plain_broker: LocalBroker, tmp_path: Path) -> None:
    servers = plain_broker.bootstrap_servers
    environment = E2EEnvironment(servers, tmp_path).prepare()
    topic = environment.topic("events")
    write(servers, topic, {"a chat": b"a value"})
    config = load(None, {}, {"kafka.bootstrap_servers": servers, "kafka.topic_prefix": environment.prefix})

    async def scenario() -> None:
        async with reader({"bootstrap_servers": servers}) as topics:
            assert set((await topics.ends(topic, range(PARTITIONS))).values()) == {0, 1}
            asyncio.get_running_loop().call_later(LATE_SECONDS, plain_broker.resume)
            plain_broker.pause()
            late, command = await asyncio.gather(
                topics.ends(topic, range(PARTITIONS)), explained(config, "erase", read(servers, topic))
            )
            assert (set(late.values()), command) == ({0, 1}, [b"a value"])

    try:
        asyncio.run(scenario())
    finally:
        plain_broker.resume()


def test_a_silence_that_lasts_ends_a_reading(
    plain_broker: LocalBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = plain_broker.bootstrap_servers
    topic = E2EEnvironment(servers, tmp_path).prepare().topic("events")
    monkeypatch.setattr(topic_reader, "SILENCE_SECONDS", 2.0)

    async def scenario() -> None:
        async with reader({"bootstrap_servers": servers}) as topics:
            await topics.ends(topic, [0])
            plain_broker.pause()
            try:
                with pytest.raises(KafkaUnavailable, match="Kafka does not answer: nothing for"):
                    await topics.ends(topic, [0])
            finally:
                plain_broker.resume()

    asyncio.run(scenario())
