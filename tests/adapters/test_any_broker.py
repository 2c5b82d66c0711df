"""Whom a question goes to that every broker answers."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from aiokafka.errors import KafkaConnectionError, NodeNotReadyError, RequestTimedOutError

from bridge.adapters.kafka.any_broker import answer_of_any
from bridge.adapters.kafka.calls import unavailable
from bridge.errors import KafkaUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiokafka.client import AIOKafkaClient

_failed = unavailable("cannot ask")


class ScriptedBrokers:
    """`down`: node -> what a request to it fails with. The others answer with their number."""

    def __init__(self, nodes: int, down: Mapping[int, Exception]) -> None:
        self.cluster = SimpleNamespace(brokers=lambda: [SimpleNamespace(nodeId=node) for node in range(nodes)])
        self.down = down
        self.asked: list[int | None] = []

    async def send(self, node: int | None, _: object) -> int:
        self.asked.append(node)
        if node is None:
            raise NodeNotReadyError
        if node in self.down:
            raise self.down[node]
        return node


def ask(client: ScriptedBrokers) -> Any:
    return asyncio.run(answer_of_any(cast("AIOKafkaClient", client), object(), _failed))


@pytest.mark.parametrize("error", [NodeNotReadyError(), KafkaConnectionError()], ids=lambda one: type(one).__name__)
def test_brokers_that_cannot_be_reached_are_passed_over(error: Exception) -> None:
    clients = [ScriptedBrokers(3, {0: error, 2: error}) for _ in range(30)]
    assert [ask(client) for client in clients] == [1] * 30
    assert {client.asked[0] for client in clients} == {0, 1, 2}  # not always in the same order


@pytest.mark.parametrize("nodes", [0, 3])
def test_if_none_can_be_reached_that_is_said(nodes: int) -> None:
    with pytest.raises(KafkaUnavailable, match="cannot ask: NodeNotReadyError"):
        ask(ScriptedBrokers(nodes, dict.fromkeys(range(nodes), NodeNotReadyError())))


def test_who_is_reached_and_does_not_answer_is_not_asked_again_elsewhere() -> None:
    client = ScriptedBrokers(3, dict.fromkeys(range(3), RequestTimedOutError()))
    with pytest.raises(KafkaUnavailable, match="RequestTimedOutError"):
        ask(client)
    assert len(client.asked) == 1
