"""What happened, said once: each fact is a dataclass that knows its log line and its metrics.

Facts hold numbers, class names and reasons in our own words; chat text and user data have no
field to stand in (P5).
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar, Final

from prometheus_client import generate_latest

from bridge.meters import GAP_REASONS, KINDS, LOSS_REASONS, OTHER, QUARANTINE_REASONS, VERDICTS, Meters, label
from bridge.transcript.updates import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bridge.meters import GaugeName

_JOIN_RESULTS: Final = {
    Verdict.RETRY.value: "refused",
    Verdict.GONE.value: "given_up",
    Verdict.NEVER.value: "given_up",
}


@dataclass(slots=True, frozen=True, kw_only=True)
class Fact:
    """Something that happened. Fields become the log line's; `count` moves the metrics."""

    level: ClassVar[int] = logging.INFO

    @classmethod
    def name(cls) -> str:
        """Return the name of the log line, e.g. `batch_committed`."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()

    def line(self) -> dict[str, object]:
        """Return the fields of the log line."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def count(self, meters: Meters) -> None:
        """Move the metrics; a fact without metrics is only a log line."""


@dataclass(slots=True, frozen=True, kw_only=True)
class BridgeStarted(Fact):
    """The process is up; its shards come later."""

    version: str
    worker: str
    group: str


@dataclass(slots=True, frozen=True, kw_only=True)
class Draining(Fact):
    """A signal came; what was seen is being committed, for at most so many seconds."""

    seconds: float


@dataclass(slots=True, frozen=True, kw_only=True)
class Drained(Fact):
    """The end of draining. What is not `complete` the next owner reads again from the chats' histories."""

    complete: bool


@dataclass(slots=True, frozen=True, kw_only=True)
class ConsumerFailed(Fact):
    """The consumer of announcements failed and is made anew. `error` is a class name."""

    level: ClassVar[int] = logging.WARNING

    error: str

    def count(self, meters: Meters) -> None:
        """Count it."""
        meters.consumer_failures.inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class BatchCommitted(Fact):
    """One transaction is durable. `kinds` counts event records per kind; `bytes` are those of the events."""

    level: ClassVar[int] = logging.DEBUG  # up to a hundred a second: the metrics carry it

    shard: int
    kinds: Mapping[str, int]
    records: int
    bytes: int
    seconds: float
    oldest_seconds: float

    def count(self, meters: Meters) -> None:
        """Count events, bytes, the transaction and its times."""
        for kind, number in self.kinds.items():
            meters.events.labels(kind if kind in KINDS else OTHER).inc(number)
        meters.bytes.inc(self.bytes)
        meters.transactions.labels("committed").inc()
        meters.commit_seconds.observe(self.seconds)
        meters.capture_seconds.observe(self.oldest_seconds)


@dataclass(slots=True, frozen=True, kw_only=True)
class TransactionFailed(Fact):
    """A transaction failed; the shard starts again from its checkpoints. `error` is a class name."""

    level: ClassVar[int] = logging.WARNING

    shard: int
    error: str

    def count(self, meters: Meters) -> None:
        """Count the transaction."""
        meters.transactions.labels("failed").inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class ShardNotOpened(Fact):
    """A shard's log could not be opened; it is tried again. `error` is a class name."""

    level: ClassVar[int] = logging.WARNING

    shard: int
    error: str

    def count(self, meters: Meters) -> None:
        """Count the change that did not come."""
        meters.shard_changes.labels("not_opened").inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class ShardTaken(Fact):
    """A shard is ours, and its open chats are followed."""

    shard: int
    sessions: int

    def count(self, meters: Meters) -> None:
        """Count the change."""
        meters.shard_changes.labels("taken").inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class ShardReleased(Fact):
    """A shard was given up in order."""

    shard: int

    def count(self, meters: Meters) -> None:
        """Count the change."""
        meters.shard_changes.labels("released").inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class ShardFencedOff(Fact):
    """Another replica took a shard while it was ours."""

    level: ClassVar[int] = logging.WARNING

    shard: int

    def count(self, meters: Meters) -> None:
        """Count the change and the transaction that told us."""
        meters.shard_changes.labels("fenced").inc()
        meters.transactions.labels("fenced").inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class ShardCrashed(Fact):
    """A defect of the bridge ended a shard's task; it is started again. `error` is a class name, `at` its places."""

    level: ClassVar[int] = logging.ERROR

    shard: int
    error: str
    at: tuple[str, ...]

    def count(self, meters: Meters) -> None:
        """Count the change."""
        meters.shard_changes.labels("crashed").inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class LinkOpened(Fact):
    """A connection is registered."""

    server: str

    def count(self, meters: Meters) -> None:
        """Count it."""
        meters.links_opened.inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class LinkLost(Fact):
    """A connection ended, or (`registered` false) never came up."""

    level: ClassVar[int] = logging.WARNING

    server: str
    reason: str
    registered: bool

    def count(self, meters: Meters) -> None:
        """Count it by reason."""
        meters.links_lost.labels(label(self.reason, LOSS_REASONS)).inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class JoinAnswered(Fact):
    """A chat is joined; its history had `events` events."""

    level: ClassVar[int] = logging.DEBUG

    events: int

    def count(self, meters: Meters) -> None:
        """Count the join and its history."""
        meters.joins.labels("answered").inc()
        meters.replayed.inc(self.events)


@dataclass(slots=True, frozen=True, kw_only=True)
class JoinRefusal(Fact):
    """A server refused a join. `verdict` (the value of a Verdict) tells whether another attempt may succeed."""

    error_id: int
    verdict: str

    def count(self, meters: Meters) -> None:
        """Count it by verdict."""
        meters.joins.labels(_JOIN_RESULTS.get(self.verdict, OTHER)).inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class GapRecorded(Fact):
    """Something could not be captured, and a GAP record says so (P2)."""

    level: ClassVar[int] = logging.WARNING

    reason: str

    def count(self, meters: Meters) -> None:
        """Count it by reason."""
        meters.gaps.labels(GAP_REASONS.get(self.reason, OTHER)).inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class Resumed(Fact):
    """A chat goes on after an absence, and a RESUMED record says so (P2)."""

    def count(self, meters: Meters) -> None:
        """Count it."""
        meters.resumptions.inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class Quarantined(Fact):
    """Input was set aside. A reason may name what a peer sent, so that the log line holds its label only."""

    level: ClassVar[int] = logging.WARNING

    reason: str

    def line(self) -> dict[str, object]:
        """Return the closed reason."""
        return {"reason": label(self.reason, QUARANTINE_REASONS)}

    def count(self, meters: Meters) -> None:
        """Count it by reason."""
        meters.quarantined.labels(label(self.reason, QUARANTINE_REASONS)).inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class ChatOpened(Fact):
    """A chat began to be followed."""

    level: ClassVar[int] = logging.DEBUG

    def count(self, meters: Meters) -> None:
        """Count it."""
        meters.opened.inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class ChatClosed(Fact):
    """A chat got its certificate."""

    level: ClassVar[int] = logging.DEBUG

    verdict: str

    def count(self, meters: Meters) -> None:
        """Count it by verdict."""
        meters.closed.labels(self.verdict if self.verdict in VERDICTS else OTHER).inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class ChatFailed(Fact):
    """A defect of the bridge ended one chat's capture; the others go on. `error` is a class name, `at` its places."""

    level: ClassVar[int] = logging.ERROR

    error: str
    at: tuple[str, ...]

    def count(self, meters: Meters) -> None:
        """Count it."""
        meters.failures.inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class AnnouncementForwarded(Fact):
    """An announcement lay on a wrong partition and was sent on to the right one."""

    level: ClassVar[int] = logging.DEBUG

    def count(self, meters: Meters) -> None:
        """Count it."""
        meters.announcements.labels("forwarded").inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class AnnouncementRejected(Fact):
    """An announcement could not be read and went to the quarantine."""

    level: ClassVar[int] = logging.WARNING

    def count(self, meters: Meters) -> None:
        """Count it."""
        meters.announcements.labels("rejected").inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class InboxPaused(Fact):
    """A buffer is full: reading pauses, and TCP pushes back (P6)."""

    level: ClassVar[int] = logging.WARNING

    shard: int

    def count(self, meters: Meters) -> None:
        """Count it."""
        meters.pauses.inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class InboxResumed(Fact):
    """A buffer has room again: reading goes on."""

    shard: int


class Telemetry:
    """Where facts go: one log line and the metrics for each."""

    def __init__(self, logger: logging.Logger | None = None) -> None:
        """Without a logger, facts go to the logger `bridge`."""
        self._logger = logger or logging.getLogger("bridge")
        self._meters = Meters()

    def emit(self, fact: Fact) -> None:
        """Count the fact, and log it if its level is on."""
        fact.count(self._meters)
        if self._logger.isEnabledFor(fact.level):
            self._logger.log(fact.level, fact.name(), extra={"fields": fact.line()})

    def watch(self, gauge: GaugeName, read: Callable[[], float]) -> None:
        """Let a gauge be read, at every scrape, by `read`; it runs in the thread that scrapes."""
        self._meters.gauges[gauge].set_function(read)

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text form."""
        return generate_latest(self._meters.registry)
