"""Builds what a worker needs for stored transcripts: their topic, the reader of it, and the feeder of one shard."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from bridge.adapters.kafka.stored_log import KafkaStoredLog
from bridge.adapters.kafka.topic_codes import PARTITIONS_DIFFER
from bridge.adapters.kafka.topic_manager import TopicManager
from bridge.backoff import Backoff
from bridge.capture.stored_door import StoredDoor
from bridge.capture.stored_reader import StoredReader
from bridge.capture.stored_settings import StoredSettings
from bridge.errors import EnvironmentFault, Problem, TopicMismatch
from bridge.factories import names_of, stored_topic_of
from bridge.topic_watch import TopicWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.adapters.kafka.connection import KafkaConnection
    from bridge.adapters.kafka.topic_plan import TopicPlan
    from bridge.capture.ports import Clock
    from bridge.config import Config
    from bridge.source_factory import SourceFactory
    from bridge.telemetry import Telemetry

_FEEDING: Final = 0
"""The partition whose shard has the feeder."""
_LONGEST_PAUSE: Final = 5.0
"""Seconds between two attempts to read the topic when Kafka does not answer."""
_LAST_EVENTS_SECONDS: Final = 60.0
"""How long a chat that is over is remembered as a whole where no edits of stored transcripts are looked for."""
_REMEMBERED_CHATS: Final = 12_000
"""How many such chats there are at most, in all shards together: some 240 MB."""


class StoredComposition:
    """One per worker. A worker captures live chats whether it can read the topic or not.

    That it cannot is a reason not to be ready if stored transcripts are read elsewhere and come over the topic, else a
    warning: a client that was given its rights before there was such a topic goes on as before.
    """

    def __init__(  # noqa: PLR0913 - what the parts need, by name
        self,
        config: Config,
        kafka: KafkaConnection,
        sources: SourceFactory,
        topics: TopicWatch,
        *,
        partitions: Callable[[], int],
        random: Callable[[], float],
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        """Nothing connects before `run`; `partitions` returns their number, once the topics are prepared."""
        self._config = config
        self._kafka = kafka
        self._sources = sources
        self._topics = topics
        self._partitions = partitions
        self._own_topic = TopicWatch(lambda: self, telemetry, clock.monotonic)
        self._reader = StoredReader(
            names_of(config).stored,
            lambda: KafkaStoredLog(kafka, config.worker_id),
            prepare=self._prepare,
            backoff=Backoff(random, maximum=_LONGEST_PAUSE),
            clock=clock,
            telemetry=telemetry,
        )

    async def run(self) -> None:
        """Read the topic for the shards of this worker, until cancelled."""
        await self._reader.run()

    async def create_topic(self) -> None:
        """Create the topic as the others are; what is wrong with it, `run` tells."""
        with contextlib.suppress(EnvironmentFault):
            await self._prepare()

    async def refresh(self) -> None:
        """Compare all topics again if a minute has passed."""
        await self._topics.refresh()
        await self._own_topic.refresh()

    async def plan(self) -> TopicPlan:
        """Compare the topic of stored transcripts, and change nothing. Raises EnvironmentFault."""
        plan = await self._manager.plan()
        if (problem := self._partitions_differ(plan)) is not None:
            plan.reasons, plan.warnings = [problem], []
        return plan

    async def _prepare(self) -> None:
        """Create the topic if it is missing, with as many partitions as the others have. Raises EnvironmentFault."""
        plan = await self._manager.prepare(create=self._config.kafka.manage_topics == "create")
        if (problem := self._partitions_differ(plan)) is not None:
            step = "delete it: what was not taken from it is read where it came from once more"
            raise TopicMismatch(problem.detail, next_step=step, code=problem.code)
        self._own_topic.found(plan)

    @property
    def _manager(self) -> TopicManager:
        topic = stored_topic_of(self._config, self._partitions())
        return TopicManager(self._kafka.bootstrap_servers, self._kafka.client, [topic])

    def _partitions_differ(self, plan: TopicPlan) -> Problem | None:
        partitions, former = self._partitions(), self._config.kafka.partitions_before
        if plan.partitions == partitions or (plan.partitions > partitions and partitions in former):
            return None  # the same, or being raised
        name = names_of(self._config).stored
        text = f"{name} has {plan.partitions} partitions, the other topics have {partitions}"
        return Problem(PARTITIONS_DIFFER, text)

    @property
    def settings(self) -> StoredSettings:
        """What the stores of all shards share."""
        seconds = max(_LAST_EVENTS_SECONDS, self._sources.stored_edits_seconds)
        chats = max(_REMEMBERED_CHATS // self._partitions(), 1)
        return StoredSettings(names_of(self._config).stored, int(seconds * 1_000_000), chats)

    def door(self, partition: int) -> StoredDoor:
        """Return what a shard has to do with stored transcripts."""
        return StoredDoor(partition, self._reader, self._sources.make_feeder if partition == _FEEDING else None)

    @property
    def _problems(self) -> Sequence[Problem]:
        return self._own_topic.reasons if self._reader.problem is None else [self._reader.problem]

    @property
    def reasons(self) -> Sequence[Problem]:
        """What is wrong with all topics so that the worker is not ready."""
        return [*self._topics.reasons, *(self._problems if self._sources.stored_edits_seconds else ())]

    @property
    def warnings(self) -> Sequence[Problem]:
        """What else is wrong with them."""
        own = () if self._sources.stored_edits_seconds else self._problems
        return [*self._topics.warnings, *self._own_topic.warnings, *own]
