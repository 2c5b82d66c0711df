"""Each private attribute of aiokafka that the bridge reads or sets, one function each, but those of `kafka_clients.py`.

aiokafka is pinned to a minor version because of this file. tests/adapters/test_aiokafka_internals.py and
tests/integration/test_aiokafka_running_clients.py name each attribute and what it is needed for; they fail when an
upgrade renames or removes one. The notes on each function refer to aiokafka 0.14.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiokafka.errors import NoError, NotCoordinatorForGroupError, for_code
from aiokafka.protocol.commit import OffsetFetchRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.client import AIOKafkaClient
    from aiokafka.cluster import ClusterMetadata

_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 0.5


def metadata_task_ended(consumer: AIOKafkaConsumer) -> bool:
    """Return whether the consumer's cluster metadata is no longer updated.

    True after an error ended the client's metadata task (aio-libs/aiokafka#1038), and before `start` or after `stop`,
    when there is none. A started consumer in this state never returns records again and raises nothing.

    Relies on `AIOKafkaConsumer._client` and `AIOKafkaClient._sync_task`, None or an asyncio.Task.
    """
    task: asyncio.Task[None] | None = consumer._client._sync_task  # noqa: SLF001
    return task is None or task.done()


def coordinator_known(consumer: AIOKafkaConsumer) -> bool:
    """Return whether the consumer knows its group's coordinator; False before `start`.

    aiokafka discards the coordinator when a request to it fails and searches until it finds one; meanwhile `getmany`
    returns nothing and raises no error.

    Relies on `AIOKafkaConsumer._coordinator`, None until started with a group id, and on its `coordinator_id`, None
    or the broker's node id.
    """
    coordinator = consumer._coordinator  # noqa: SLF001
    return coordinator is not None and coordinator.coordinator_id is not None


def member_id(consumer: AIOKafkaConsumer) -> str:
    """Return the id under which the group's coordinator knows the consumer; empty before it has joined.

    Relies on `AIOKafkaConsumer._coordinator` and `GroupCoordinator.member_id`.
    """
    coordinator = consumer._coordinator  # noqa: SLF001
    return "" if coordinator is None else str(coordinator.member_id)


def coordinator_node(consumer: AIOKafkaConsumer) -> int:
    """Return the node id of the group's coordinator of a started consumer that knows it.

    Relies on `AIOKafkaConsumer._coordinator` and `GroupCoordinator.coordinator_id`.
    """
    return int(consumer._coordinator.coordinator_id)  # noqa: SLF001


def ask_before_joining(
    consumer: AIOKafkaConsumer, may_join: Callable[[], Awaitable[bool]], joined: Callable[[str], None]
) -> None:
    """Make a started consumer ask each time before it joins its group without being a member.

    `may_join` returns whether it may; if not, it asks again after its back-off. A KafkaError that it raises is raised
    by `getmany`. `joined` takes the id of the member after it has joined. A member that the coordinator does not know
    any more forgets its member id and joins again by itself.

    Relies on `AIOKafkaConsumer._coordinator`, on `GroupCoordinator._do_rejoin_group`, which returns whether it
    succeeded and is called again until it does, and on `member_id` and `_retry_backoff_ms`.
    """
    coordinator = consumer._coordinator  # noqa: SLF001
    rejoin = coordinator._do_rejoin_group  # noqa: SLF001

    async def ask_and_rejoin(subscription: object) -> bool:
        if not coordinator.member_id and not await may_join():
            await asyncio.sleep(coordinator._retry_backoff_ms / 1000)  # noqa: SLF001
            return False
        success = bool(await rejoin(subscription))
        if success:
            joined(str(coordinator.member_id))
        return success

    coordinator._do_rejoin_group = ask_and_rejoin  # noqa: SLF001


def notice_untold_offsets(consumer: AIOKafkaConsumer) -> None:
    """Make a started consumer that has not joined yet ask again when its coordinator does not tell committed offsets.

    aiokafka looks only at the codes of partitions, of which an answer with an error has none: it would take the group
    to have committed nothing, and begin at the beginning.

    Relies on `AIOKafkaConsumer._coordinator`, and on `GroupCoordinator._send_req`, by which every request is sent, and
    whose errors are those of an answer; on `coordinator_dead` and `group_id`.
    """
    coordinator = consumer._coordinator  # noqa: SLF001
    send = coordinator._send_req  # noqa: SLF001

    async def send_and_check(request: object) -> object:
        response = await send(request)
        if isinstance(request, OffsetFetchRequest) and (error := for_code(response.error_code)) is not NoError:
            if error is NotCoordinatorForGroupError:
                coordinator.coordinator_dead()
            raise error(coordinator.group_id)
        return response

    coordinator._send_req = send_and_check  # noqa: SLF001


def joining_again(consumer: AIOKafkaConsumer) -> bool:
    """Return whether a started consumer joins its group now, or is about to, for the first time or again.

    Requests in its name wait behind the join and are then refused, since they name its former generation; aiokafka
    makes it join once more.

    Relies on `AIOKafkaConsumer._subscription`, on `subscription` and `reassignment_in_progress` of it, and on
    `GroupCoordinator.need_rejoin`.
    """
    state, coordinator = consumer._subscription, consumer._coordinator  # noqa: SLF001
    return bool(state.reassignment_in_progress or coordinator.need_rejoin(state.subscription))


def join_again(consumer: AIOKafkaConsumer) -> None:
    """Make a started consumer join its group again, as a member that has something else to say.

    Relies on `AIOKafkaConsumer._coordinator` and `GroupCoordinator.request_rejoin`.
    """
    consumer._coordinator.request_rejoin()  # noqa: SLF001


def forget_static_membership(consumer: AIOKafkaConsumer) -> None:
    """Make `stop` send LeaveGroup although the consumer is a static member; nothing to do before `start`.

    aiokafka sends LeaveGroup only for a member without a group instance id. The broker identifies the member by its
    member id, so that the request needs no instance id.

    Relies on `GroupCoordinator._group_instance_id`, which `_maybe_leave_group` compares with None.
    """
    coordinator = consumer._coordinator  # noqa: SLF001
    if coordinator is not None:
        coordinator._group_instance_id = None  # noqa: SLF001


def producer_error(producer: AIOKafkaProducer) -> BaseException | None:
    """Return the error that ended the producer, None while there is none.

    Once its sender has failed, the producer answers calls with IllegalOperation or an assertion; the cause (such as
    ProducerFenced) is only kept here.

    Relies on `AIOKafkaProducer._message_accumulator` and `MessageAccumulator._exception`.
    """
    error: BaseException | None = producer._message_accumulator._exception  # noqa: SLF001
    return error


def producer_epoch(producer: AIOKafkaProducer) -> tuple[int, int]:
    """Return Kafka's id of a transactional producer and its epoch; both are -1 before it is initialised.

    Relies on `AIOKafkaProducer._txn_manager` and on its `producer_id` and `producer_epoch`.
    """
    manager = producer._txn_manager  # noqa: SLF001
    return int(manager.producer_id), int(manager.producer_epoch)


def fail_pending_batches(producer: AIOKafkaProducer, error: Exception) -> None:
    """Set `error` on the future of every batch that is not delivered; `producer_error` returns it from then on.

    Relies on `AIOKafkaProducer._message_accumulator`; its `fail_all` is what the sender itself calls when it fails.
    """
    producer._message_accumulator.fail_all(error)  # noqa: SLF001


def fail_batches_outside_transaction(producer: AIOKafkaProducer) -> None:
    """Let an error of a transaction fail the batches of all partitions that are not part of the transaction yet.

    aiokafka sends them instead (`error_transaction` forgets that their partitions are still to be added), e.g. the
    checkpoints when writing to the events topic is denied. A broker refuses such a batch, unless it has not written the
    marker of the producer's previous transaction to that partition yet: then the batch becomes part of that committed
    transaction. To be called before `start`.

    Relies on `AIOKafkaProducer._txn_manager`, on its `partitions_to_add` and `error_transaction`, and on
    `MessageAccumulator._batches`, partition -> batches that were not sent.
    """
    transactions, unsent = producer._txn_manager, producer._message_accumulator._batches  # noqa: SLF001
    error_transaction = transactions.error_transaction

    def fail(error: Exception) -> None:
        outside = set(transactions.partitions_to_add())
        error_transaction(error)
        for partition in outside:
            for batch in unsent.pop(partition, ()):
                batch.failure(error)

    transactions.error_transaction = fail


def sender_tasks(producer: AIOKafkaProducer) -> list[asyncio.Task[object]]:
    """Return the tasks of the running loop that execute a method of the producer's sender.

    The sender holds its main task in an attribute, but those that it sends requests with only in a local variable;
    they retry without limit. So the tasks are identified by the object whose coroutine they run.

    Relies on `AIOKafkaProducer._sender`, and on the sender's tasks running its own coroutine methods.
    """
    return _tasks_of(producer._sender)  # noqa: SLF001


def consumer_tasks(consumer: AIOKafkaConsumer) -> list[asyncio.Task[object]]:
    """Return the tasks of the running loop that execute a method of the consumer's coordinator or fetcher.

    Each cancels what it has started itself. One that is not cancelled keeps sending requests, on new connections.

    Relies on `AIOKafkaConsumer._coordinator` and `AIOKafkaConsumer._fetcher`, None until started, and on their tasks
    running their own coroutine methods.
    """
    return _tasks_of(consumer._coordinator, consumer._fetcher)  # noqa: SLF001


def consumer_client(consumer: AIOKafkaConsumer) -> AIOKafkaClient:
    """Return the client with the consumer's connections. Relies on `AIOKafkaConsumer._client`."""
    return consumer._client  # noqa: SLF001


def admin_client(admin: AIOKafkaAdminClient) -> AIOKafkaClient:
    """Return the client with the admin client's connections. Relies on `AIOKafkaAdminClient._client`."""
    return admin._client  # noqa: SLF001


def open_transports(client: AIOKafkaClient) -> list[asyncio.Transport]:
    """Return the transports of a client's open connections.

    `close` of aiokafka waits until everything written is sent, which a broker that does not read prevents for ever.

    Relies on `AIOKafkaClient._conns`, a dict, and `AIOKafkaConnection._writer`, an asyncio.StreamWriter or None.
    """
    writers = [connection._writer for connection in client._conns.values()]  # noqa: SLF001
    return [writer.transport for writer in writers if writer is not None]


def set_password(client: AIOKafkaClient, password: str) -> None:
    """Make a client authenticate its next connections with another password (SASL PLAIN and SCRAM).

    Relies on `AIOKafkaClient._sasl_plain_password`, which the client passes to each connection that it makes.
    """
    client._sasl_plain_password = password  # noqa: SLF001


def last_answer(client: AIOKafkaClient) -> float:
    """Return when a broker last answered on a connection that the client still has, in `time.monotonic`; else 0.0.

    Relies on `AIOKafkaClient._conns`, whose connections have answered at least once, and on
    `AIOKafkaConnection._last_action`, a time that each answer sets.
    """
    times: list[float] = [connection._last_action for connection in client._conns.values()]  # noqa: SLF001
    return max(times, default=0.0)


def pause_between_updates(consumer: AIOKafkaConsumer) -> None:
    """Make a consumer that was just made wait before it asks again for metadata that did not have all it needs.

    aiokafka asks as soon as it is answered, about a thousand times a second, as long as a topic that it is to read may
    not be described, or a partition has no leader. The first pause is 0.1 s, the longest 0.5 s.

    Relies on `AIOKafkaConsumer._client`, and on `AIOKafkaClient._metadata_update`, which is called for each update.
    """
    client = consumer._client  # noqa: SLF001
    update = client._metadata_update  # noqa: SLF001
    pause, due = _FIRST_PAUSE, 0.0

    async def update_after_pause(cluster: ClusterMetadata, topics: Iterable[str] | None) -> bool:
        nonlocal pause, due
        now = asyncio.get_running_loop().time
        await asyncio.sleep(max(due - now(), 0.0))
        updated = bool(await update(cluster, topics))
        if all(_has_leaders(cluster, topic) for topic in topics or ()):
            pause, due = _FIRST_PAUSE, 0.0
        else:
            pause, due = min(2 * pause, _LONGEST_PAUSE), now() + pause
        return updated

    client._metadata_update = update_after_pause  # noqa: SLF001


def _has_leaders(cluster: ClusterMetadata, topic: str) -> bool:
    partitions = cluster.partitions_for_topic(topic)
    return bool(partitions) and partitions == cluster.available_partitions_for_topic(topic)


def unauthorized_topics(client: AIOKafkaClient) -> set[str]:
    """Return the topics that the client has asked for and may not describe; it cannot tell whether they exist.

    Relies on `AIOKafkaClient.cluster` and `ClusterMetadata.unauthorized_topics`.
    """
    found: set[str] = client.cluster.unauthorized_topics
    return found


def ask_for_topics(client: AIOKafkaClient, topics: Iterable[str]) -> Awaitable[bool]:
    """Have a started client ask now, and from now on, for the leaders of these topics, and of those that it has.

    With `add_topic`, a topic that is added while an answer is on its way is not asked for: aiokafka does not notice it.

    Relies on `AIOKafkaClient._topics`, a set of names.
    """
    client.set_topics(client._topics | set(topics))  # noqa: SLF001
    asked: Awaitable[bool] = client.force_metadata_update()
    return asked


def ask_no_more(client: AIOKafkaClient, topics: Iterable[str]) -> None:
    """Have a client not ask for topics any more that do not exist; if it had none left, it would ask for all there are.

    Relies on `AIOKafkaClient._topics`, a set of names.
    """
    if others := client._topics - set(topics):  # noqa: SLF001
        client.set_topics(others)


def read_positions(consumer: AIOKafkaConsumer) -> list[tuple[int, int, int]]:
    """Return partition, next offset to be read, and the log's end, of the assigned partitions where both are known.

    `AIOKafkaConsumer.position` waits until there is one; this does not. Relies on `AIOKafkaConsumer._subscription` and
    on the `position`, `has_valid_position` and `highwater` of the states of its assignment.
    """
    subscription = consumer._subscription.subscription  # noqa: SLF001
    assignment = None if subscription is None else subscription.assignment
    if assignment is None:
        return []
    states = [(at.partition, assignment.state_value(at)) for at in assignment.tps]
    return [
        (partition, state.position, state.highwater)
        for partition, state in states
        if state.has_valid_position and state.highwater is not None
    ]


def _tasks_of(*owners: object) -> list[asyncio.Task[object]]:
    frames = ((task, getattr(task.get_coro(), "cr_frame", None)) for task in asyncio.all_tasks())
    own = ((task, None if frame is None else frame.f_locals.get("self")) for task, frame in frames)
    return [task for task, owner in own if owner is not None and any(owner is one for one in owners)]
