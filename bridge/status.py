"""Implements `StatusView` for a running worker: readiness, list of chats, gauges, announcing."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

from bridge import logs
from bridge.adapters.http.status_view import SessionView
from bridge.capture.chat import FOLLOWED, OPEN
from bridge.capture.chat import GIVEN_UP as STORED_AS_GIVEN_UP
from bridge.capture.chat import OVER as STORED_AS_OVER
from bridge.capture.chat import STORED as KNOWN_AS_STORED
from bridge.capture.readiness_codes import (
    COMMIT_SLOW,
    DRAINING,
    JOINS_PAUSED,
    NO_PARTITIONS,
    OUTPUT_UNKNOWN,
    PREPARING,
    SERVER_UNREACHABLE,
    SERVER_UNSTABLE,
    UNCOMMITTED,
)
from bridge.errors import AnnouncementsNotWritten, Problem
from bridge.facts import KafkaErrorMet
from bridge.overview.chat_list import GIVEN_UP, JOINED, OVER, STORED, WAITING
from bridge.reason_codes import REASON_CODES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bridge.adapters.kafka.announcement_producer import AnnouncementProducer
    from bridge.adapters.kafka.connection_causes import Cause
    from bridge.announcement import Announcement
    from bridge.capture.chat import Chat
    from bridge.capture.ports import Clock
    from bridge.capture.shard import Shard
    from bridge.capture.time_stamps import TimeStamps
    from bridge.capture.worker import Worker
    from bridge.telemetry import Telemetry


class JoinState(Protocol):
    """What the sources of a worker tell of their joins."""

    @property
    def joins_waiting(self) -> int:
        """Number of chats that wait to be joined, in all shards."""

    @property
    def joins_budget(self) -> int:
        """Number of joins that the rate limit allows right now, where it allows fewest."""

    @property
    def joins_paused(self) -> bool:
        """Whether no joins are sent, by order of the administrator."""

    def pause_joins(self) -> None:
        """Send no joins until `resume_joins`. Chats that are joined stay so, and connections stay open."""

    def resume_joins(self) -> None:
        """Send joins again."""

    @property
    def client_versions(self) -> Mapping[str, int]:
        """ClientVersion in force -> number of chats that are joined under it."""


class TopicReports(Protocol):
    """What is wrong with the topics."""

    @property
    def reasons(self) -> Sequence[Problem]:
        """Why a worker cannot be ready."""

    @property
    def warnings(self) -> Sequence[Problem]:
        """What should not stay as it is."""


_NOT_OF_KAFKA = frozenset({DRAINING, NO_PARTITIONS, SERVER_UNREACHABLE, SERVER_UNSTABLE})
"""Codes of reasons that may last, and that nobody looks for in the connection to Kafka."""
_SLOW_SECONDS = 5.0
_STUCK_SECONDS = 30.0
_JOINS_PAUSED = Problem(JOINS_PAUSED, "no chat is joined: an administrator paused joins (PUT /v1/admin/joins)")
_SERVERS_NAMED = 8
_SHOWN = {STORED_AS_GIVEN_UP: GIVEN_UP, STORED_AS_OVER: OVER, KNOWN_AS_STORED: STORED}
"""Unstable servers among the reasons, and unreachable ones: they come from announcements, and a reply has an end."""


class WorkerStatus:
    """The `StatusView` of one worker. Read-only, except that `announce` writes announcements."""

    def __init__(  # noqa: PLR0913 - the parts of a worker that it reports on, by name
        self,
        worker: Worker,
        announcer: AnnouncementProducer,
        telemetry: Telemetry,
        clock: Clock,
        *,
        joins: JoinState,
        kafka_cause: Callable[[], Cause | None],
        topics: TopicReports,
        stamps: TimeStamps | None = None,
    ) -> None:
        """Also registers the gauges; their values are read at each scrape.

        While `preparing`, `kafka_answered` says whether Kafka does; `partitions` is 0 until their number is known.
        `kafka_cause` returns why Kafka cannot be used, None when it can or when that is not known.
        """
        self.preparing: Problem | None = Problem(PREPARING, "starting")
        self.partitions = 0
        self._worker = worker
        self._announcer = announcer
        self._telemetry = telemetry
        self._clock = clock
        self._kafka_cause = kafka_cause
        self._topics = topics
        self._stamps = stamps
        self.kafka_answered = False
        self._joins = joins
        telemetry.watch("ready", lambda: not self.readiness())
        telemetry.watch_not_ready(REASON_CODES, lambda: [reason.code for reason in self.readiness()])
        telemetry.watch("kafka_up", lambda: self.kafka_answered if self.preparing else worker.kafka_answers)
        telemetry.watch("partitions", lambda: self.partitions)
        telemetry.watch("announcement_lag", lambda: sum(shard.announcement_lag for shard in worker.shards))
        telemetry.watch("oldest_uncommitted_event_seconds", self.oldest_uncommitted)
        telemetry.watch("buffer_bytes", lambda: sum(shard.buffer_bytes for shard in worker.shards))
        telemetry.watch("buffer_limit_bytes", lambda: sum(shard.buffer_limit for shard in worker.shards))
        telemetry.watch("inboxes_paused", lambda: sum(shard.paused for shard in worker.shards))
        telemetry.watch_each("sessions", self._states)
        telemetry.watch_each("shards", worker.shard_states)
        telemetry.watch_each("sessions_by_client_version", lambda: joins.client_versions)
        telemetry.watch("links", lambda: sum(shard.source.connections for shard in worker.shards))
        telemetry.watch("joins_waiting", lambda: joins.joins_waiting)
        telemetry.watch("joins_budget", lambda: joins.joins_budget)
        telemetry.watch("joins_paused", lambda: joins.joins_paused)
        telemetry.watch_unstable(self._unstable)
        telemetry.watch("unreachable_servers", lambda: len(self._unreachable()))
        telemetry.watch("announcers", lambda: announcer.producers)

    def readiness(self) -> list[Problem]:
        """Return why the worker is not ready; empty when it is. Why connecting to Kafka fails comes first."""
        reasons, cause = self._reasons(), self._kafka_cause()
        if not reasons or cause is None or cause.problem in reasons:
            return reasons
        return [cause.problem, *reasons]

    def may_lack_kafka(self) -> bool:
        """Return whether it may be Kafka for which the worker is not ready: then why is looked for."""
        return any(reason.code not in _NOT_OF_KAFKA for reason in self._reasons())

    def warnings(self) -> list[Problem]:
        """Return what should not stay as it is, although the worker goes on with it."""
        unreachable = self._unreachable_servers() if self._has_link() else []
        paused = [_JOINS_PAUSED] if self._joins.joins_paused else []
        unstamped = [] if self._stamps is None or self._stamps.problem is None else [self._stamps.problem]
        return [*self._topics.warnings, *self._missing_outputs(), *unreachable, *paused, *unstamped]

    def _reasons(self) -> list[Problem]:
        if self.preparing:
            return [self.preparing]
        reasons = [*self._worker.problems(), *self._topics.reasons]
        waited = self._longest_transaction()
        if waited > _SLOW_SECONDS:
            detail = f"waiting for Kafka: a transaction has been in progress for {waited:.0f} s"
            reasons.append(Problem(COMMIT_SLOW, detail))
        oldest = self.oldest_uncommitted()
        if oldest > _STUCK_SECONDS:
            reasons.append(Problem(UNCOMMITTED, f"the oldest uncommitted event is {oldest:.0f} s old"))
        reasons += self._unstable_servers()
        return reasons if self._has_link() else [*reasons, *self._unreachable_servers()]

    def _has_link(self) -> bool:
        """Tell whether any server can be reached: a dead address among several does not make the worker useless."""
        return any(shard.source.has_link for shard in self._worker.shards)

    def _missing_outputs(self) -> list[Problem]:
        stores = [shard.store for shard in self._worker.shards]
        open_chats = (chat for store in stores for chat in store.chats.values() if chat.state in OPEN)
        found = Counter(name for chat in open_chats for name in chat.missing_outputs)
        return [
            Problem(OUTPUT_UNKNOWN, f"chats that are open in output {name}, which the settings lack: {chats}")
            for name, chats in sorted(found.items())
        ]

    def _unstable_servers(self) -> list[Problem]:
        worst = sorted(self._unstable().items(), key=lambda one: (-one[1], one[0]))
        details = [f"{place} answers and drops: {times} times in a row" for place, times in worst[:_SERVERS_NAMED]]
        if len(worst) > _SERVERS_NAMED:
            details.append(f"{len(worst) - _SERVERS_NAMED} more servers answer and drop")
        return [Problem(SERVER_UNSTABLE, detail) for detail in details]

    def _unreachable_servers(self) -> list[Problem]:
        found = self._unreachable()
        details = [f"no connection to {place}, {why}" for place, why in sorted(found.items())[:_SERVERS_NAMED]]
        if len(found) > _SERVERS_NAMED:
            details.append(f"{len(found) - _SERVERS_NAMED} more servers cannot be reached")
        return [Problem(SERVER_UNREACHABLE, detail) for detail in details]

    def live(self) -> bool:
        """Return True: a process that can answer is alive."""
        return True

    def sessions(self) -> Iterator[SessionView]:
        """Return the chats of all shards of this worker; of those that were given up, the latest. See `StatusView`."""
        chats = [(shard, [*shard.store.chats.values()]) for shard in self._worker.shards]
        return (_view(shard, chat) for shard, several in chats for chat in several)

    async def announce(self, announcements: Sequence[Announcement]) -> None:
        """Write announcements; on return Kafka has acknowledged all of them. Raises AnnouncementsNotWritten."""
        try:
            await self._announcer.announce(announcements)
        except AnnouncementsNotWritten as error:
            refused = error.__cause__ or error  # a KafkaUnavailable, which has the client's error as its cause
            self._telemetry.emit(KafkaErrorMet(error=type(refused.__cause__ or refused).__name__))
            raise

    # --- Administration ------------------------------------------------------------------------------------------

    def log_level(self) -> str:
        """Return the level of the log."""
        return logs.level()

    def set_log_level(self, level: str) -> None:
        """Set the level of the log."""
        logs.set_level(level)

    def joins_paused(self) -> bool:
        """Return whether no joins are sent."""
        return self._joins.joins_paused

    def pause_joins(self, *, paused: bool) -> None:
        """Send no joins, or send them again."""
        if paused:
            self._joins.pause_joins()
        else:
            self._joins.resume_joins()

    # --- metrics -------------------------------------------------------------------------------------------------

    def metrics(self) -> bytes:
        """Return all metrics in Prometheus' text form."""
        return self._telemetry.render()

    def chat_states(self) -> Counter[str]:
        """Return how many chats are in each of `overview.chat_list.CHAT_STATES`, also those that are packed.

        Without a look at each chat's place: with 20,000 chats that keeps the others waiting for tens of milliseconds.
        """
        found: Counter[str] = Counter()
        for shard in self._worker.shards:
            stored = Counter([chat.state for chat in shard.store.chats.values()])
            joined = min(shard.source.chats_joined, stored[FOLLOWED])  # one may be joined whose end is being folded
            found[JOINED] += joined
            found[WAITING] += stored[FOLLOWED] - joined
            for state, shown in _SHOWN.items():
                found[shown] += stored[state]
            found[GIVEN_UP] += shard.store.packed
        return found

    def _states(self) -> dict[str, int]:
        """Return how many chats are joined, wait for that, were given up, and are known as stored ones only."""
        found = self.chat_states()
        return {state: found[state] for state in (JOINED, WAITING, GIVEN_UP, STORED)}

    def _unstable(self) -> dict[str, int]:
        """Return the unstable places of all shards, each with its highest number of losses in a row."""
        found: dict[str, int] = {}
        for shard in self._worker.shards:
            for place, times in shard.source.unstable.items():
                found[place] = max(times, found.get(place, 0))
        return found

    def _unreachable(self) -> dict[str, str]:
        return {place: why for shard in self._worker.shards for place, why in shard.source.unreachable.items()}

    def _longest_transaction(self) -> float:
        now = self._clock.monotonic()
        return max((shard.under_way(now) for shard in self._worker.shards), default=0.0)

    def oldest_uncommitted(self) -> float:
        """Return the age in seconds of the oldest event of all shards that is not committed; 0.0 without one."""
        now = self._clock.monotonic()
        return max((shard.oldest_uncommitted(now) for shard in self._worker.shards), default=0.0)


def _view(shard: Shard, chat: Chat) -> SessionView:
    fold, server = chat.transcript, shard.source.joined_at(chat.session_id)
    return SessionView(
        session_id=chat.session_id,
        shard=shard.partition,
        state=chat.state,
        server=server,
        joined=server is not None,
        sequence=fold.sequence,
        last_event_id=fold.delivered.maximum,
        gaps=fold.counts.get("GAP", 0),
    )


def chat_state(shard: Shard, chat: Chat) -> str:
    """Return in which of `overview.chat_list.CHAT_STATES` a chat of a shard is."""
    if (shown := _SHOWN.get(chat.state)) is not None:
        return shown
    return WAITING if shard.source.joined_at(chat.session_id) is None else JOINED
