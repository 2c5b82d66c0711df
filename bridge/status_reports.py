"""Collects what the status page shows: samples every few seconds, facts as they happen, the rest on demand."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.capture.chat_facts import GapRecorded, Quarantined, Resumed
from bridge.capture.readiness_codes import DRAINING
from bridge.connection_watch import KafkaProblemBegan
from bridge.facts import BatchCommitted, StartWaits
from bridge.overview.chat_list import GIVEN_UP, JOINED, OVER, WAITING, page_of
from bridge.overview.health_summary import health_of
from bridge.overview.recent_problems import RecentProblems, sentence
from bridge.overview.sample_history import STEP_SECONDS, Levels, SampleHistory
from bridge.overview.server_list import LastErrors, servers_of, together
from bridge.overview.shard_owners import CLOSING, FENCED, OPEN, OPENING, GroupView, OwnShard, ShardOwner, shards_of
from bridge.overview.worker_report import ChatView, Identity, LastError, StatusReport
from bridge.reason_codes import ADVICE_CODES
from bridge.sources.chat_server.link_facts import LinkLost
from bridge.status import chat_state
from bridge.topic_watch import TopicDeviates

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from bridge.adapters.kafka.connection_causes import Cause
    from bridge.adapters.kafka.group_look import GroupLook
    from bridge.capture.chat import Chat
    from bridge.capture.ports import Clock
    from bridge.capture.shard import Shard
    from bridge.capture.worker import Worker
    from bridge.facts import Fact
    from bridge.overview.chat_list import ChatQuery
    from bridge.status import WorkerStatus
    from bridge.telemetry import Telemetry

_US_PER_MS: Final = 1_000
_CHATS_SECONDS: Final = 1.0
"""How long the list of all chats is used again: many pages cost no more than one."""
_TOLD_AS_REASONS: Final = (KafkaProblemBegan, StartWaits, TopicDeviates)
"""Facts about what is a reason or a warning as long as it lasts, and is a recent problem as such."""
NEXT_STEPS: Final = {code: step for code, (_, step) in ADVICE_CODES.items()}
"""Code of a reason or a warning -> what to do."""


@dataclass(slots=True, frozen=True, kw_only=True)
class WorkerIdentity:
    """What a worker is called. `client_version` is the one that it asks Chat Servers for."""

    version: str
    worker: str
    host: str
    group: str
    site: str
    client_version: int


class StatusReports:
    """The reports of one worker. Samples are taken from `start` to `stop`, in the event loop, without a task."""

    def __init__(  # noqa: PLR0913 - the parts of a worker that it reports on, by name
        self,
        identity: WorkerIdentity,
        worker: Worker,
        status: WorkerStatus,
        telemetry: Telemetry,
        clock: Clock,
        *,
        group: GroupLook,
        kafka_cause: Callable[[], Cause | None],
        partitions: Callable[[], int],
    ) -> None:
        """`partitions` returns how many shards the group has, 0 while not known; `kafka_cause` as for status."""
        self._identity = identity
        self._worker = worker
        self._status = status
        self._clock = clock
        self._group = group
        self._kafka_cause = kafka_cause
        self._partitions = partitions
        self._started_at = clock.now_us() // _US_PER_MS
        self._started = clock.monotonic()
        self._history = SampleHistory(self._started)
        self._problems = RecentProblems()
        self._errors = LastErrors()
        self._timer: asyncio.TimerHandle | None = None
        self._chats: list[ChatView] = []
        self._chats_until = self._started
        telemetry.tell(self._heard)

    def start(self) -> None:
        """Take a sample every few seconds."""
        self._timer = asyncio.get_running_loop().call_later(STEP_SECONDS, self._sample)

    def stop(self) -> None:
        """Take no more samples."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def report(self, query: ChatQuery) -> StatusReport:
        """Return the report, with a page of the chats. See `ReportSource`."""
        group = await self._group_view()
        now, at = self._clock.monotonic(), self._clock.now_us() // _US_PER_MS
        reasons, warnings = self._status.readiness(), self._status.warnings()
        self._problems.reasons([*reasons, *warnings], at)
        uses = together(shard.source.places for shard in self._worker.shards)
        identity = self._identity
        chats = self._all_chats(now)
        figures = self._history.figures(self._levels(self._status.chat_states()))
        this = ShardOwner(identity.worker, identity.host)
        shards = shards_of(self._partitions(), self._own_shards(), this, group, now)
        return StatusReport(
            now=at,
            health=health_of(reasons, warnings, figures, shards, NEXT_STEPS),
            identity=Identity(
                version=identity.version,
                worker=identity.worker,
                host=identity.host,
                group=identity.group,
                site=identity.site,
                started_at=self._started_at,
                uptime_seconds=now - self._started,
                declared_client_version=identity.client_version,
                client_versions=sorted({version for use in uses.values() for version in use.versions}),
            ),
            figures=figures,
            history=self._history.points(),
            shards=shards,
            servers=servers_of(uses, self._errors.all()),
            chats=page_of(chats, query),
            problems=self._problems.listed(),
        )

    # --- what happens --------------------------------------------------------------------------------------------

    def _heard(self, fact: Fact) -> None:
        tally = self._history.tally
        if isinstance(fact, BatchCommitted):
            tally.committed(sum(fact.kinds.values()), fact.seconds)
            return
        if isinstance(fact, Resumed):
            tally.rejoins += 1
        elif isinstance(fact, GapRecorded):
            tally.gaps += 1
        elif isinstance(fact, Quarantined):
            tally.quarantined += 1
        if fact.level < logging.WARNING or isinstance(fact, _TOLD_AS_REASONS):
            return
        at = self._clock.now_us() // _US_PER_MS
        if isinstance(fact, LinkLost):
            self._errors.note(fact.server, LastError(at=at, code=fact.code, detail=fact.detail))
        self._problems.happened(*sentence(fact.name(), fact.line()), at)

    def _sample(self) -> None:
        self.start()
        reasons = [*self._status.readiness(), *self._status.warnings()]
        self._problems.reasons(reasons, self._clock.now_us() // _US_PER_MS)
        self._history.sample(self._clock.monotonic(), self._levels(self._status.chat_states()))

    # --- how things stand ----------------------------------------------------------------------------------------

    def _levels(self, states: Counter[str]) -> Levels:
        return Levels(
            oldest_uncommitted=self._status.oldest_uncommitted(),
            joined=states[JOINED],
            waiting=states[WAITING],
            given_up=states[GIVEN_UP],
            over=states[OVER],
        )

    def _all_chats(self, now: float) -> list[ChatView]:
        if now >= self._chats_until:
            self._chats = [_view(shard, one) for shard in self._worker.shards for one in shard.store.chats.values()]
            self._chats_until = now + _CHATS_SECONDS
        return self._chats

    def _own_shards(self) -> dict[int, OwnShard]:
        draining = any(one.code == DRAINING for one in self._worker.problems())
        return {shard.partition: _own(shard, draining=draining) for shard in self._worker.shards}

    async def _group_view(self) -> GroupView:
        cause = self._kafka_cause()
        if cause is not None:
            return GroupView(unknown_because=f"Kafka cannot be used ({cause.code})")
        if not self._partitions():
            return GroupView(unknown_because="the worker has not found its topics yet")
        return await self._group.look()


def _own(shard: Shard, *, draining: bool) -> OwnShard:
    if shard.fenced:
        state = FENCED
    elif draining:
        state = CLOSING
    else:
        state = OPEN if shard.problem is None else OPENING
    details = [one.detail for one in shard.problems]
    if shard.paused:
        details.append("buffer full, reading paused")
    return OwnShard(state, len(shard.store.followed()), "; ".join(details))


def _view(shard: Shard, chat: Chat) -> ChatView:
    state, fold = chat_state(shard, chat), chat.transcript
    return ChatView(
        session_id=chat.session_id,
        shard=shard.partition,
        state=state,
        server=shard.source.joined_at(chat.session_id) or chat.announcement.places()[0],
        started_at=fold.facts.start_at,
        records=fold.sequence,
        gaps=fold.counts.get("GAP", 0),
    )
