"""Where partitions begin and end, asked of their leaders."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiokafka import TopicPartition
from aiokafka.errors import LeaderNotAvailableError, NoError, TopicAuthorizationFailedError, for_code
from aiokafka.protocol.offset import OffsetRequest

from bridge.adapters.kafka.aiokafka_internals import ask_for_topics, unauthorized_topics
from bridge.adapters.kafka.calls import call
from bridge.adapters.kafka.topic_ids import NO_LEADER
from bridge.errors import AccessDenied, KafkaUnavailable
from bridge.waiting import together

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
    from typing import TypeVar

    from aiokafka.client import AIOKafkaClient

    from bridge.adapters.kafka.calls import Translate

    _Result = TypeVar("_Result")

UNCOMMITTED: Final = 0
COMMITTED: Final = 1
_NO_REPLICA: Final = -1
_LATEST: Final = -1
_EARLIEST: Final = -2
_STABLE_SECONDS: Final = 0.05
_LEADER_SECONDS: Final = 1.0
"""For which a partition may have no leader: another replica is made its leader in less, if there is one."""
_AGAIN_SECONDS: Final = 0.1


async def without_leader(client: AIOKafkaClient, places: Collection[TopicPartition]) -> list[TopicPartition]:
    """Have a started client ask who leads these partitions; return those that nobody has led for a second.

    It may know that from long ago: a deposed leader that does not know it yet would tell an old end.
    """
    now = asyncio.get_running_loop().time
    await _ask_for_leaders(client, places)
    end = now() + _LEADER_SECONDS
    while found := [at for at in places if client.cluster.leader_for_partition(at) == NO_LEADER]:
        if now() >= end:
            break
        await asyncio.sleep(_AGAIN_SECONDS)
        await _ask_for_leaders(client, places)
    return found


async def know_leaders(client: AIOKafkaClient, places: Collection[TopicPartition]) -> None:
    """Do so before leaders are asked. Raises LeaderNotAvailableError, with the partition, if one has none."""
    if found := await without_leader(client, places):
        raise LeaderNotAvailableError(found[0])


def leader_of(client: AIOKafkaClient, at: TopicPartition) -> int:
    """Return the broker that leads a partition, as far as is known.

    Raises LeaderNotAvailableError if none does, TopicAuthorizationFailedError if that is not told.
    """
    if at.topic in unauthorized_topics(client):
        raise TopicAuthorizationFailedError(at.topic)
    leader: int | None = client.cluster.leader_for_partition(at)
    if leader is None or leader == NO_LEADER:
        raise LeaderNotAvailableError(at)
    return leader


async def answered(
    client: AIOKafkaClient,
    places: Collection[TopicPartition],
    ask: Callable[[], Awaitable[_Result]],
    translate: Translate,
) -> _Result:
    """Ask the leaders of partitions until there is an answer; others may lead them by now. The caller limits the time.

    Raises the AccessDenied that `translate` raises.
    """
    while True:
        try:
            return await call(ask(), translate)
        except AccessDenied:
            raise
        except KafkaUnavailable:
            await call(_ask_for_leaders(client, places), translate)
            await asyncio.sleep(_AGAIN_SECONDS)


async def log_bounds(
    client: AIOKafkaClient, places: Collection[TopicPartition], translate: Translate
) -> tuple[Mapping[TopicPartition, int], Mapping[TopicPartition, int]]:
    """Return where partitions begin, and their last stable offsets. Who leads them is known to the client.

    The caller limits the time. Raises what `translate` raises.
    """
    starts, ends = await together(
        answered(client, places, lambda: _offsets(client, places, _EARLIEST, UNCOMMITTED), translate),
        answered(client, places, lambda: _offsets(client, places, _LATEST, COMMITTED), translate),
    )
    return starts, ends


async def stable_end(client: AIOKafkaClient, at: TopicPartition, least: int, translate: Translate) -> int:
    """Wait until the last stable offset of a partition is at least this one, and return it.

    The caller limits the time. Raises what `translate` raises.
    """
    while True:
        end = await answered(client, [at], lambda: _offset(client, at, _LATEST, COMMITTED), translate)
        if end >= least:
            return end
        await asyncio.sleep(_STABLE_SECONDS)


async def high_watermark(client: AIOKafkaClient, at: TopicPartition) -> int:
    """Return the end of a partition, beyond transactions that are open. Raises the KafkaError of one request."""
    return await _offset(client, at, _LATEST, UNCOMMITTED)


async def log_start(client: AIOKafkaClient, at: TopicPartition) -> int:
    """Return where a partition begins. Raises the KafkaError of one request."""
    return await _offset(client, at, _EARLIEST, UNCOMMITTED)


async def _ask_for_leaders(client: AIOKafkaClient, places: Iterable[TopicPartition]) -> None:
    """Ask each time for the topics, too: who has not found one meanwhile had the client not ask for it any more."""
    await ask_for_topics(client, {at.topic for at in places})


async def _offset(client: AIOKafkaClient, at: TopicPartition, time: int, isolation: int) -> int:
    return (await _offsets(client, [at], time, isolation))[at]


async def _offsets(
    client: AIOKafkaClient, places: Iterable[TopicPartition], time: int, isolation: int
) -> dict[TopicPartition, int]:
    """Ask each leader once. Raises the first KafkaError."""
    by_leader: dict[int, dict[str, list[tuple[int, int]]]] = {}
    for at in places:
        by_leader.setdefault(leader_of(client, at), {}).setdefault(at.topic, []).append((at.partition, time))
    asked = [_asked(client, leader, list(topics.items()), isolation) for leader, topics in by_leader.items()]
    return {at: offset for answer in await together(*asked) for at, offset in answer.items()}


async def _asked(
    client: AIOKafkaClient, leader: int, topics: list[tuple[str, list[tuple[int, int]]]], isolation: int
) -> dict[TopicPartition, int]:
    response = await client.send(leader, OffsetRequest(_NO_REPLICA, isolation, topics))
    found: dict[TopicPartition, int] = {}
    for topic, partitions in response.topics:
        for partition, code, _, offset in partitions:
            if (error := for_code(code)) is not NoError:
                raise error(topic)
            found[TopicPartition(topic, partition)] = int(offset)
    return found
