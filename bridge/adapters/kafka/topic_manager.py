"""The topics: their names and required configuration; creates and alters them.

`plan` only compares; `prepare` creates topics that are missing and alters nothing; `apply` alters, too, what is safe to
alter. What is compared, and what is never altered: `topic_plan`.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAuthorizationFailedError, UnknownTopicOrPartitionError, for_code

from bridge.adapters.kafka.calls import call, unavailable
from bridge.adapters.kafka.rights import Right, denied, not_permitted, principal_of
from bridge.adapters.kafka.temporary_admin import temporary_admin
from bridge.adapters.kafka.topic_changes import TopicChanges
from bridge.adapters.kafka.topic_lookup import OPERATIONS_UNKNOWN, look_up
from bridge.adapters.kafka.topic_plan import POLICY, RETENTION, TopicState, compare
from bridge.errors import EnvironmentFault, KafkaUnavailable, TopicMissing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping, Sequence
    from typing import TypeVar

    from aiokafka.admin import AIOKafkaAdminClient

    from bridge.adapters.kafka.required_topics import Topic
    from bridge.adapters.kafka.topic_lookup import TopicLookup
    from bridge.adapters.kafka.topic_plan import Change, RefusedSetting, TopicPlan

    _Result = TypeVar("_Result")

_MS: Final = 1000
_DELETION_SECONDS: Final = 3_600
"""What a broker may take to notice that a segment is too old: 12 times the default of its check interval."""

_POLL_SECONDS: Final = 0.1
_POLLS: Final = 150


@dataclass(slots=True, frozen=True)
class TopicNames:
    """Names of the topics, each with the prefix in front.

    `output_prefix` is that of the topics which each output has, None if it is the same.
    """

    prefix: str = ""
    output_prefix: str | None = None

    @property
    def events(self) -> str:
        """`TranscriptEvent` records of an output."""
        return f"{self._of_output}chat.transcript.events.v1"

    @property
    def sessions(self) -> str:
        """`SessionRecord` records of an output: opened, closed with a certificate."""
        return f"{self._of_output}chat.transcript.sessions.v1"

    @property
    def quarantine(self) -> str:
        """`QuarantinedInput` records of an output."""
        return f"{self._of_output}chat.transcript.quarantine.v1"

    @property
    def _of_output(self) -> str:
        return self.prefix if self.output_prefix is None else self.output_prefix

    @property
    def announcements(self) -> str:
        """Announcements of chats to follow, as JSON."""
        return f"{self.prefix}chat.capture.announcements.v1"

    @property
    def checkpoints(self) -> str:
        """`SessionCheckpoint` records, read by the bridge only."""
        return f"{self.prefix}chat.capture.checkpoints.v1"

    @property
    def stored(self) -> str:
        """Stored transcripts as they were read, for the shards that own their chats; read by the bridge only."""
        return f"{self.prefix}chat.capture.stored.v1"

    @property
    def anchors(self) -> str:
        """Signed heads of the logs over certificates, as notes; where a signing key is configured."""
        return f"{self.prefix}chat.transcript.anchors.v1"

    @property
    def leaves(self) -> str:
        """Hashes of the leaves of these logs; where a signing key is configured."""
        return f"{self.prefix}chat.capture.leaves.v1"

    @property
    def keys(self) -> str:
        """Wrapped keys of chats that are sealed; where a master key is configured."""
        return f"{self.prefix}chat.capture.keys.v1"

    @property
    def audit(self) -> str:
        """`AuditRecord` records: what was done to captured chats, in the order of one partition."""
        return f"{self.prefix}chat.capture.audit.v1"

    @property
    def held(self) -> str:
        """Copies of the records of chats that are held."""
        return f"{self.prefix}chat.capture.held.v1"


class _NotHeardOf(KafkaUnavailable):
    """The broker that was asked does not know a topic that another one knows."""


class TopicManager:
    """Compares the topics of a cluster with what is required, creates and alters them.

    Every method raises KafkaUnavailable, and AccessDenied when this client lacks a right.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        client: Mapping[str, object],
        topics: list[Topic],
        former: Sequence[int] = (),
        *,
        chosen: bool = True,
    ) -> None:
        """`client` is passed to aiokafka as it is (SASL, TLS); `former` and `chosen` as in `compare`."""
        self._bootstrap_servers = bootstrap_servers
        self._client = client
        self._principal = principal_of(client)
        self._failed = unavailable(
            f"Kafka at {bootstrap_servers} does not answer",
            next_step="check kafka.bootstrap_servers and kafka.client",
        )
        self._topics = topics
        self._former = former
        self._chosen = chosen

    async def partitions(self, topic: str) -> int:
        """Return a topic's number of partitions. Raises EnvironmentFault when it does not exist."""
        found = await self.known_partitions(topic)
        if found is None:
            raise EnvironmentFault(f"there is no topic {topic}", next_step="`chatbridge topics apply` creates it")
        return found

    async def known_partitions(self, topic: str) -> int | None:
        """Return a topic's number of partitions, None when it does not exist."""
        async with self._admin() as admin:
            found = (await self._look_up(admin, [topic])).existing.get(topic)
        return None if found is None else found.partitions

    async def counts(self) -> dict[str, int]:
        """Return how many partitions each of the topics has that exist, by name."""
        async with self._admin() as admin:
            return {name: one.partitions for name, one in (await self._look_up(admin, self._names)).existing.items()}

    async def lifetime(self, topic: str) -> float | None:
        """Return for how many seconds a record of one of the topics can still be read at most; None: for ever.

        Kafka deletes whole segments: a record goes with the newest one in its segment, which takes records for
        segment.ms.
        """
        async with self._admin() as admin:
            found = (await self._configs(admin, [topic]))[topic]
        # A broker may not have heard yet of what `apply` has set.
        wanted_ms = [int(each.config[RETENTION]) for each in self._topics if each.name == topic]
        retention = [int(found[RETENTION]), *wanted_ms]
        if min(retention) < 0:
            return None
        return (max(retention) + int(found["segment.ms"])) / _MS + _DELETION_SECONDS

    async def kept_seconds(self, topic: str) -> float | None:
        """Return for how many seconds Kafka keeps what is written to a topic at least.

        None when that is not known: its size is limited, too, or its configuration may not be read.
        """
        right = Right("topic", topic, "DescribeConfigs")
        async with self._admin() as admin:
            there = (await self._look_up(admin, [topic])).existing.get(topic)
            if there is None or there.operations == OPERATIONS_UNKNOWN or not_permitted([right], there.operations):
                return None
            found = (await self._configs(admin, [topic]))[topic]
        if int(found.get("retention.bytes", "-1")) >= 0 or "delete" not in found[POLICY]:
            return None
        kept = int(found[RETENTION])
        return math.inf if kept < 0 else kept / _MS

    async def states(self) -> dict[str, TopicState]:
        """Return what is there of the topics, by name."""
        async with self._admin() as admin:
            return await self._states(admin)

    async def plan(self, *, allow_shorter: bool = False) -> TopicPlan:
        """Compare, and change nothing. `allow_shorter`: whether a retention may be shortened."""
        async with self._admin() as admin:
            return await self._plan(admin, allow_shorter=allow_shorter)

    async def prepare(self, *, create: bool) -> TopicPlan:
        """Compare, and alter nothing; with `create` create what is missing. Return what is there then.

        Raises TopicMismatch, and then nothing was created; TopicMissing; EnvironmentFault when Kafka refuses.
        """
        async with self._admin() as admin:
            plan = await self._plan(admin)
            plan.check()
            missing = [change for change in plan.changes if change.create]
            if missing and not create:
                raise TopicMissing(*(change.topic.name for change in missing))
            if not missing:
                return plan
            refused = await self._change(admin, missing)
            plan = await self._plan(admin)
            plan.check()
            plan.refuse(refused)
        return plan

    async def apply(self, *, allow_shorter: bool = False) -> TopicPlan:
        """Create and alter what is needed; return what was done, with a warning for each setting that Kafka refused.

        Raises TopicMismatch, and then nothing was changed; EnvironmentFault when Kafka refuses a topic.
        """
        async with self._admin() as admin:
            plan = await self._plan(admin, allow_shorter=allow_shorter)
            plan.check()
            plan.refuse(await self._change(admin, plan.changes))
        return plan

    @contextlib.asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        async with temporary_admin(self._bootstrap_servers, self._client) as admin:
            await self._call(admin.start())
            yield admin

    async def _call(self, awaitable: Awaitable[_Result]) -> _Result:
        return await call(awaitable, self._failed)

    async def _change(self, admin: AIOKafkaAdminClient, changes: list[Change]) -> list[RefusedSetting]:
        """Create and alter; return the settings that Kafka refused. All new topics are visible on return."""
        controller = (await self._look_up(admin, self._names)).controller
        work = TopicChanges(admin, controller, self._principal, self._failed)
        for change in changes:
            await (work.create(change) if change.create else work.alter(change))
        for _ in range(_POLLS):  # creation is acknowledged before every broker has heard of it
            if not (await self._look_up(admin, self._names)).missing:
                return work.refused
            await asyncio.sleep(_POLL_SECONDS)
        raise KafkaUnavailable(f"topics are not visible {_POLLS * _POLL_SECONDS:g} s after their creation")

    async def _plan(self, admin: AIOKafkaAdminClient, *, allow_shorter: bool = False) -> TopicPlan:
        states = await self._states(admin)
        return compare(self._topics, states, allow_shorter=allow_shorter, former=self._former, chosen=self._chosen)

    async def _states(self, admin: AIOKafkaAdminClient) -> dict[str, TopicState]:
        """Return the topics that exist: a broker that is asked may not have heard of new ones for a moment."""
        for _ in range(_POLLS):
            with contextlib.suppress(_NotHeardOf):
                return await self._states_told(admin)
            await asyncio.sleep(_POLL_SECONDS)
        return await self._states_told(admin)

    async def _states_told(self, admin: AIOKafkaAdminClient) -> dict[str, TopicState]:
        existing = (await self._look_up(admin, self._names)).existing
        configs = await self._configs(admin, existing)
        return {
            name: TopicState(one.partitions, one.replicas, configs[name], one.in_sync, one.leaderless)
            for name, one in existing.items()
        }

    @property
    def _names(self) -> list[str]:
        return [topic.name for topic in self._topics]

    async def _look_up(self, admin: AIOKafkaAdminClient, names: Iterable[str]) -> TopicLookup:
        found = await look_up(admin, names, self._failed)
        if found.forbidden:
            raise denied([Right("topic", name, "Describe") for name in found.forbidden], self._principal)
        return found

    async def _configs(self, admin: AIOKafkaAdminClient, names: Iterable[str]) -> dict[str, dict[str, str]]:
        """Return every setting of topics that exist."""
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        if not resources:
            return {}
        responses = await self._call(admin.describe_configs(resources))
        results = [each for response in responses for each in response.resources]
        errors = {name: for_code(code) for code, _, _, name, _ in results if code}
        forbidden = [name for name, error in errors.items() if error is TopicAuthorizationFailedError]
        if forbidden:
            raise denied([Right("topic", name, "DescribeConfigs") for name in forbidden], self._principal)
        for name, error in errors.items():
            kind = _NotHeardOf if error is UnknownTopicOrPartitionError else KafkaUnavailable
            raise kind(f"cannot read the configuration of {name}: {error.__name__}")
        return {name: {entry[0]: entry[1] for entry in entries} for _, _, _, name, entries in results}
