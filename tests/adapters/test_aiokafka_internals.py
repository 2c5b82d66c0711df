"""Each private attribute of aiokafka that the bridge uses, by name; with a running client: tests/integration."""

from __future__ import annotations

import ast
import asyncio
import inspect
from pathlib import Path
from types import MethodType
from typing import TYPE_CHECKING, Any, NamedTuple

import aiokafka
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.errors import ProducerClosed, TopicAuthorizationFailedError
from aiokafka.producer.message_accumulator import MessageAccumulator
from aiokafka.producer.sender import Sender
from aiokafka.producer.transaction_manager import TransactionManager

from bridge.adapters.kafka import aiokafka_internals
from bridge.adapters.kafka.aiokafka_internals import (
    admin_client,
    consumer_client,
    consumer_tasks,
    coordinator_known,
    fail_batches_outside_transaction,
    fail_pending_batches,
    forget_static_membership,
    last_answer,
    member_id,
    metadata_task_ended,
    open_transports,
    pause_between_updates,
    producer_epoch,
    producer_error,
    sender_tasks,
    set_password,
)
from bridge.adapters.kafka.producers import ignore_unretrieved_batches
from tests.capture.virtual_servers import play

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class Used(NamedTuple):
    """One attribute: of which class, its type before `start`, and what the bridge needs it for."""

    owner: str
    attribute: str
    kind: type
    purpose: str


USED = [
    Used("AIOKafkaConsumer", "_client", AIOKafkaClient, "metadata_task_ended, consumer_client, pause_between_updates"),
    Used("AIOKafkaConsumer", "_subscription", SubscriptionState, "read_positions, joining_again: without waiting"),
    Used(
        "SubscriptionState",
        "reassignment_in_progress",
        bool,
        "joining_again: ask nothing in the name of a former member",
    ),
    Used("AIOKafkaConsumer", "_fetcher", type(None), "consumer_tasks: cancel what a consumer that cannot stop runs"),
    Used("AIOKafkaAdminClient", "_client", AIOKafkaClient, "admin_client: close the connections of one that is stuck"),
    Used("AIOKafkaClient", "_sasl_plain_password", type(None), "set_password: of connections to come"),
    Used("AIOKafkaClient", "_conns", dict, "open_transports: close connections whose bytes the broker does not read"),
    Used("AIOKafkaConnection", "_writer", type(None), "open_transports"),
    Used("AIOKafkaConnection", "_last_action", float, "last_answer: notice that no broker that is known answers"),
    Used("AIOKafkaClient", "_topics", set, "ask_for_topics, ask_no_more: add_topic is not noticed in time"),
    Used("AIOKafkaClient", "_sync_task", type(None), "metadata_task_ended: detect a client that never answers again"),
    Used(
        "AIOKafkaConsumer",
        "_coordinator",
        type(None),
        "coordinator_known, coordinator_node, ask_before_joining, join_again, member_id, forget_static_membership, "
        "consumer_tasks",
    ),
    Used("GroupCoordinator", "need_rejoin", MethodType, "joining_again: whether it is about to"),
    Used("SubscriptionState", "subscription", type(None), "joining_again"),
    Used("GroupCoordinator", "request_rejoin", MethodType, "join_again: have partitions assigned of which nobody told"),
    Used("GroupCoordinator", "coordinator_id", type(None), "coordinator_known: notice that Kafka does not answer"),
    Used("GroupCoordinator", "_do_rejoin_group", MethodType, "ask_before_joining: another process may be in the place"),
    Used("GroupCoordinator", "_send_req", MethodType, "notice_untold_offsets: an error is not an offset of 0"),
    Used("GroupCoordinator", "coordinator_dead", MethodType, "notice_untold_offsets: ask another broker"),
    Used("GroupCoordinator", "_retry_backoff_ms", int, "ask_before_joining: pause between two questions"),
    Used(
        "AIOKafkaClient",
        "_metadata_update",
        MethodType,
        "pause_between_updates: ask less often for what is denied",
    ),
    Used("ClusterMetadata", "unauthorized_topics", set, "unauthorized_topics: tell forbidden from missing"),
    Used("GroupCoordinator", "member_id", str, "member_id: tell this member from the others of its group"),
    Used("GroupCoordinator", "_group_instance_id", str, "forget_static_membership: leave the group at a planned stop"),
    Used("AIOKafkaProducer", "_message_accumulator", MessageAccumulator, "producer_error, fail_pending_batches"),
    Used(
        "MessageAccumulator",
        "_exception",
        type(None),
        "producer_error: distinguish a fenced producer from a failed one",
    ),
    Used("MessageAccumulator", "_batches", dict, "fail_batches_outside_transaction: nothing is sent outside of one"),
    Used("AIOKafkaProducer", "_txn_manager", TransactionManager, "fail_batches_outside_transaction, producer_epoch"),
    Used("AIOKafkaProducer", "_sender", Sender, "sender_tasks: cancel what a producer that cannot stop still runs"),
]


class Clients(NamedTuple):
    """Clients as their constructors leave them; nothing is connected. The coordinator is that of a started consumer."""

    producer: AIOKafkaProducer
    consumer: AIOKafkaConsumer
    coordinator: GroupCoordinator
    admin: AIOKafkaAdminClient

    def owner(self, name: str) -> Any:
        return {
            "AIOKafkaProducer": self.producer,
            "AIOKafkaConsumer": self.consumer,
            "AIOKafkaClient": self.producer.client,
            "AIOKafkaAdminClient": self.admin,
            "AIOKafkaConnection": AIOKafkaConnection("127.0.0.1", 1),
            "GroupCoordinator": self.coordinator,
            "SubscriptionState": getattr(self.consumer, "_subscription", None),
            "ClusterMetadata": self.producer.client.cluster,
            "MessageAccumulator": getattr(self.producer, "_message_accumulator", None),
        }[name]


def with_clients(act: Callable[[Clients], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        producer = AIOKafkaProducer(bootstrap_servers="127.0.0.1:1", transactional_id="t", acks="all")
        consumer = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:1", group_id="g", group_instance_id="worker-1")
        coordinator = GroupCoordinator(
            AIOKafkaClient(bootstrap_servers="127.0.0.1:1"),
            SubscriptionState(),
            group_id="g",
            group_instance_id="worker-1",
        )
        admin = AIOKafkaAdminClient(bootstrap_servers="127.0.0.1:1")
        try:
            await act(Clients(producer, consumer, coordinator, admin))
        finally:
            await admin.close()
            await coordinator.close()
            await consumer.stop()
            await producer.stop()

    asyncio.run(whole())


@pytest.mark.parametrize("used", USED, ids=lambda used: f"{used.owner}.{used.attribute}")
def test_the_attribute_exists_and_has_its_type(used: Used) -> None:
    async def act(clients: Clients) -> None:
        message = f"aiokafka {aiokafka.__version__}: {used.owner}.{used.attribute}, needed by {used.purpose}"
        owner = clients.owner(used.owner)
        assert type(owner).__name__ == used.owner, message
        assert hasattr(owner, used.attribute), f"{message}, does not exist"
        found = getattr(owner, used.attribute)
        assert isinstance(found, used.kind), f"{message}, is {found!r}, expected {used.kind.__name__}"

    with_clients(act)


def test_this_list_is_complete() -> None:
    tree = ast.parse(Path(aiokafka_internals.__file__).read_text("utf-8"))
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    private = {name for name in attributes if name.startswith("_")}
    assert private == {used.attribute for used in USED if used.attribute.startswith("_")}


def test_before_start_there_is_no_metadata_task_no_coordinator_and_no_sender_task() -> None:
    async def act(clients: Clients) -> None:
        assert metadata_task_ended(clients.consumer)
        assert not coordinator_known(clients.consumer)
        assert member_id(clients.consumer) == ""
        assert sender_tasks(clients.producer) == []
        assert consumer_tasks(clients.consumer) == []
        for client in (consumer_client(clients.consumer), admin_client(clients.admin)):
            assert open_transports(client) == []
            assert last_answer(client) == 0.0
        assert producer_error(clients.producer) is None
        assert producer_epoch(clients.producer) == (-1, -1)
        forget_static_membership(clients.consumer)  # nothing to forget, and no error

    with_clients(act)


def test_the_error_of_failed_batches_is_kept_as_the_producers_error() -> None:
    async def act(clients: Clients) -> None:
        error = ProducerClosed()
        fail_pending_batches(clients.producer, error)
        assert producer_error(clients.producer) is error

    with_clients(act)


def test_an_error_of_a_transaction_fails_the_batches_of_partitions_that_are_not_in_it() -> None:
    async def act(clients: Clients) -> None:
        asyncio.get_running_loop().set_exception_handler(ignore_unretrieved_batches)
        transactions, accumulator = clients.producer._txn_manager, clients.producer._message_accumulator
        fail_batches_outside_transaction(clients.producer)
        transactions.set_pid_and_epoch(7, 0)
        transactions.begin_transaction()
        added, denied, other = (TopicPartition(name, 0) for name in ("added", "denied", "other"))
        sent = {}
        for one in (added, denied, other):
            batch = clients.producer.create_batch()
            batch.append(key=b"k", value=b"v", timestamp=None)
            sent[one] = await accumulator.add_batch(batch, one, 1)
        transactions.partition_added(added)
        error = TopicAuthorizationFailedError("denied")
        transactions.error_transaction(error)
        for one in (denied, other):
            with pytest.raises(TopicAuthorizationFailedError):
                await sent[one]
        assert set(accumulator._batches) == {added}
        assert not sent[added].done()
        with pytest.raises(TopicAuthorizationFailedError):
            transactions.committing_transaction()
        fail_pending_batches(clients.producer, error)
        with pytest.raises(TopicAuthorizationFailedError):
            await sent[added]

    with_clients(act)


def test_a_consumer_asks_less_often_for_metadata_as_long_as_a_topic_has_no_leader() -> None:
    """aiokafka asks again at once: the answer of a broker takes a millisecond, and here none."""
    asked = 0

    async def scene() -> None:
        nonlocal asked
        consumer = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:1")
        client = consumer_client(consumer)

        async def update(*_: object) -> bool:
            nonlocal asked
            asked += 1
            return True

        client._metadata_update = update
        pause_between_updates(consumer)
        led = client.cluster
        led._partitions, led.available_partitions_for_topic = {"there": {0: None}}, lambda _: {0}
        began = asyncio.get_running_loop().time()
        for _ in range(1000):
            await client._metadata_update(led, ["there"])
        assert asyncio.get_running_loop().time() == began
        asked = 0
        while asyncio.get_running_loop().time() < began + 60:
            await client._metadata_update(led, ["there", "forbidden"])
        assert 100 < asked < 130
        await consumer.stop()

    play(scene())


def test_a_client_gives_the_password_that_is_set_to_the_connections_that_it_makes() -> None:
    for method in (AIOKafkaClient.bootstrap, AIOKafkaClient._get_conn):
        assert "sasl_plain_password=self._sasl_plain_password" in inspect.getsource(method)

    async def act(clients: Clients) -> None:
        set_password(clients.producer.client, "second")
        assert clients.producer.client._sasl_plain_password == "second"

    with_clients(act)


def test_only_a_member_without_instance_id_leaves_its_group() -> None:
    source = inspect.getsource(GroupCoordinator._maybe_leave_group)
    assert "self._group_instance_id is None" in source, "forget_static_membership relies on this comparison"


def test_the_senders_tasks_run_methods_of_the_sender() -> None:
    for name in ("_sender_routine", "_send_produce_req"):
        assert inspect.iscoroutinefunction(getattr(Sender, name, None)), (
            f"sender_tasks looks for tasks of Sender.{name}"
        )


def test_a_consumers_tasks_run_methods_of_its_coordinator_and_its_fetcher() -> None:
    for owner, name in (
        (GroupCoordinator, "_coordination_routine"),
        (GroupCoordinator, "_heartbeat_routine"),
        (GroupCoordinator, "_commit_refresh_routine"),
        (Fetcher, "_fetch_requests_routine"),
        (Fetcher, "_proc_fetch_request"),
    ):
        assert inspect.iscoroutinefunction(getattr(owner, name, None)), (
            f"consumer_tasks looks for tasks of {owner.__name__}.{name}"
        )


def test_bootstrap_keeps_its_connection_in_a_variable_of_the_known_name() -> None:
    bootstrap = inspect.unwrap(AIOKafkaClient.bootstrap)
    source = inspect.getsource(bootstrap)
    assert "bootstrap_conn = await create_conn(" in source, "calls.call relies on this name"
    assert bootstrap.__code__.co_qualname == "AIOKafkaClient.bootstrap"
    assert "bootstrap_conn" in bootstrap.__code__.co_varnames


def test_bootstrap_gives_each_server_the_time_of_a_request() -> None:
    source = inspect.getsource(AIOKafkaClient.bootstrap)
    assert "request_timeout_ms=self._request_timeout_ms" in source, "kafka_clients shortens it meanwhile"
    assert "raise KafkaConnectionError(f" in source, "kafka_clients asks all servers again then"


def test_what_kafka_clients_replaces_is_how_aiokafka_looks_up_coordinators_and_asks_any_broker() -> None:
    for user in (Sender, GroupCoordinator):
        assert "client.coordinator_lookup(" in inspect.getsource(user)
    for asking in (AIOKafkaAdminClient.find_coordinator, AIOKafkaAdminClient.describe_configs):
        assert "self._send_request(req" in inspect.getsource(asking)
    assert "async with self._get_conn_lock:" in inspect.getsource(AIOKafkaClient._get_conn), "there is one for each"
