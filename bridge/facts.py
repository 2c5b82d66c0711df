"""Telemetry events: one dataclass per kind of log line, which also updates the metrics.

Fields hold numbers, class names and the bridge's own reasons. There is no field for chat text or user data (P5).
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar

from bridge.meters import GAP_REASONS, KINDS, OTHER, QUARANTINE_REASONS, VERDICTS, Meters, label

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(slots=True, frozen=True, kw_only=True)
class Fact:
    """Something that happened. Its fields are those of the log line; `count` updates the metrics."""

    level: ClassVar[int] = logging.INFO

    @classmethod
    def name(cls) -> str:
        """Return the name of the log line, e.g. `batch_committed`."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()

    def line(self) -> dict[str, object]:
        """Return the fields of the log line."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def count(self, meters: Meters) -> None:
        """Update the metrics; a fact without metrics is only a log line."""


@dataclass(slots=True, frozen=True, kw_only=True)
class BridgeStarted(Fact):
    """The process started; its shards are assigned later."""

    version: str
    worker: str
    group: str


@dataclass(slots=True, frozen=True, kw_only=True)
class ClosedRetentionExtended(Fact):
    """Closed chats are remembered for `used` seconds, longer than capture.closed_retention_seconds (`setting`).

    `events` and `announcements` say how long their topics may hold a record: an announcement that came after a chat is
    forgotten would publish it a second time (P1). None is for ever, and of `setting` not given.
    """

    level: ClassVar[int] = logging.WARNING

    setting: float | None
    events: float | None
    announcements: float | None
    used: float | None

    def line(self) -> dict[str, object]:
        """Return seconds, or words where there is no number."""
        times = {"events": self.events, "announcements": self.announcements, "used": self.used}
        words = {name: "for ever" if seconds is None else seconds for name, seconds in times.items()}
        return {"setting": "not given" if self.setting is None else self.setting, **words}


@dataclass(slots=True, frozen=True, kw_only=True)
class Draining(Fact):
    """A signal was received: input is committed and shards are handed over, within `seconds`."""

    seconds: float


@dataclass(slots=True, frozen=True, kw_only=True)
class Drained(Fact):
    """Draining ended. If not `complete`, the next owner reads what is missing from the chats' histories."""

    complete: bool


@dataclass(slots=True, frozen=True, kw_only=True)
class KafkaProblemBegan(Fact):
    """Kafka cannot be used, for a cause that was found by connecting to it. `next`: what the operator can do."""

    level: ClassVar[int] = logging.WARNING

    code: str
    problem: str
    next: str


@dataclass(slots=True, frozen=True, kw_only=True)
class KafkaProblemEnded(Fact):
    """Kafka can be used again, or for another cause not."""

    code: str
    problem: str


@dataclass(slots=True, frozen=True, kw_only=True)
class ConsumerFailed(Fact):
    """The consumer of announcements failed and is re-created. `error` is a class name."""

    level: ClassVar[int] = logging.WARNING

    error: str

    def count(self, meters: Meters) -> None:
        """Count it."""
        meters.consumer_failures.inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class BatchCommitted(Fact):
    """One transaction is durable. `kinds` counts event records per kind; `bytes` are those of the events."""

    level: ClassVar[int] = logging.DEBUG  # up to a hundred a second; the metrics cover it

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
    """A shard's producer could not be initialised; it is retried. `error` is a class name."""

    level: ClassVar[int] = logging.WARNING

    shard: int
    error: str

    def count(self, meters: Meters) -> None:
        """Count the attempt."""
        meters.shard_changes.labels("not_opened").inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class ShardTaken(Fact):
    """A shard was taken over, and its open chats are followed."""

    shard: int
    sessions: int

    def count(self, meters: Meters) -> None:
        """Count the change."""
        meters.shard_changes.labels("taken").inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class ShardReleased(Fact):
    """A shard was released in an orderly way: revoked or drained."""

    shard: int

    def count(self, meters: Meters) -> None:
        """Count the change."""
        meters.shard_changes.labels("released").inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class ShardFencedOff(Fact):
    """Another producer fenced a shard of this worker."""

    level: ClassVar[int] = logging.WARNING

    shard: int

    def count(self, meters: Meters) -> None:
        """Count the change, and the transaction that failed with it."""
        meters.shard_changes.labels("fenced").inc()
        meters.transactions.labels("fenced").inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class ShardCrashed(Fact):
    """A defect of the bridge ended a shard's task; it is restarted. `error` is a class name, `at` the stack frames."""

    level: ClassVar[int] = logging.ERROR

    shard: int
    error: str
    at: tuple[str, ...]

    def count(self, meters: Meters) -> None:
        """Count the change."""
        meters.shard_changes.labels("crashed").inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class GapRecorded(Fact):
    """Events could not be captured; a GAP record marks their place (P2)."""

    level: ClassVar[int] = logging.WARNING

    reason: str

    def count(self, meters: Meters) -> None:
        """Count it by reason."""
        meters.gaps.labels(GAP_REASONS.get(self.reason, OTHER)).inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class Resumed(Fact):
    """A chat is monitored again after an interruption; a RESUMED record was written (P2)."""

    def count(self, meters: Meters) -> None:
        """Count it."""
        meters.resumptions.inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class Quarantined(Fact):
    """Input was quarantined. The log line has the label of the reason only: a reason may quote a name from a peer."""

    level: ClassVar[int] = logging.WARNING

    reason: str

    def line(self) -> dict[str, object]:
        """Return the label of the reason."""
        return {"reason": label(self.reason, QUARANTINE_REASONS)}

    def count(self, meters: Meters) -> None:
        """Count it by reason."""
        meters.quarantined.labels(label(self.reason, QUARANTINE_REASONS)).inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class ChatOpened(Fact):
    """A chat is followed from now on."""

    level: ClassVar[int] = logging.DEBUG

    def count(self, meters: Meters) -> None:
        """Count it."""
        meters.opened.inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class ChatClosed(Fact):
    """A chat was closed with a certificate."""

    level: ClassVar[int] = logging.DEBUG

    verdict: str

    def count(self, meters: Meters) -> None:
        """Count it by verdict."""
        meters.closed.labels(self.verdict if self.verdict in VERDICTS else OTHER).inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class ChatFailed(Fact):
    """A defect of the bridge cost one chat an input; a GAP stands for it. `error`: class name, `at`: stack frames."""

    level: ClassVar[int] = logging.ERROR

    error: str
    at: tuple[str, ...]

    def count(self, meters: Meters) -> None:
        """Count it."""
        meters.failures.inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class AnnouncementForwarded(Fact):
    """An announcement was on the wrong partition and was forwarded to the right one."""

    level: ClassVar[int] = logging.DEBUG

    def count(self, meters: Meters) -> None:
        """Count it."""
        meters.announcements.labels("forwarded").inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class AnnouncementRejected(Fact):
    """An announcement could not be read and was quarantined."""

    level: ClassVar[int] = logging.WARNING

    def count(self, meters: Meters) -> None:
        """Count it."""
        meters.announcements.labels("rejected").inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class InboxPaused(Fact):
    """A buffer is full: reading is paused, so that TCP pushes back (P6)."""

    level: ClassVar[int] = logging.WARNING

    shard: int

    def count(self, meters: Meters) -> None:
        """Count it."""
        meters.pauses.inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class InboxResumed(Fact):
    """A buffer is half empty: reading is resumed."""

    shard: int
