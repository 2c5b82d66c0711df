"""The five topics: their names, the shape the promises need, and bringing a cluster into that shape.

`plan` only looks; `apply` creates what is missing and alters what can be altered. A wrong partition count or a wrong
cleanup policy is never changed silently: the first would give chats a second owner, the second deletes data.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from bridge.errors import EnvironmentFault, KafkaUnavailable, TopicMismatch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

_MS: Final = 1000
_HEADROOM_BYTES: Final = 256 * 1024
"""What max.message.bytes allows beyond the largest record: key, headers, the batch's own header."""

_SET_ON_THE_TOPIC: Final = 1
"""DescribeConfigs' source of a value that was given for the topic (not a default of the broker)."""

_RETENTION: Final = "retention.ms"
_DELETION_SECONDS: Final = 3_600
"""What a broker may take to notice that a segment is too old: 12 times the default of its check interval."""

_POLL_SECONDS: Final = 0.1
_POLLS: Final = 150


@dataclass(slots=True, frozen=True)
class TopicNames:
    """Names of the five topics. The prefix is put before each."""

    prefix: str = ""

    @property
    def events(self) -> str:
        """`TranscriptEvent` records."""
        return f"{self.prefix}chat.transcript.events.v1"

    @property
    def sessions(self) -> str:
        """`SessionRecord` records: opened, closed with a certificate."""
        return f"{self.prefix}chat.transcript.sessions.v1"

    @property
    def quarantine(self) -> str:
        """`QuarantinedInput` records."""
        return f"{self.prefix}chat.transcript.quarantine.v1"

    @property
    def announcements(self) -> str:
        """Announcements of chats to follow, as JSON."""
        return f"{self.prefix}chat.capture.announcements.v1"

    @property
    def checkpoints(self) -> str:
        """`SessionCheckpoint` records, for the bridge alone."""
        return f"{self.prefix}chat.capture.checkpoints.v1"


@dataclass(slots=True, frozen=True)
class TopicShape:
    """What the topics of one installation look like. Times in seconds."""

    partitions: int
    replication_factor: int
    max_record_bytes: int
    retention_seconds: int
    announcement_retention_seconds: int


@dataclass(slots=True, frozen=True)
class Topic:
    """One topic as it should be."""

    name: str
    partitions: int
    replication_factor: int
    config: dict[str, str]


@dataclass(slots=True, frozen=True)
class Change:
    """What is to be done to one topic: make it (`config` is all of it), or set these values of its configuration."""

    topic: Topic
    create: bool
    config: dict[str, str]

    def __str__(self) -> str:
        """Say it in one line."""
        settings = ", ".join(f"{key}={value}" for key, value in sorted(self.config.items()))
        if not self.create:
            return f"alter {self.topic.name}: {settings}"
        return (
            f"create {self.topic.name}: {self.topic.partitions} partitions, "
            f"replication factor {self.topic.replication_factor}, {settings}"
        )


@dataclass(slots=True)
class TopicPlan:
    """What is to be done, and what stands in the way of every promise."""

    changes: list[Change] = field(default_factory=list)
    mismatches: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Raise TopicMismatch when a topic has a shape that the bridge must not change by itself."""
        if self.mismatches:
            raise TopicMismatch(
                "; ".join(self.mismatches),
                next_step="a chat must have one partition number everywhere and events must never be compacted: set "
                "kafka.partitions to what is there, or use another kafka.topic_prefix",
            )


def wanted(names: TopicNames, shape: TopicShape) -> list[Topic]:
    """Return the five topics as they should be."""
    limit = str(shape.max_record_bytes + _HEADROOM_BYTES)

    def kept(name: str, seconds: int) -> Topic:
        config = {
            "cleanup.policy": "delete",
            _RETENTION: str(seconds * _MS),
            "max.message.bytes": limit,
        }
        return Topic(name, shape.partitions, shape.replication_factor, config)

    compacted = {
        "cleanup.policy": "compact",
        "max.message.bytes": limit,
        # The active segment is never compacted, and a shard reads all of its partition when it is taken: small
        # segments and an eager cleaner keep that short.
        "segment.bytes": str(16 << 20),
        "min.cleanable.dirty.ratio": "0.1",
    }
    return [
        kept(names.events, shape.retention_seconds),
        kept(names.sessions, shape.retention_seconds),
        kept(names.quarantine, shape.retention_seconds),
        kept(names.announcements, shape.announcement_retention_seconds),
        Topic(names.checkpoints, shape.partitions, shape.replication_factor, compacted),
    ]


class TopicManager:
    """Looks at the topics of a cluster and brings them into shape."""

    def __init__(self, bootstrap_servers: str, client: Mapping[str, object], topics: list[Topic]) -> None:
        """`client` is handed to aiokafka as it is (SASL, TLS)."""
        self._arguments = {"bootstrap_servers": bootstrap_servers, **client}
        self._topics = topics

    async def partitions(self, topic: str) -> int:
        """Return how many partitions one of the topics has. Raises KafkaUnavailable; EnvironmentFault without it."""
        async with self._admin() as admin:
            found = (await _partitions(admin)).get(topic)
        if found is None:
            raise EnvironmentFault(f"there is no topic {topic}", next_step="`chatbridge topics apply` creates it")
        return found

    async def lifetime(self, topic: str) -> float | None:
        """Return for how many seconds a record of one of the topics can still be read at most; None: for ever.

        Kafka deletes whole segments: a record goes with the newest one in its segment, which takes records for
        segment.ms. Raises KafkaUnavailable.
        """
        async with self._admin() as admin:
            found = {key: value for key, (value, _) in (await _config(admin, topic)).items()}
        # A broker may not have heard yet of what `apply` has set.
        wanted_ms = [int(each.config[_RETENTION]) for each in self._topics if each.name == topic]
        retention = [int(found[_RETENTION]), *wanted_ms]
        if min(retention) < 0:
            return None
        return (max(retention) + int(found["segment.ms"])) / _MS + _DELETION_SECONDS

    async def plan(self) -> TopicPlan:
        """Compare. Raises KafkaUnavailable."""
        async with self._admin() as admin:
            return await self._plan(admin)

    async def apply(self) -> TopicPlan:
        """Create and alter what is needed; return what was done. Raises KafkaUnavailable, TopicMismatch."""
        async with self._admin() as admin:
            plan = await self._plan(admin)
            plan.check()
            for change in plan.changes:
                await (_create(admin, change) if change.create else _alter(admin, change))
            await self._wait_until_visible(admin)
        return plan

    @contextlib.asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(**self._arguments)
        try:
            await admin.start()
            yield admin
        except KafkaError as error:
            raise KafkaUnavailable(
                f"Kafka at {self._arguments['bootstrap_servers']} does not answer: {type(error).__name__}",
                next_step="check kafka.bootstrap_servers and kafka.client",
            ) from error
        finally:
            await admin.close()

    async def _wait_until_visible(self, admin: AIOKafkaAdminClient) -> None:
        """Creation is acknowledged before every broker knows of it."""
        names = {topic.name for topic in self._topics}
        for _ in range(_POLLS):
            if names <= (await _partitions(admin)).keys():
                return
            await asyncio.sleep(_POLL_SECONDS)
        raise KafkaUnavailable(f"topics are not visible {_POLLS * _POLL_SECONDS:g} s after their creation")

    async def _plan(self, admin: AIOKafkaAdminClient) -> TopicPlan:
        plan = TopicPlan()
        partitions_of = await _partitions(admin)
        there = [topic for topic in self._topics if topic.name in partitions_of]
        configs = {topic.name: await _config(admin, topic.name) for topic in there}
        for topic in self._topics:
            if topic not in there:
                plan.changes.append(Change(topic, create=True, config=topic.config))
                continue
            partitions = partitions_of[topic.name]
            if partitions != topic.partitions:
                plan.mismatches.append(f"{topic.name} has {partitions} partitions, needed are {topic.partitions}")
            found = {key: value for key, (value, _) in configs[topic.name].items()}
            policy = found.get("cleanup.policy")
            if policy != topic.config["cleanup.policy"]:
                plan.mismatches.append(
                    f"{topic.name} has cleanup.policy={policy}, needed is {topic.config['cleanup.policy']}"
                )
            differing = {key: value for key, value in topic.config.items() if found.get(key) != value}
            if differing and policy == topic.config["cleanup.policy"]:
                plan.changes.append(Change(topic, create=False, config=differing))
        return plan


async def _partitions(admin: AIOKafkaAdminClient) -> dict[str, int]:
    """Return how many partitions each topic has.

    All topics are asked for: asking for one that is missing would make a broker with default settings create it.
    """
    return {each["topic"]: len(each["partitions"]) for each in await admin.describe_topics()}


async def _config(admin: AIOKafkaAdminClient, name: str) -> dict[str, tuple[str, bool]]:
    """Return every setting of a topic: its value, and whether it was set on the topic itself."""
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    (resource,) = answer.resources
    if resource[0]:
        raise for_code(resource[0])(f"cannot read the configuration of {name}")
    return {entry[0]: (entry[1], entry[3] == _SET_ON_THE_TOPIC) for entry in resource[4]}


async def _create(admin: AIOKafkaAdminClient, change: Change) -> None:
    topic = change.topic
    new = NewTopic(topic.name, topic.partitions, topic.replication_factor, topic_configs=topic.config)
    answer = await admin.create_topics([new])
    for _, code, text in answer.topic_errors:
        if code and for_code(code) is not TopicAlreadyExistsError:  # another replica may have been quicker
            raise EnvironmentFault(
                f"Kafka refuses to create {topic.name}: {text or for_code(code).__name__}",
                next_step="compare kafka.replication_factor with the number of brokers; check the right to create",
            )


async def _alter(admin: AIOKafkaAdminClient, change: Change) -> None:
    # AlterConfigs replaces all of a topic's settings: those that were set beside ours have to be said again.
    name = change.topic.name
    set_before = {key: value for key, (value, ours) in (await _config(admin, name)).items() if ours}
    resource = ConfigResource(ConfigResourceType.TOPIC, name, {**set_before, **change.topic.config})
    (answer,) = await admin.alter_configs([resource])
    for code, text, *_ in answer.resources:
        if code:
            raise EnvironmentFault(
                f"Kafka refuses to alter {name}: {text or for_code(code).__name__}",
                next_step="check the right to alter the topic's configuration",
            )
