"""The five topics: their names and required configuration; compares, creates and alters them.

`plan` only compares; `apply` creates topics that are missing and alters settings that are safe to alter. A wrong
partition count or cleanup policy is reported and never altered: changing the first would give chats a second owner,
changing the second deletes data.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from bridge.adapters.kafka.calls import call, unavailable
from bridge.adapters.kafka.stopping import stop_admin
from bridge.errors import EnvironmentFault, KafkaUnavailable, TopicMismatch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Mapping
    from typing import TypeVar

    _Result = TypeVar("_Result")

_MS: Final = 1000
_HEADROOM_BYTES: Final = 256 * 1024
"""What max.message.bytes allows beyond the largest record: key, headers, the batch's own header."""

_SET_ON_THE_TOPIC: Final = 1
"""DescribeConfigs' `config_source` of a value set on the topic itself, not a broker default."""

_RETENTION: Final = "retention.ms"
_AT_CREATION: Final = {"message.timestamp.type": "LogAppendTime"}
"""Settings of topics that are created here; of a topic that exists they are its owner's.

With the broker's own time on every record, the broker refuses no time that a producer gave.
"""
_DELETION_SECONDS: Final = 3_600
"""What a broker may take to notice that a segment is too old: 12 times the default of its check interval."""

_POLL_SECONDS: Final = 0.1
_POLLS: Final = 150


@dataclass(slots=True, frozen=True)
class TopicNames:
    """Names of the five topics, each with the prefix in front."""

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
        """`SessionCheckpoint` records, read by the bridge only."""
        return f"{self.prefix}chat.capture.checkpoints.v1"


@dataclass(slots=True, frozen=True)
class TopicShape:
    """The configurable properties of one installation's topics. Times in seconds."""

    partitions: int
    replication_factor: int
    max_record_bytes: int
    retention_seconds: int
    announcement_retention_seconds: int


@dataclass(slots=True, frozen=True)
class Topic:
    """One topic as it is required."""

    name: str
    partitions: int
    replication_factor: int
    config: dict[str, str]


@dataclass(slots=True, frozen=True)
class Change:
    """One topic to create (`config` is all of its configuration), or to alter (`config` is what differs)."""

    topic: Topic
    create: bool
    config: dict[str, str]

    def __str__(self) -> str:
        """One line for people."""
        settings = ", ".join(f"{key}={value}" for key, value in sorted(self.config.items()))
        if not self.create:
            return f"alter {self.topic.name}: {settings}"
        return (
            f"create {self.topic.name}: {self.topic.partitions} partitions, "
            f"replication factor {self.topic.replication_factor}, {settings}"
        )


@dataclass(slots=True)
class TopicPlan:
    """Changes to make, mismatches that must not be corrected automatically, and the numbers of partitions found."""

    changes: list[Change] = field(default_factory=list)
    mismatches: list[str] = field(default_factory=list)
    counts: set[int] = field(default_factory=set)

    def check(self) -> None:
        """Raise TopicMismatch when a topic has a property that must not be changed automatically."""
        if self.mismatches:
            mend = "set kafka.partitions to the existing count, or use another kafka.topic_prefix"
            if len(self.counts) > 1:  # raised, perhaps below chats that are open
                mend = (
                    "partitions cannot be taken away again: use another kafka.topic_prefix and kafka.group, and "
                    "announce the open chats there; or delete the topic, if it is that of the announcements, and start "
                    "again"
                )
            raise TopicMismatch(
                "; ".join(self.mismatches),
                next_step="a chat must have one partition number everywhere and events must never be compacted: "
                f"{mend}",
            )


def wanted(names: TopicNames, shape: TopicShape) -> list[Topic]:
    """Return the five topics as they are required."""
    limit = str(shape.max_record_bytes + _HEADROOM_BYTES)

    def retained(name: str, seconds: int) -> Topic:
        config = {
            "cleanup.policy": "delete",
            _RETENTION: str(seconds * _MS),
            "max.message.bytes": limit,
        }
        return Topic(name, shape.partitions, shape.replication_factor, config)

    compacted = {
        "cleanup.policy": "compact",
        "max.message.bytes": limit,
        # A shard reads its whole partition when it is opened, and the active segment is never compacted: small
        # segments and a low dirty ratio keep that short.
        "segment.bytes": str(16 << 20),
        "min.cleanable.dirty.ratio": "0.1",
    }
    return [
        retained(names.events, shape.retention_seconds),
        retained(names.sessions, shape.retention_seconds),
        retained(names.quarantine, shape.retention_seconds),
        retained(names.announcements, shape.announcement_retention_seconds),
        Topic(names.checkpoints, shape.partitions, shape.replication_factor, compacted),
    ]


class TopicManager:
    """Compares the topics of a cluster with what is required, creates and alters them."""

    def __init__(self, bootstrap_servers: str, client: Mapping[str, object], topics: list[Topic]) -> None:
        """`client` is passed to aiokafka as it is (SASL, TLS)."""
        self._arguments = {"bootstrap_servers": bootstrap_servers, **client}
        self._failed = unavailable(
            f"Kafka at {bootstrap_servers} does not answer",
            next_step="check kafka.bootstrap_servers and kafka.client",
        )
        self._topics = topics

    async def partitions(self, topic: str) -> int:
        """Return a topic's number of partitions. Raises KafkaUnavailable; EnvironmentFault when it does not exist."""
        async with self._admin() as admin:
            found = (await self._partitions(admin)).get(topic)
        if found is None:
            raise EnvironmentFault(f"there is no topic {topic}", next_step="`chatbridge topics apply` creates it")
        return found

    async def lifetime(self, topic: str) -> float | None:
        """Return for how many seconds a record of one of the topics can still be read at most; None: for ever.

        Kafka deletes whole segments: a record goes with the newest one in its segment, which takes records for
        segment.ms. Raises KafkaUnavailable.
        """
        async with self._admin() as admin:
            found = {key: value for key, (value, _) in (await self._config(admin, topic)).items()}
        # A broker may not have heard yet of what `apply` has set.
        wanted_ms = [int(each.config[_RETENTION]) for each in self._topics if each.name == topic]
        retention = [int(found[_RETENTION]), *wanted_ms]
        if min(retention) < 0:
            return None
        return (max(retention) + int(found["segment.ms"])) / _MS + _DELETION_SECONDS

    async def plan(self) -> TopicPlan:
        """Compare, and change nothing. Raises KafkaUnavailable."""
        async with self._admin() as admin:
            return await self._plan(admin)

    async def apply(self) -> TopicPlan:
        """Create and alter what is needed; return what was done.

        Raises KafkaUnavailable; TopicMismatch, and then nothing was changed; EnvironmentFault when Kafka refuses.
        """
        async with self._admin() as admin:
            plan = await self._plan(admin)
            plan.check()
            for change in plan.changes:
                await (self._create(admin, change) if change.create else self._alter(admin, change))
            await self._wait_until_visible(admin)
        return plan

    @contextlib.asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(**self._arguments)
        try:
            await self._call(admin.start())
            yield admin
        finally:
            await stop_admin(admin)

    async def _call(self, awaitable: Awaitable[_Result]) -> _Result:
        return await call(awaitable, self._failed)

    async def _wait_until_visible(self, admin: AIOKafkaAdminClient) -> None:
        """Wait for the metadata of new topics: their creation is acknowledged before every broker has it."""
        names = {topic.name for topic in self._topics}
        for _ in range(_POLLS):
            if names <= (await self._partitions(admin)).keys():
                return
            await asyncio.sleep(_POLL_SECONDS)
        raise KafkaUnavailable(f"topics are not visible {_POLLS * _POLL_SECONDS:g} s after their creation")

    async def _plan(self, admin: AIOKafkaAdminClient) -> TopicPlan:
        plan = TopicPlan()
        partitions_of = await self._partitions(admin)
        existing = [topic for topic in self._topics if topic.name in partitions_of]
        configs = {topic.name: await self._config(admin, topic.name) for topic in existing}
        for topic in self._topics:
            if topic not in existing:
                plan.changes.append(Change(topic, create=True, config={**topic.config, **_AT_CREATION}))
                continue
            partitions = partitions_of[topic.name]
            plan.counts.add(partitions)
            if partitions != topic.partitions:
                plan.mismatches.append(f"{topic.name} has {partitions} partitions, required: {topic.partitions}")
            found = {key: value for key, (value, _) in configs[topic.name].items()}
            policy = found.get("cleanup.policy")
            if policy != topic.config["cleanup.policy"]:
                plan.mismatches.append(
                    f"{topic.name} has cleanup.policy={policy}, required: {topic.config['cleanup.policy']}"
                )
            differing = {key: value for key, value in topic.config.items() if found.get(key) != value}
            if differing and policy == topic.config["cleanup.policy"]:
                plan.changes.append(Change(topic, create=False, config=differing))
        return plan

    async def _partitions(self, admin: AIOKafkaAdminClient) -> dict[str, int]:
        """Return topic -> number of partitions, for all topics of the cluster.

        Asking for one topic by name would make a broker with default settings create it.
        """
        described = await self._call(admin.describe_topics())
        return {each["topic"]: len(each["partitions"]) for each in described}

    async def _config(self, admin: AIOKafkaAdminClient, name: str) -> dict[str, tuple[str, bool]]:
        """Return every setting of a topic -> its value, and whether it is set on the topic itself."""
        (response,) = await self._call(admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)]))
        ((code, _, _, _, entries),) = response.resources
        if code:
            raise KafkaUnavailable(f"cannot read the configuration of {name}: {for_code(code).__name__}")
        return {entry[0]: (entry[1], entry[3] == _SET_ON_THE_TOPIC) for entry in entries}

    async def _create(self, admin: AIOKafkaAdminClient, change: Change) -> None:
        topic = change.topic
        new = NewTopic(topic.name, topic.partitions, topic.replication_factor, topic_configs=change.config)
        response = await self._call(admin.create_topics([new]))
        for _, code, text in response.topic_errors:
            if code and for_code(code) is not TopicAlreadyExistsError:  # another worker may have created it meanwhile
                raise EnvironmentFault(
                    f"Kafka refuses to create {topic.name}: {text or for_code(code).__name__}",
                    next_step="compare kafka.replication_factor with the broker count; check the Create permission",
                )

    async def _alter(self, admin: AIOKafkaAdminClient, change: Change) -> None:
        # AlterConfigs replaces all settings of a topic: the existing ones must be sent along.
        name = change.topic.name
        set_before = {key: value for key, (value, own) in (await self._config(admin, name)).items() if own}
        resource = ConfigResource(ConfigResourceType.TOPIC, name, {**set_before, **change.topic.config})
        (response,) = await self._call(admin.alter_configs([resource]))
        for code, text, *_ in response.resources:
            if code:
                raise EnvironmentFault(
                    f"Kafka refuses to alter {name}: {text or for_code(code).__name__}",
                    next_step="check the AlterConfigs permission on the topic",
                )
