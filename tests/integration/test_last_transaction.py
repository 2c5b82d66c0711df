"""What Kafka says of the last transaction of an id, and what is read of a partition once it is marked there."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer, TopicPartition

from bridge.adapters.kafka.aiokafka_internals import producer_epoch
from bridge.adapters.kafka.transaction_marks import answered_or, state_of
from tests.integration.test_aiokafka_running_clients import until
from tests.integration.test_transactional_writer import play, writer_of

if TYPE_CHECKING:
    from bridge.adapters.kafka.connection import KafkaConnection


def test_the_state_of_a_transaction_and_the_epoch_of_its_producer_are_told(broker: str) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        name = uuid.uuid4().hex
        producer = AIOKafkaProducer(bootstrap_servers=broker, transactional_id=name)
        await producer.start()
        unused = await state_of(producer.client, f"{name}-never-used")
        assert unused is not None
        assert (unused.state, unused.places) == ("Empty", frozenset())
        await producer.begin_transaction()
        await producer.send_and_wait(settings.topics.events, b"1", partition=0)
        found = await state_of(producer.client, name)
        assert found is not None
        assert (found.state, found.epoch) == ("Ongoing", producer_epoch(producer))
        assert found.places == {TopicPartition(settings.topics.events, 0)}
        assert not found.aborted
        assert not found.committed
        await producer.commit_transaction()
        states: list[str] = []
        for _ in range(100):
            found = await state_of(producer.client, name)
            states.append("" if found is None else found.state)
            if states[-1] == "CompleteCommit":
                break
        assert states[-1] == "CompleteCommit"
        assert set(states) <= {"PrepareCommit", "CompleteCommit"}
        await producer.stop()

    play(scenario, broker)


def test_an_initialisation_is_waited_for_unless_what_is_found_is_enough(broker: str) -> None:
    async def scenario(_: KafkaConnection) -> None:
        name = uuid.uuid4().hex
        producer = AIOKafkaProducer(bootstrap_servers=broker, transactional_id=name)
        assert await answered_or(lambda _: False, 1, producer.start(), producer.client, name)
        endless = asyncio.Event()

        async def waits() -> None:
            await endless.wait()

        assert not await answered_or(lambda found: found.state == "Empty", 2, waits(), producer.client, name)
        await producer.stop()

    play(scenario, broker)


def test_checkpoints_are_read_only_when_what_began_before_an_offset_is_marked(broker: str) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        topic, writer = settings.topics.checkpoints, writer_of(settings, 1)
        owner = AIOKafkaProducer(bootstrap_servers=broker, transactional_id=uuid.uuid4().hex)
        claims = AIOKafkaProducer(bootstrap_servers=broker)
        await owner.start()
        await claims.start()
        await owner.begin_transaction()
        await owner.send_and_wait(topic, b"one", b"chat", partition=1)
        claim = await claims.send_and_wait(topic, None, b"/claim/a/1", partition=1)
        assert await writer.checkpoints() == []
        reading = asyncio.create_task(writer.checkpoints(claim.offset + 1))
        await asyncio.wait([reading], timeout=1.0)
        assert not reading.done()
        await owner.commit_transaction()
        await until(reading.done)
        assert await reading == [("chat", b"one")]
        for one in (owner, claims):
            await one.stop()
        await writer.close()

    play(scenario, broker)
