"""A bootstrap server that takes connections and says nothing, as a machine that stands still does; others answer."""

from __future__ import annotations

import asyncio
import random
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

from bridge import kafka_clients
from bridge.adapters.kafka.kept_client import asking_client
from bridge.adapters.kafka.worker_producer import KafkaWorkerProducer
from tests.integration.test_transactional_writer import prepared, settings_for

if TYPE_CHECKING:
    import pytest

SILENT = 2
LIMIT = 45.0
"""Seconds: less than the time-outs of two requests, one after the other."""


async def opened(servers: str, broker: str) -> None:
    """Open a producer of a worker, and close it."""
    settings = settings_for(servers)
    topics = (await prepared(settings_for(broker))).topics
    questions = asking_client(settings)
    producer = KafkaWorkerProducer(settings, questions, f"{settings.group}-worker:one", (topics.events,))
    try:
        await producer.open()
    finally:
        await producer.close()
        await questions.close()


def test_who_opens_a_producer_asks_the_next_bootstrap_server_after_seconds(
    broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "shuffle", lambda _: None)  # aiokafka takes the silent ones first
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(SILENT)]
        servers = [f"127.0.0.1:{one.getsockname()[1]}" for one in silent]
        asyncio.run(asyncio.wait_for(opened(",".join([*servers, broker]), broker), LIMIT))


def test_where_none_answers_so_soon_all_are_asked_again_with_more_time(
    broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_clients, "_BOOTSTRAP_MS", 1)
    asyncio.run(asyncio.wait_for(opened(broker, broker), LIMIT))
