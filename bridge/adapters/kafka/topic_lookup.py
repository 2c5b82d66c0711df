"""Looks up topics by name on a started admin client, without making any, and tells missing from not permitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiokafka.errors import TopicAuthorizationFailedError, UnknownTopicOrPartitionError, for_code

from bridge.adapters.kafka.aiokafka_internals import admin_client
from bridge.adapters.kafka.any_broker import answer_of_any
from bridge.adapters.kafka.calls import call
from bridge.adapters.kafka.topic_ids import NO_LEADER, TopicDescription, TopicIdsRequest, described_topics
from bridge.errors import KafkaUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import NoReturn

    from aiokafka.admin import AIOKafkaAdminClient

    from bridge.adapters.kafka.calls import Translate

OPERATIONS_UNKNOWN: Final = -(1 << 31)
"""`TopicDescription.operations` of a broker that does not tell them."""


@dataclass(slots=True, frozen=True)
class TopicLookup:
    """What was found: topics that exist, those that do not, and those that this client may not describe.

    `controller` is the node to send changes to.
    """

    controller: int
    existing: Mapping[str, TopicDescription]
    missing: frozenset[str]
    forbidden: frozenset[str]


async def look_up(admin: AIOKafkaAdminClient, names: Iterable[str], failed: Translate) -> TopicLookup:
    """Return what Kafka says of the topics with these names. Raises what `failed` raises; KafkaUnavailable."""
    wanted, client = list(names), admin_client(admin)

    def translate(error: Exception) -> NoReturn:
        if isinstance(error, NotImplementedError):
            raise error
        failed(error)

    try:
        response = await answer_of_any(client, TopicIdsRequest(wanted, operations=True), translate)
    except NotImplementedError:  # a broker before 2.8: it leaves out what this client may not describe
        described = await call(admin.describe_topics(), failed)
        found = {
            one["topic"]: TopicDescription(
                0,
                len(one["partitions"]),
                min((len(each["replicas"]) for each in one["partitions"]), default=0),
                min((len(each["isr"]) for each in one["partitions"]), default=0),
                tuple(each["partition"] for each in one["partitions"] if each["leader"] == NO_LEADER),
                OPERATIONS_UNKNOWN,
            )
            for one in described
        }
        existing = {name: found[name] for name in wanted if name in found}
        return TopicLookup(client.get_random_node(), existing, frozenset(wanted) - existing.keys(), frozenset())
    topics = described_topics(response)
    missing = missing_topics(topics)
    forbidden = {name for name, one in topics.items() if for_code(one.code) is TopicAuthorizationFailedError}
    existing = {name: one for name, one in topics.items() if name not in missing | forbidden}
    for name, one in existing.items():
        if not one.partitions:
            raise KafkaUnavailable(f"cannot look up the topic {name}: {for_code(one.code).__name__}")
    return TopicLookup(response.controller_id, existing, frozenset(missing), frozenset(forbidden))


def missing_topics(described: Mapping[str, TopicDescription]) -> set[str]:
    """Return which of these topics do not exist; one that this client may not describe is none of them."""
    return {name for name, one in described.items() if for_code(one.code) is UnknownTopicOrPartitionError}
