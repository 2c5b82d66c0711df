"""Kafka's time of a record is that of writing, and a wrong clock of the host stops no commit."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import OFFSET_BEGINNING, TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME, Consumer, TopicPartition

from bridge.adapters.clock import SystemClock
from bridge.adapters.kafka.announcement_producer import AnnouncementProducer
from bridge.adapters.kafka.record_times import RecordTimes
from bridge.announcement import Announcement
from bridge.capture.ports import Batch
from bridge.errors import AnnouncementsNotWritten, KafkaUnavailable
from tests.integration.test_transactional_writer import play, record, writer_of
from tests.support.kafka_tools import alter

if TYPE_CHECKING:
    from bridge.adapters.kafka.connection import KafkaConnection

DAYS = 3 * 86_400
LIMIT_MS = 60_000
NO_TIME = -1


class WrongClock(SystemClock):
    """The machine's clock, `ahead` seconds ahead."""

    ahead = 0

    def now_us(self) -> int:
        return super().now_us() + self.ahead * 1_000_000


def times_in(settings: KafkaConnection, topic: str, partition: int) -> list[tuple[int, int]]:
    """Return (type, ms) of the time of every committed record of a partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": settings.bootstrap_servers,
            "group.id": uuid.uuid4().hex,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
        }
    )
    try:
        at = TopicPartition(topic, partition, OFFSET_BEGINNING)
        consumer.assign([at])
        found: list[tuple[int, int]] = []
        _, end = consumer.get_watermark_offsets(at, 20)
        deadline = time.monotonic() + 20
        while consumer.position([at])[0].offset < end - 1:  # the last one is the commit's marker
            assert time.monotonic() < deadline
            message = consumer.poll(0.2)
            if message is not None and message.error() is None:
                found.append(message.timestamp())
        return found
    finally:
        consumer.close()


async def committed(settings: KafkaConnection, number: int) -> str:
    """Commit one event with a new writer; return the error if it was refused."""
    writer = writer_of(settings, 0)
    try:
        await writer.open()
        await writer.commit(Batch([record(settings.topics.events, 0, number)]))
    except KafkaUnavailable as error:
        return str(error)
    finally:
        await writer.close()
    return ""


def own_times(settings: KafkaConnection, *topics: str) -> None:
    """Make topics as their owner may have made them: with the times of producers, within a minute."""
    for topic in topics:
        alter(settings.bootstrap_servers, topic, "message.timestamp.type", "CreateTime")
        alter(settings.bootstrap_servers, topic, "message.timestamp.after.max.ms", str(LIMIT_MS))


def near(ms: int) -> bool:
    return abs(ms - time.time_ns() // 1_000_000) < LIMIT_MS / 2


@pytest.mark.parametrize("ahead", [DAYS, -DAYS])
def test_topics_of_the_bridge_take_the_broker_s_time_whatever_the_clock_says(broker: str, ahead: int) -> None:
    clock = WrongClock()
    clock.ahead = ahead

    async def scenario(settings: KafkaConnection) -> None:
        assert await committed(settings, 1) == ""
        [(kind, ms)] = await asyncio.to_thread(times_in, settings, settings.topics.events, 0)
        assert kind == TIMESTAMP_LOG_APPEND_TIME
        assert near(ms)

    play(scenario, broker, times=RecordTimes(clock))


def test_a_clock_that_jumps_ahead_costs_one_transaction_on_topics_of_others(broker: str) -> None:
    clock = WrongClock()

    async def scenario(settings: KafkaConnection) -> None:
        events = settings.topics.events
        await asyncio.to_thread(own_times, settings, events)
        told = [await committed(settings, 1)]
        clock.ahead = DAYS
        told += [await committed(settings, number) for number in (2, 3, 4)]
        clock.ahead = 0
        told += [await committed(settings, 5)]
        assert [bool(one) for one in told] == [False, True, False, False, False]
        assert "this host's clock is not that of the broker" in told[1]
        written = await asyncio.to_thread(times_in, settings, events, 0)
        assert [kind for kind, _ in written] == [TIMESTAMP_CREATE_TIME] * 4
        assert all(near(ms) for _, ms in written)

    play(scenario, broker, times=RecordTimes(clock))


def test_a_worker_that_starts_with_a_wrong_clock_writes_without_times_on_topics_of_others(broker: str) -> None:
    clock = WrongClock()
    clock.ahead = DAYS

    async def scenario(settings: KafkaConnection) -> None:
        events = settings.topics.events
        await asyncio.to_thread(own_times, settings, events)
        told = [await committed(settings, number) for number in (1, 2, 3)]
        assert [bool(one) for one in told] == [True, False, False]
        written = await asyncio.to_thread(times_in, settings, events, 0)
        assert [ms for _, ms in written] == [NO_TIME, NO_TIME]

    play(scenario, broker, times=RecordTimes(clock))


def test_an_announcement_refused_for_its_time_is_taken_when_it_is_sent_again(broker: str) -> None:
    clock = WrongClock()
    clock.ahead = DAYS

    async def scenario(settings: KafkaConnection) -> None:
        await asyncio.to_thread(own_times, settings, settings.topics.announcements)
        announcer = AnnouncementProducer(settings)
        told = [Announcement(session_id="0000TEST00000001", host="chat-1", port=4800)]
        try:
            with pytest.raises(AnnouncementsNotWritten, match="InvalidTimestamp"):
                await announcer.announce(told)
            await announcer.announce(told)
        finally:
            await announcer.close()

    play(scenario, broker, times=RecordTimes(clock))
