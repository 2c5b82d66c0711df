"""Where the logs of a shard's partitions begin and end, and what is in them."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NoReturn

from aiokafka import TopicPartition
from aiokafka.client import CoordinationType
from aiokafka.errors import NoError, TopicAuthorizationFailedError, for_code
from aiokafka.protocol.commit import OffsetFetchRequest

from bridge.adapters.kafka.aiokafka_internals import ask_no_more
from bridge.adapters.kafka.any_broker import answer_of_any
from bridge.adapters.kafka.calls import call, time_limit, unavailable
from bridge.adapters.kafka.log_ends import answered, high_watermark, know_leaders, log_bounds, stable_end
from bridge.adapters.kafka.partition_reading import committed_records
from bridge.adapters.kafka.rights import Right, denied, principal_of
from bridge.adapters.kafka.temporary_admin import temporary_admin
from bridge.adapters.kafka.topic_ids import FoundTopic, TopicIdsRequest, described_topics, found_topics
from bridge.records.shard_facts import LogMark

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

    from aiokafka.client import AIOKafkaClient

    from bridge.adapters.kafka.connection import KafkaConnection
    from bridge.adapters.kafka.kept_client import KeptClient
    from bridge.capture.ports import StoredRecord
    from bridge.records.shard_facts import Logs

KINDS: Final = ("announcements", "checkpoints")
"""The topics whose logs tell whether Kafka has forgotten something, beside those of the outputs."""
_ANSWER_SECONDS: Final = 10.0
_failed: Final = unavailable("cannot look at the logs of a shard")


class KafkaShardLogs:
    """The `ShardLogs` of one partition."""

    def __init__(
        self,
        settings: KafkaConnection,
        questions: KeptClient,
        partition: int,
        more: Iterable[str] = (),
        outputs: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`questions` is the client that asks, for all shards. `more` are kinds of topics to look at beside KINDS.

        `outputs`: kind of topic -> its name, of all outputs.
        """
        self._settings = settings
        self._questions = questions
        self._partition = partition
        self._names = {kind: str(getattr(settings.topics, kind)) for kind in (*KINDS, *more)} | dict(outputs)

    @property
    def names(self) -> Mapping[str, str]:
        """Kind -> name of the topics."""
        return self._names

    async def look(self) -> Logs:
        """Return the logs as they are now."""
        names = self.names
        async with (
            time_limit(_ANSWER_SECONDS, "Kafka did not answer where the logs end"),
            self._questions.use() as client,
        ):
            topics = await topics_there(client, list(names.values()), self._settings)
            ask_no_more(client, set(names.values()) - topics.keys())
            there = {
                kind: TopicPartition(name, self._partition)
                for kind, name in names.items()
                if name in topics and topics[name].partitions > self._partition
            }
            if not there:
                return {}
            places = list(there.values())
            await call(know_leaders(client, places), _failed)
            starts, ends = await log_bounds(client, places, _failed)
        return {
            kind: LogMark(topics[at.topic].topic_id, starts[at], ends[at], topics[at.topic].partitions)
            for kind, at in there.items()
        }

    async def marked(self, kind: str) -> int:
        """Wait for the last stable offset to reach the end as it is now, for a transaction time-out at most."""
        at = TopicPartition(self._names[kind], self._partition)
        seconds = self._settings.transaction_timeout
        async with (
            time_limit(seconds, f"transactions on {at.topic} were not marked within {seconds:g} s"),
            self._questions.use() as client,
        ):
            await call(know_leaders(client, [at]), _failed)
            end = await answered(client, [at], lambda: high_watermark(client, at), _failed)
            return await stable_end(client, at, end, _failed)

    async def committed(self) -> int:
        """Return the group's offset of the partition of announcements; 0 when it has committed none.

        Raises KafkaUnavailable, also when the coordinator does not know it yet; AccessDenied.
        """
        settings = self._settings
        at = TopicPartition(settings.topics.announcements, self._partition)
        async with (
            time_limit(_ANSWER_SECONDS, "the group's coordinator did not answer"),
            self._questions.use() as client,
        ):
            return max(await call(_group_offset(client, settings.group, at), _failed), 0)

    async def read(self, kind: str, start: int, end: int) -> AsyncIterator[Sequence[StoredRecord]]:
        """Yield what is committed between two offsets, in order. The time limit applies between two fetches."""
        if start >= end:
            return
        seconds = self._settings.transaction_timeout
        at = TopicPartition(self._names[kind], self._partition)
        async with self._questions.use() as client:
            async with time_limit(_ANSWER_SECONDS, "Kafka did not answer who leads the partitions"):
                await call(know_leaders(client, [at]), _failed)
            async for records in committed_records(client, at, start, end, seconds=seconds, translate=_failed):
                yield records


async def _group_offset(client: AIOKafkaClient, group: str, at: TopicPartition) -> int:
    """Return the offset that a group has committed of a partition, -1 for none. Raises the KafkaError of an answer.

    aiokafka's admin client does not look at the code of the whole answer, which then has no partition: as if there were
    no offset.
    """
    coordinator = await client.coordinator_lookup(CoordinationType.GROUP, group)
    response = await client.send(coordinator, OffsetFetchRequest(group, [(at.topic, [at.partition])]))
    if (error := for_code(response.error_code)) is not NoError:
        raise error(group)
    [(_, [(_, offset, _, code)])] = response.topics
    if (error := for_code(code)) is not NoError:
        raise error(at.topic)
    return int(offset)


async def topics_there(
    client: AIOKafkaClient, names: Sequence[str], settings: KafkaConnection
) -> dict[str, FoundTopic]:
    """Return those of the topics that exist, by name; `client` is started. Raises KafkaUnavailable, AccessDenied."""
    try:
        response = await answer_of_any(client, TopicIdsRequest(names), _id_failed)
    except NotImplementedError:  # a broker before 2.8: it gives no ids
        async with temporary_admin(settings.bootstrap_servers, settings.client) as admin:
            await call(admin.start(), _failed)
            described = await call(admin.describe_topics(), _failed)
        return {one["topic"]: FoundTopic(b"", len(one["partitions"])) for one in described}
    codes = {name: for_code(one.code) for name, one in described_topics(response).items()}
    forbidden = [name for name, code in codes.items() if code is TopicAuthorizationFailedError]
    if forbidden:  # which says nothing about what became of them
        raise denied([Right("topic", name, "Read") for name in forbidden], principal_of(settings.client))
    return found_topics(response)


def _id_failed(error: Exception) -> NoReturn:
    if isinstance(error, NotImplementedError):
        raise error
    _failed(error)
