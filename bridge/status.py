"""Implements `StatusView` for a running worker: readiness, list of chats, gauges, announcing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.adapters.http.status_view import SessionView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bridge.adapters.kafka.announcement_producer import AnnouncementProducer
    from bridge.announcement import Announcement
    from bridge.capture.ports import Clock
    from bridge.capture.worker import Worker
    from bridge.telemetry import Telemetry

_SLOW_SECONDS = 5.0
_STUCK_SECONDS = 30.0


class WorkerStatus:
    """The `StatusView` of one worker. Read-only, except that `announce` writes announcements."""

    def __init__(  # noqa: PLR0913 - the parts of a worker that it reports on, by name
        self,
        worker: Worker,
        announcer: AnnouncementProducer,
        telemetry: Telemetry,
        clock: Clock,
        *,
        joins_waiting: Callable[[], int],
        kafka_cause: Callable[[], object],
    ) -> None:
        """Also registers the gauges; their values are read at each scrape.

        `kafka_cause` returns why Kafka cannot be used, None when it can or when that is not known.
        """
        self.preparing: str | None = "starting"
        self._worker = worker
        self._announcer = announcer
        self._telemetry = telemetry
        self._clock = clock
        self._kafka_cause = kafka_cause
        telemetry.watch("oldest_uncommitted_event_seconds", self._oldest)
        telemetry.watch("buffer_bytes", lambda: sum(shard.buffer_bytes for shard in worker.shards))
        telemetry.watch("sessions", lambda: sum(len(shard.store.followed()) for shard in worker.shards))
        telemetry.watch("shards", lambda: sum(1 for _ in worker.shards))
        telemetry.watch("links", lambda: sum(shard.source.connections for shard in worker.shards))
        telemetry.watch("joins_waiting", joins_waiting)

    def readiness(self) -> list[str]:
        """Return why the worker is not ready; empty when it is. The cause that connecting to Kafka gives comes last."""
        reasons, cause = self._reasons(), self._kafka_cause()
        return [*reasons, str(cause)] if reasons and cause is not None else reasons

    def _reasons(self) -> list[str]:
        if self.preparing:
            return [self.preparing]
        reasons = self._worker.problems()
        waited = self._longest_transaction()
        if waited > _SLOW_SECONDS:
            reasons.append(f"waiting for Kafka: a transaction has been in progress for {waited:.0f} s")
        oldest = self._oldest()
        if oldest > _STUCK_SECONDS:
            reasons.append(f"the oldest uncommitted event is {oldest:.0f} s old")
        return reasons

    def live(self) -> bool:
        """Return True: a process that can answer is alive."""
        return True

    def sessions(self) -> Iterator[SessionView]:
        """Yield the chats of all shards of this worker."""
        for shard in self._worker.shards:
            for session_id, chat in shard.store.chats.items():
                fold = chat.transcript
                yield SessionView(
                    session_id=session_id,
                    shard=shard.partition,
                    state=chat.state,
                    server=shard.source.joined_at(session_id),
                    joined=shard.source.joined_at(session_id) is not None,
                    sequence=fold.sequence,
                    last_event_id=fold.delivered.maximum,
                    gaps=fold.counts.get("GAP", 0),
                )

    async def announce(self, announcements: Sequence[Announcement]) -> None:
        """Write announcements; on return Kafka has acknowledged all of them. Raises AnnouncementsNotWritten."""
        await self._announcer.announce(announcements)

    def metrics(self) -> bytes:
        """Return all metrics in Prometheus' text form."""
        return self._telemetry.render()

    def _longest_transaction(self) -> float:
        now = self._clock.monotonic()
        return max((shard.under_way(now) for shard in self._worker.shards), default=0.0)

    def _oldest(self) -> float:
        now = self._clock.monotonic()
        return max((shard.oldest_uncommitted(now) for shard in self._worker.shards), default=0.0)
