"""Errors by call site: raised in a call of aiokafka they are retried, raised in the bridge's code they are defects."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import (
    IllegalOperation,
    InvalidProducerEpoch,
    ProducerFenced,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from bridge.adapters.kafka import (
    announcement_consumer,
    temporary_admin,
    topic_lookup,
    topic_reader,
    transactional_writer,
)
from bridge.adapters.kafka.announcement_consumer import AnnouncementConsumer
from bridge.adapters.kafka.calls import call, time_limit, unavailable
from bridge.adapters.kafka.connection import KafkaConnection
from bridge.adapters.kafka.kept_client import asking_client
from bridge.adapters.kafka.required_topics import TopicShape
from bridge.adapters.kafka.topic_manager import TopicManager, TopicNames
from bridge.adapters.kafka.topic_reader import reader
from bridge.adapters.kafka.transactional_writer import KafkaTransactionalWriter
from bridge.capture.ports import Batch, Outgoing
from bridge.errors import AccessDenied, KafkaUnavailable, ShardFenced
from tests.support.wanted_topics import wanted

if TYPE_CHECKING:
    from collections.abc import Coroutine

SETTINGS = KafkaConnection(bootstrap_servers="127.0.0.1:1", group="g", topics=TopicNames())
WHATEVER = [OSError(), AssertionError(), RuntimeError(), TypeError(), KeyError("node"), AttributeError()]
"""Errors that aiokafka raises or may raise; defects of the bridge may have the same classes."""
STEPS = ["begin_transaction", "send_batch", "delivery", "send_offsets_to_transaction", "commit_transaction"]
RECORD = Outgoing("topic", 0, b"chat", b"value", [("ce_id", b"1")])


class ScriptedBatch:
    """A BatchBuilder that takes everything, or nothing."""

    def __init__(self, *, takes: bool) -> None:
        self.takes = takes
        self.records = 0

    def append(self, **record: Any) -> object:
        b"".join([record["key"], record["value"] or b"", *(value for _, value in record["headers"])])
        self.records += 1
        return object() if self.takes else None

    def record_count(self) -> int:
        return self.records

    def size(self) -> int:
        return 0

    def close(self) -> None:
        pass


class ScriptedAccumulator:
    """Where aiokafka keeps what ended a producer."""

    _exception: BaseException | None = None


class ScriptedProducer:
    """An AIOKafkaProducer of which one call raises an error."""

    def __init__(self, fails: str = "", error: Exception | None = None) -> None:
        self.called: list[str] = []
        self._fails = fails
        self._error = error
        self._message_accumulator = ScriptedAccumulator()
        self.takes = True

    def _step(self, name: str) -> None:
        self.called.append(name)
        if name == self._fails and self._error is not None:
            raise self._error

    async def begin_transaction(self) -> None:
        self._step("begin_transaction")

    def create_batch(self) -> ScriptedBatch:
        return ScriptedBatch(takes=self.takes)

    async def send_batch(self, _batch: object, _topic: str, *, partition: int) -> asyncio.Future[object]:
        assert partition >= 0
        self._step("send_batch")
        sent: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        if self._fails == "delivery" and self._error is not None:
            sent.set_exception(self._error)
        else:
            sent.set_result(SimpleNamespace(offset=7))
        return sent

    async def send_offsets_to_transaction(self, _offsets: object, _group: str) -> None:
        self._step("send_offsets_to_transaction")

    async def commit_transaction(self) -> None:
        self._step("commit_transaction")


def commit(producer: ScriptedProducer, *events: Outgoing) -> None:
    writer = KafkaTransactionalWriter(SETTINGS, asking_client(SETTINGS), 0, ["topic"])
    writer._producer = producer
    asyncio.run(writer.commit(Batch(list(events) or [RECORD], announcement_offset=7)))


def test_without_an_error_every_step_is_done_in_order() -> None:
    producer = ScriptedProducer()
    commit(producer)
    assert producer.called == [step for step in STEPS if step != "delivery"]


@pytest.mark.parametrize("error", WHATEVER, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("step", STEPS)
def test_what_a_call_of_aiokafka_raises_is_retried_whatever_its_class(step: str, error: Exception) -> None:
    with pytest.raises(KafkaUnavailable, match=type(error).__name__) as caught:
        commit(ScriptedProducer(step, error))
    assert caught.value.retryable
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ProducerFenced(), ShardFenced),
        (InvalidProducerEpoch(), ShardFenced),
        (TransactionalIdAuthorizationFailed(), AccessDenied),
        (TopicAuthorizationFailedError("topic"), AccessDenied),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_what_aiokafka_says_of_fencing_and_rights_is_told_apart(error: Exception, expected: type[Exception]) -> None:
    with pytest.raises(expected) as caught:
        commit(ScriptedProducer("commit_transaction", error))
    assert type(caught.value) is expected


def test_a_producer_that_only_says_that_it_cannot_go_on_is_asked_what_ended_it() -> None:
    producer = ScriptedProducer("begin_transaction", IllegalOperation())
    producer._message_accumulator._exception = fenced = ProducerFenced()
    with pytest.raises(ShardFenced) as caught:
        commit(producer)
    assert caught.value.__cause__ is fenced


@pytest.mark.parametrize(
    "record",
    [
        Outgoing("topic", 0, b"chat", "text"),  # type: ignore[arg-type]
        Outgoing("topic", 0, "text", b"value"),  # type: ignore[arg-type]
        Outgoing("topic", 0, b"chat", b"value", [("ce_id", 1)]),  # type: ignore[list-item]
        Outgoing("topic", 0, b"chat", b"value", None),  # type: ignore[arg-type]
    ],
    ids=["value", "key", "header", "no headers"],
)
def test_a_value_that_we_must_not_write_is_a_defect_and_leaves_no_transaction_open(record: Outgoing) -> None:
    producer = ScriptedProducer()
    with pytest.raises(TypeError):
        commit(producer, RECORD, record)
    assert producer.called == []


def test_a_record_that_its_batch_does_not_take_is_not_left_out_silently() -> None:
    producer = ScriptedProducer()
    producer.takes = False
    with pytest.raises(ValueError, match="does not fit"):
        commit(producer)
    assert producer.called == []


def test_a_defect_in_the_packing_is_not_taken_for_kafkas(monkeypatch: pytest.MonkeyPatch) -> None:
    def defective(_: object) -> int:
        raise AssertionError("ours")

    monkeypatch.setattr(transactional_writer, "_max_size", defective)
    with pytest.raises(AssertionError, match="ours"):
        commit(ScriptedProducer(), RECORD, RECORD)


# --- the other users of aiokafka -------------------------------------------------------------------------------------


class QuietClient:
    """What is looked at of a consumer's own client."""

    def __init__(self) -> None:
        self._conns: dict[object, object] = {}

    async def _metadata_update(self, *_: object) -> bool:
        return False


class ScriptedClient:
    """Any other client of aiokafka: every method raises the error, except those that a test replaces."""

    error: Exception
    answers: dict[str, object]

    def __init__(self, **_: object) -> None:
        self._client = QuietClient()  # of a consumer

    def __getattr__(self, name: str) -> Any:
        async def answer(*_: object, **__: object) -> object:
            if name in self.answers:
                return self.answers[name]
            raise self.error

        return answer


def scripted(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, error: Exception, **answers: object
) -> type[ScriptedClient]:
    client = type("Client", (ScriptedClient,), {"error": error, "answers": {"stop": None, "close": None, **answers}})
    monkeypatch.setattr(module, name, client)
    return client


def play(scenario: Coroutine[Any, Any, object]) -> None:
    asyncio.run(scenario)


@pytest.mark.parametrize("error", WHATEVER, ids=lambda error: type(error).__name__)
def test_the_same_holds_for_consumer_topics_and_readers(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, announcement_consumer, "AIOKafkaConsumer", error)
    scripted(monkeypatch, temporary_admin, "AIOKafkaAdminClient", error)
    scripted(monkeypatch, topic_reader, "AIOKafkaConsumer", error)

    async def assigned(_: frozenset[int]) -> None:
        pass

    async def read() -> None:
        async with reader({"bootstrap_servers": "127.0.0.1:1"}):
            pass

    topics = TopicManager("127.0.0.1:1", {}, wanted(TopicNames(), TopicShape(1, 1, 1, 1, 1)))
    for scenario in (
        AnnouncementConsumer(SETTINGS, worker_id="w", session_timeout=6).start(assigned),
        topics.plan(),
        read(),
    ):
        with pytest.raises(KafkaUnavailable, match=type(error).__name__):
            play(scenario)


def test_a_defect_in_evaluating_a_response_is_not_taken_for_kafkas(monkeypatch: pytest.MonkeyPatch) -> None:
    class AnsweringClient:
        cluster = SimpleNamespace(brokers=lambda: [SimpleNamespace(nodeId=0)])

        async def send(self, *_: object) -> object:
            return SimpleNamespace(topics=[()])

    scripted(monkeypatch, temporary_admin, "AIOKafkaAdminClient", OSError(), start=None)
    monkeypatch.setattr(topic_lookup, "admin_client", lambda _: AnsweringClient())
    topics = TopicManager("127.0.0.1:1", {}, wanted(TopicNames(), TopicShape(1, 1, 1, 1, 1)))
    with pytest.raises(ValueError, match="not enough values"):
        play(topics.plan())


def test_a_defect_in_the_block_of_a_reader_is_not_taken_for_kafkas(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, topic_reader, "AIOKafkaConsumer", OSError(), start=None)

    async def read() -> None:
        async with reader({"bootstrap_servers": "127.0.0.1:1"}):
            raise OSError("ours")

    with pytest.raises(OSError, match="ours"):
        play(read())


def test_a_defect_in_taking_an_assignment_is_raised_where_announcements_are_read() -> None:
    async def assigned(_: frozenset[int]) -> None:
        raise KeyError("ours")

    async def scenario() -> None:
        consumer = AnnouncementConsumer(SETTINGS, worker_id="w", session_timeout=6)
        consumer._on_assigned, consumer._consumer = assigned, object()
        with pytest.raises(KeyError):  # aiokafka logs it and continues
            await consumer.on_partitions_assigned({TopicPartition("announcements", 0)})
        with pytest.raises(KeyError, match="ours"):
            await consumer.fetch(frozenset())

    play(scenario())


def test_a_time_limit_is_kafkas_only_when_it_was_ours() -> None:
    async def late() -> None:
        async with time_limit(0, "too late"):
            await asyncio.Event().wait()

    async def other() -> None:
        async with time_limit(60, "too late"):
            raise TimeoutError("another")

    with pytest.raises(KafkaUnavailable, match="too late"):
        play(late())
    with pytest.raises(TimeoutError, match="another"):
        play(other())


def test_a_call_that_is_cancelled_stays_cancelled() -> None:
    async def scenario() -> None:
        waiting = asyncio.ensure_future(call(asyncio.Event().wait(), unavailable("not reached")))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    play(scenario())
