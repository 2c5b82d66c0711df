"""Whom a question goes to that every broker answers."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from aiokafka.client import CoordinationType
from aiokafka.errors import (
    CoordinatorNotAvailableError,
    GroupCoordinatorNotAvailableError,
    KafkaConnectionError,
    NodeNotReadyError,
    RequestTimedOutError,
)
from aiokafka.protocol.coordination import FindCoordinatorRequest

from bridge import kafka_clients
from bridge.adapters.kafka.any_broker import answer_of_any
from bridge.adapters.kafka.calls import unavailable
from bridge.errors import KafkaUnavailable
from bridge.kafka_clients import AIOKafkaAdminClient, AIOKafkaClient

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_failed = unavailable("cannot ask")
FEW = 3


class ScriptedBrokers:
    """`down`: node -> what a request to it fails with; `silent` ones say nothing. The others answer with `answer`."""

    def __init__(
        self, nodes: int, down: Mapping[int, Exception], silent: Collection[int] = (), answer: object = "an answer"
    ) -> None:
        self.cluster = SimpleNamespace(brokers=lambda: [SimpleNamespace(nodeId=node) for node in range(nodes)])
        self.down = down
        self.silent = silent
        self.answer = answer
        self.asked: list[tuple[int | None, object]] = []

    async def send(self, node: int | None, request: object) -> object:
        self.asked.append((node, request))
        if node is None:
            raise NodeNotReadyError
        if node in self.down:
            raise self.down[node]
        if node in self.silent:
            await asyncio.get_running_loop().create_future()
        return self.answer


def ask(client: ScriptedBrokers) -> Any:
    return asyncio.run(answer_of_any(cast("AIOKafkaClient", client), object(), _failed))


def look_up(client: ScriptedBrokers, kind: CoordinationType) -> Any:
    return asyncio.run(AIOKafkaClient.coordinator_lookup(client, kind, "an id"))


def found(code: int = 0) -> SimpleNamespace:
    return SimpleNamespace(error_code=code, coordinator_id=7)


@pytest.mark.parametrize("error", [NodeNotReadyError(), KafkaConnectionError()], ids=lambda one: type(one).__name__)
def test_brokers_that_cannot_be_reached_are_passed_over(error: Exception) -> None:
    clients = [ScriptedBrokers(FEW, {0: error, 2: error}) for _ in range(30)]
    assert [ask(client) for client in clients] == ["an answer"] * 30
    assert {client.asked[0][0] for client in clients} == {0, 1, 2}  # not always in the same order
    assert all(client.asked[-1][0] == 1 for client in clients)


@pytest.mark.parametrize("nodes", [0, FEW])
def test_if_none_can_be_reached_that_is_said(nodes: int) -> None:
    with pytest.raises(KafkaUnavailable, match="cannot ask: NodeNotReadyError"):
        ask(ScriptedBrokers(nodes, dict.fromkeys(range(nodes), NodeNotReadyError())))


def test_who_is_reached_and_cannot_answer_is_not_asked_again_elsewhere() -> None:
    client = ScriptedBrokers(FEW, dict.fromkeys(range(FEW), RequestTimedOutError()))
    with pytest.raises(KafkaUnavailable, match="RequestTimedOutError"):
        ask(client)
    assert len(client.asked) == 1


def test_those_that_say_nothing_are_passed_over_but_only_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_clients, "_SILENT_SECONDS", 0.01)
    clients = [ScriptedBrokers(FEW, {}, silent={0, 2}) for _ in range(10)]
    assert [ask(client) for client in clients] == ["an answer"] * 10

    client = ScriptedBrokers(2 * FEW, {}, silent=range(2 * FEW))
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(answer_of_any(cast("AIOKafkaClient", client), object(), _failed), 0.3))
    assert len(client.asked) == FEW


@pytest.mark.parametrize("kind", CoordinationType, ids=lambda one: one.name)
def test_a_coordinator_is_looked_up_so(kind: CoordinationType) -> None:
    client = ScriptedBrokers(FEW, {0: NodeNotReadyError(), 2: KafkaConnectionError()}, answer=found())
    assert look_up(client, kind) == 7
    request = cast("FindCoordinatorRequest", client.asked[-1][1]).prepare({FindCoordinatorRequest.API_KEY: (1, 1)})
    assert (request.coordinator_key, request.coordinator_type) == ("an id", kind)


def test_who_looks_up_a_coordinator_hears_what_kafka_says() -> None:
    with pytest.raises(CoordinatorNotAvailableError):
        look_up(ScriptedBrokers(1, {}, answer=found(CoordinatorNotAvailableError.errno)), CoordinationType.TRANSACTION)
    with pytest.raises(NodeNotReadyError):
        look_up(ScriptedBrokers(0, {}), CoordinationType.GROUP)


def test_the_admin_client_asks_so_and_a_node_that_is_meant_alone() -> None:
    brokers = ScriptedBrokers(FEW, {0: NodeNotReadyError(), 2: NodeNotReadyError()}, answer=found())

    async def scene() -> None:
        admin = AIOKafkaAdminClient()
        admin._client = brokers
        assert await admin.find_coordinator("a group") == 7
        brokers.answer = found(GroupCoordinatorNotAvailableError.errno)
        with pytest.raises(GroupCoordinatorNotAvailableError):
            await admin.find_coordinator("a group")
        with pytest.raises(NodeNotReadyError):
            await admin._send_request(object(), 2)

    asyncio.run(scene())
    assert brokers.asked[-1][0] == 2
