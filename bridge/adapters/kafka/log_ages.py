"""How old the records of topics are and how many came lately: by offsets and times of records, without reading any.

Kafka tells the first record at or after a time, with its own time, to who may describe the topic (ListOffsets).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiokafka import TopicPartition

from bridge.adapters.kafka.aiokafka_internals import consumer_client, pause_between_updates
from bridge.adapters.kafka.calls import call, time_limit, unavailable
from bridge.adapters.kafka.log_ends import know_leaders
from bridge.adapters.kafka.stopping import stop_consumer
from bridge.kafka_clients import AIOKafkaConsumer
from bridge.waiting import together

if TYPE_CHECKING:
    from collections.abc import Mapping

_failed: Final = unavailable("cannot ask Kafka how old the records are")
_ANSWER_SECONDS: Final = 10.0
_DAY_MS: Final = 86_400_000


class LogAge(NamedTuple):
    """One partition: offsets of its beginning and end, and the offset of the first record of the last 24 hours.

    `oldest_ms` is the time of its oldest record in ms since 1970 UTC; None when it holds none, or none with a time.
    """

    start: int
    end: int
    day_start: int
    oldest_ms: int | None


async def log_ages(
    client: Mapping[str, Any], partitions: Mapping[str, int], now_ms: int
) -> Mapping[str, Mapping[int, LogAge]]:
    """Return topic -> partition -> its age. `partitions` is topic -> number of its partitions.

    `client` holds aiokafka's arguments. Raises KafkaUnavailable, and AccessDenied where a topic may not be described.
    """
    places = [TopicPartition(topic, number) for topic, count in partitions.items() for number in range(count)]
    if not places:
        return {}
    consumer = AIOKafkaConsumer(**{**client, "group_id": None, "enable_auto_commit": False})
    pause_between_updates(consumer)
    try:
        async with time_limit(_ANSWER_SECONDS, "Kafka did not answer how old the records are"):
            await call(consumer.start(), _failed)
            await call(know_leaders(consumer_client(consumer), places), _failed)
            answers = together(
                consumer.beginning_offsets(places),
                consumer.end_offsets(places),
                consumer.offsets_for_times(dict.fromkeys(places, 0)),
                consumer.offsets_for_times(dict.fromkeys(places, now_ms - _DAY_MS)),
            )
            starts, ends, firsts, lately = await call(answers, _failed)
    finally:
        await stop_consumer(consumer)
    found: dict[str, dict[int, LogAge]] = {topic: {} for topic in partitions}
    for place in places:
        first, recent, end = firsts[place], lately[place], ends[place]
        found[place.topic][place.partition] = LogAge(
            starts[place],
            end,
            end if recent is None else recent.offset,
            None if first is None else first.timestamp,
        )
    return found
