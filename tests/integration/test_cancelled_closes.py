"""Kafka clients whose closing is cancelled, or who cannot close without an answer of Kafka: nothing stays."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bridge.adapters.kafka.announcement_consumer import AnnouncementConsumer
from bridge.adapters.kafka.announcement_producer import AnnouncementProducer
from bridge.adapters.kafka.producers import ignore_unretrieved_batches
from bridge.adapters.kafka.topic_manager import TopicManager
from bridge.adapters.kafka.topic_reader import reader
from bridge.announcement import Announcement
from bridge.capture.ports import Batch
from bridge.errors import KafkaUnavailable
from bridge.sandbox import LocalBroker
from tests.integration.test_transactional_writer import prepared, record, settings_for, writer_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from bridge.adapters.kafka.connection import KafkaConnection


def sockets() -> set[str]:
    """Return the open sockets of this process."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(str(entry.readlink()))
    return {name for name in found if name.startswith("socket:")}


async def nothing_stays(tasks: set[asyncio.Task[object]], before: set[str], seconds: float = 1.0) -> None:
    """Wait until no task and no socket is there that was not there before."""
    deadline = time.monotonic() + seconds
    while (left := asyncio.all_tasks() - tasks) or sockets() - before:
        assert time.monotonic() < deadline, f"still there: {left}, {sockets() - before}"
        await asyncio.sleep(0.02)


async def cancelled_after(seconds: float, work: Coroutine[None, None, object], ends_within: float) -> None:
    """Cancel `work` after some seconds; it ends as cancelled, within seconds."""
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait([task], timeout=seconds)
    assert not done
    task.cancel()
    began = time.monotonic()
    await asyncio.wait([task], timeout=30)
    assert task.cancelled()
    assert time.monotonic() - began < ends_within


@pytest.fixture(scope="module")
def pausable() -> Iterator[LocalBroker]:
    """Give a broker that each test leaves running."""
    with LocalBroker() as broker:
        yield broker


async def prepared_after_a_pause(settings: KafkaConnection) -> KafkaConnection:
    """Create the topics, once the broker is a member of its cluster again: it was not while it was paused."""
    for _ in range(60):
        with suppress(KafkaUnavailable):
            return await prepared(settings)
        await asyncio.sleep(0.5)
    pytest.fail("the broker does not come back")


def while_paused(
    broker: LocalBroker,
    before_pause: Callable[[KafkaConnection], Coroutine[None, None, Callable[[], Coroutine[None, None, None]]]],
) -> None:
    """Prepare a client, pause the broker, do what `before_pause` returned; nothing is left, still without Kafka."""

    async def scenario() -> None:
        asyncio.get_running_loop().set_exception_handler(ignore_unretrieved_batches)
        settings = await prepared_after_a_pause(settings_for(broker.bootstrap_servers))
        tasks, before = asyncio.all_tasks(), sockets()
        act = await before_pause(settings)
        broker.pause()
        try:
            await act()
            await nothing_stays(tasks, before)
        finally:
            broker.resume()

    asyncio.run(scenario())


def test_a_writer_whose_close_is_cancelled_during_an_outage_leaves_nothing(pausable: LocalBroker) -> None:
    async def prepare(settings: KafkaConnection) -> Callable[[], Coroutine[None, None, None]]:
        writer = writer_of(settings, 0)
        await writer.open()

        async def act() -> None:
            await cancelled_after(
                1, writer.commit(Batch([record(settings.topics.events, 0, 1)], announcement_offset=1)), 1
            )
            await cancelled_after(0.5, writer.close(), 2)

        return act

    while_paused(pausable, prepare)


def test_an_announcement_producer_whose_close_is_cancelled_during_an_outage_leaves_nothing(
    pausable: LocalBroker,
) -> None:
    async def prepare(settings: KafkaConnection) -> Callable[[], Coroutine[None, None, None]]:
        producer = AnnouncementProducer(settings)
        announcement = Announcement(session_id="0000HERE00000001", host="chat-1", port=4800)
        await producer.announce([announcement])

        async def act() -> None:
            await cancelled_after(0.5, producer.announce([announcement]), 1)
            await cancelled_after(0.5, producer.close(), 2)

        return act

    while_paused(pausable, prepare)


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_consumer_that_leaves_during_an_outage_is_ended(pausable: LocalBroker, *, cancelled: bool) -> None:
    async def prepare(settings: KafkaConnection) -> Callable[[], Coroutine[None, None, None]]:
        consumer = AnnouncementConsumer(settings, worker_id="worker-1", session_timeout=6)
        assigned = asyncio.Event()

        async def note(_: frozenset[int]) -> None:
            assigned.set()

        await consumer.start(note)
        while not assigned.is_set():
            await consumer.fetch(frozenset())
        await consumer.fetch(frozenset())

        async def act() -> None:
            if cancelled:
                await cancelled_after(0.5, consumer.leave(), 2)
            else:
                async with asyncio.timeout(9):
                    await consumer.leave()

        return act

    while_paused(pausable, prepare)


def test_a_consumer_that_is_left_while_it_starts_is_ended(pausable: LocalBroker) -> None:
    async def prepare(settings: KafkaConnection) -> Callable[[], Coroutine[None, None, None]]:
        async def note(_: frozenset[int]) -> None: ...

        for turns in range(0, 60, 4):
            consumer = AnnouncementConsumer(settings, worker_id="worker-1", session_timeout=6)
            starting = asyncio.ensure_future(consumer.start(note))
            for _ in range(turns):
                await asyncio.sleep(0)
            await consumer.leave()
            if turns % 8:
                starting.cancel()
            with suppress(KafkaUnavailable, asyncio.CancelledError):
                await starting
            await consumer.leave()

        async def act() -> None: ...

        return act

    while_paused(pausable, prepare)


def test_a_reader_and_an_admin_client_that_are_cancelled_during_an_outage_leave_nothing(
    pausable: LocalBroker,
) -> None:
    async def prepare(settings: KafkaConnection) -> Callable[[], Coroutine[None, None, None]]:
        arguments = {"bootstrap_servers": settings.bootstrap_servers}
        reading = asyncio.Event()

        async def read() -> None:
            async with reader(arguments) as topics:
                async for _ in topics.follow(settings.topics.events, range(4), from_beginning=True):
                    reading.set()

        task = asyncio.ensure_future(read())
        await reading.wait()

        async def act() -> None:
            await cancelled_after(0.5, TopicManager(settings.bootstrap_servers, {}, []).plan(), 2)
            task.cancel()
            await asyncio.wait([task], timeout=7)
            assert task.cancelled()

        return act

    while_paused(pausable, prepare)
