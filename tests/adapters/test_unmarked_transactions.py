"""Which shards hold up a transactional id, also when the producer that is asked has lost Kafka."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from aiokafka.errors import NodeNotReadyError

from bridge.adapters.kafka.connection import KafkaConnection
from bridge.adapters.kafka.topic_manager import TopicNames
from bridge.adapters.kafka.worker_producer import KafkaWorkerProducer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from bridge.adapters.kafka.kept_client import KeptClient

SETTINGS = KafkaConnection("127.0.0.1:1", "group", TopicNames())
SHARD = 1


class ScriptedCoordinator:
    """A client to a coordinator that answers, or to brokers that are all elsewhere now."""

    def __init__(self, *, answers: bool) -> None:
        self.answers = answers

    async def coordinator_lookup(self, *_: object) -> int:
        if not self.answers:
            raise NodeNotReadyError
        return 0

    async def send(self, *_: object) -> SimpleNamespace:
        unmarked_on: tuple[str, list[int], dict[int, bytes]] = (SETTINGS.topics.events, [SHARD], {})
        return SimpleNamespace(transaction_states=[(0, "one", "PrepareAbort", 60_000, 0, 1, 0, [unmarked_on], {})])


class ScriptedQuestions:
    """What a `KeptClient` gives."""

    def __init__(self, *, answers: bool) -> None:
        self.client = ScriptedCoordinator(answers=answers)

    @asynccontextmanager
    async def use(self) -> AsyncIterator[ScriptedCoordinator]:
        yield self.client


def unmarked(*, own: bool, questions: bool) -> Collection[int | None] | None:
    kept = cast("KeptClient", ScriptedQuestions(answers=questions))
    producer = KafkaWorkerProducer(SETTINGS, kept, "two", [SETTINGS.topics.events])
    producer._producer = SimpleNamespace(client=ScriptedCoordinator(answers=own))
    return asyncio.run(producer.unmarked("one"))


@pytest.mark.parametrize(("own", "questions"), [(True, True), (True, False), (False, True)])
def test_either_client_is_told(*, own: bool, questions: bool) -> None:
    assert unmarked(own=own, questions=questions) == {SHARD}


def test_if_neither_is_told_nothing_is_known() -> None:
    assert unmarked(own=False, questions=False) is None
