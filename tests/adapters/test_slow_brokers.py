"""Brokers that answer late, or to which connecting takes long: nothing is lost by asking another one meanwhile."""

from __future__ import annotations

import asyncio
import socket
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.errors import KafkaConnectionError, NodeNotReadyError, RequestTimedOutError
from aiokafka.producer.sender import Sender
from aiokafka.structs import BrokerMetadata

from bridge import kafka_clients
from bridge.kafka_clients import answer_of_one

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

FEW = 3
MANY = 30
LIMIT = 20.0


@pytest.fixture(autouse=True)
def _soon_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_clients, "_SILENT_SECONDS", 0.01)


class LateBrokers:
    """Has `connect` make the connection to each broker, and `answer` answer what is asked."""

    def __init__(
        self, nodes: int, answer: Callable[[int], Awaitable[object]], connect: Callable[[int], Awaitable[bool]]
    ) -> None:
        self.cluster = SimpleNamespace(brokers=lambda: [SimpleNamespace(nodeId=node) for node in range(nodes)])
        self.tried: list[int] = []
        self.asked: list[int] = []
        self.few_asked = asyncio.Event()
        self._answer = answer
        self._connect = connect

    async def ready(self, node: int) -> bool:
        self.tried.append(node)
        return await self._connect(node)

    async def send(self, node: int, _: object) -> object:
        if node not in self.tried and not await self.ready(node):
            raise NodeNotReadyError
        self.asked.append(node)
        if len(self.asked) == FEW:
            self.few_asked.set()
        return await self._answer(node)


async def at_once(_: int) -> bool:
    return True


async def never(_: int) -> Any:
    await asyncio.get_running_loop().create_future()


def run(scene: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(LIMIT):
            await scene()
            assert asyncio.all_tasks() == {asyncio.current_task()}, "nothing is left behind"

    asyncio.run(limited())


def asked(brokers: LateBrokers) -> Awaitable[Any]:
    return answer_of_one(cast("AIOKafkaClient", brokers), object())


def test_the_answer_of_a_slow_broker_counts_although_others_were_asked_meanwhile() -> None:
    async def scene() -> None:
        async def answer(node: int) -> int:
            if node != brokers.asked[0]:
                await never(node)
            await brokers.few_asked.wait()
            return node

        brokers = LateBrokers(FEW, answer, at_once)
        assert await asked(brokers) == brokers.asked[0]
        assert len(brokers.asked) == FEW

    run(scene)


def test_a_connection_that_is_being_made_holds_up_no_other_one() -> None:
    async def scene() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent, socket.socket() as refusing:
            refusing.bind(("127.0.0.1", 0))
            silent.setblocking(False)
            client = AIOKafkaClient()
            for node, one in enumerate((silent, refusing)):
                client.cluster._brokers[node] = BrokerMetadata(node, *one.getsockname(), None)
            ways = [asyncio.ensure_future(client.ready(0, group=group)) for group in [*ConnectionGroup] * 2]
            ways.append(asyncio.ensure_future(client._get_conn(0)))
            loop = asyncio.get_running_loop()
            taken = [(await loop.sock_accept(silent))[0] for _ in ConnectionGroup]
            assert not await client.ready(1)
            assert not any(way.done() for way in ways)
            with pytest.raises(BlockingIOError):
                silent.accept()  # one each, whoever wants it
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)
            assert not client._conns
            for connection in taken:
                assert await loop.sock_recv(connection, 1 << 16), "a question about versions"
                assert not await loop.sock_recv(connection, 1), "the end"
                connection.close()

    run(scene)


def test_of_many_to_which_no_connection_can_be_made_all_are_not_waited_for() -> None:
    async def scene() -> None:
        async def connect(_: int) -> bool:
            await asyncio.sleep(3 * kafka_clients._SILENT_SECONDS)
            return False

        brokers = LateBrokers(MANY, never, connect)
        with pytest.raises(NodeNotReadyError):
            await asked(brokers)
        assert len(brokers.tried) == FEW

    run(scene)


def test_a_question_that_is_cancelled_leaves_nothing_and_loses_no_cancellation() -> None:
    async def scene() -> None:
        brokers = LateBrokers(FEW, never, at_once)
        question = asyncio.ensure_future(asked(brokers))
        await brokers.few_asked.wait()
        question.cancel()
        with pytest.raises(asyncio.CancelledError):
            await question

    run(scene)


def test_a_broker_that_was_silent_and_gives_up_in_the_end_is_heard() -> None:
    async def scene() -> None:
        async def answer(node: int) -> None:
            if node != brokers.asked[0]:
                await never(node)
            await brokers.few_asked.wait()
            raise RequestTimedOutError

        brokers = LateBrokers(FEW, answer, at_once)
        with pytest.raises(RequestTimedOutError):
            await asked(brokers)

    run(scene)


class BreakingClient(LateBrokers):
    """aiokafka's client as its producer uses it. One broker, which ends the first connection with the question."""

    def __init__(self) -> None:
        async def answer(_: int) -> object:
            if len(self.asked) == 1:
                raise KafkaConnectionError
            return SimpleNamespace(error_code=0, coordinator_id=0)

        super().__init__(1, answer, at_once)
        self.updates = 0

    coordinator_lookup = AIOKafkaClient.coordinator_lookup

    async def ready(self, node: int, **_: object) -> bool:
        return await super().ready(node)

    async def force_metadata_update(self) -> None:
        self.updates += 1


def test_a_connection_that_ends_while_a_coordinator_is_looked_up_ends_no_producer() -> None:
    async def scene() -> None:
        client = BreakingClient()
        sender = Sender(
            client,
            acks=-1,
            txn_manager=SimpleNamespace(transactional_id="an id"),
            message_accumulator=None,
            retry_backoff_ms=1,
            request_timeout_ms=1000,
        )
        assert await sender._find_coordinator(CoordinationType.TRANSACTION, "an id") == 0
        assert (len(client.asked), client.updates) == (2, 1)

    run(scene)
