"""Telemetry events: one dataclass per kind of log line, which also updates the metrics.

Fields hold numbers, class names, codes and the bridge's own sentences about them. There is no field for chat text or
user data (P5).
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar

from bridge.meters import KINDS, OTHER, Meters, kafka_error_kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(slots=True, frozen=True, kw_only=True)
class ToldSpan:
    """What a trace shows of a fact: something that took `seconds` and ended with it. `sampled`: a part is enough."""

    name: str
    seconds: float
    attributes: Mapping[str, str | int | float]
    failed: bool = False
    sampled: bool = False


@dataclass(slots=True, frozen=True, kw_only=True)
class Fact:
    """Something that happened. Its fields are those of the log line; `count` updates the metrics.

    `always`: it is written whatever the level of the log is.
    """

    level: ClassVar[int] = logging.INFO
    always: ClassVar[bool] = False

    @classmethod
    def name(cls) -> str:
        """Return the name of the log line, e.g. `batch_committed`."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()

    def line(self) -> dict[str, object]:
        """Return the fields of the log line."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def count(self, meters: Meters) -> None:
        """Update the metrics; a fact without metrics is only a log line."""

    def span(self) -> ToldSpan | None:
        """Return what a trace shows of it; None for a fact without a duration."""
        return None


@dataclass(slots=True, frozen=True, kw_only=True)
class BridgeStarted(Fact):
    """The process started; its shards are assigned later. `http` and `probes` are addresses that it listens on."""

    version: str
    worker: str
    group: str
    http: str
    probes: str


@dataclass(slots=True, frozen=True, kw_only=True)
class StartWaits(Fact):
    """The start cannot go on before something outside has changed. Said once, as long as it is the same."""

    level: ClassVar[int] = logging.WARNING

    code: str
    detail: str


@dataclass(slots=True, frozen=True, kw_only=True)
class ClosedRetentionExtended(Fact):
    """Closed chats are remembered for `used` seconds, longer than capture.closed_retention_seconds (`setting`).

    `events` and `announcements` say how long their topics may hold a record: an announcement that came after a chat is
    forgotten would publish it a second time (P1). None is for ever.
    """

    level: ClassVar[int] = logging.WARNING

    setting: float
    events: float | None
    announcements: float | None
    used: float | None

    def line(self) -> dict[str, object]:
        """Return seconds, or words where there is no number."""
        times = {"events": self.events, "announcements": self.announcements, "used": self.used}
        words = {name: "for ever" if seconds is None else seconds for name, seconds in times.items()}
        return {"setting": self.setting, **words}


@dataclass(slots=True, frozen=True, kw_only=True)
class Draining(Fact):
    """A signal was received: input is committed and shards are handed over, within `seconds`."""

    seconds: float


@dataclass(slots=True, frozen=True, kw_only=True)
class Drained(Fact):
    """Draining ended. `complete`: each shard was drained, or handed over to another worker.

    Otherwise `unfinished` shards hold `inputs` (of `bytes`) from their chats that are not known to be on Kafka; the
    next owner reads them from the chats' histories, but for chats that ended meanwhile.
    """

    complete: bool
    handed_over: int
    unfinished: int
    inputs: int
    bytes: int


@dataclass(slots=True, frozen=True, kw_only=True)
class RunFailed(Fact):
    """The process ends, because something is wrong that a retry cannot resolve. `detail` ends with what to do."""

    level: ClassVar[int] = logging.ERROR

    code: str
    detail: str


@dataclass(slots=True, frozen=True, kw_only=True)
class DefectFound(Fact):
    """A defect of the bridge ends the worker, in order. `error` is a class name, `at` the stack frames."""

    level: ClassVar[int] = logging.ERROR

    error: str
    at: tuple[str, ...]


@dataclass(slots=True, frozen=True, kw_only=True)
class ConsumerFailed(Fact):
    """The consumer of announcements failed and is re-created. `error` is a class name; `code` as in `/readyz`."""

    level: ClassVar[int] = logging.WARNING

    error: str
    code: str
    detail: str

    def count(self, meters: Meters) -> None:
        """Count it."""
        meters.consumer_failures.inc()
        meters.kafka_errors.labels(kafka_error_kind(self.error)).inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class BatchCommitted(Fact):
    """One transaction is durable. `kinds` counts event records per kind; `bytes` are those of the events.

    `ages` are not in the log: seconds since an input arrived, and how many of the events came with it.
    """

    level: ClassVar[int] = logging.DEBUG  # up to a hundred a second; the metrics cover it

    shard: int
    kinds: Mapping[str, int]
    records: int
    bytes: int
    seconds: float
    oldest_seconds: float
    ages: Sequence[tuple[float, int]]

    def line(self) -> dict[str, object]:
        """Return the fields but for the ages."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "ages"}

    def count(self, meters: Meters) -> None:
        """Count events, bytes, the transaction and its times."""
        for kind, number in self.kinds.items():
            meters.events.labels(kind if kind in KINDS else OTHER).inc(number)
        meters.bytes.inc(self.bytes)
        meters.transactions.labels("committed").inc()
        meters.commit_seconds.observe(self.seconds)
        meters.capture_seconds.observe(self.oldest_seconds)
        meters.event_ages.add(self.ages)
        meters.last_commit.set_to_current_time()

    def span(self) -> ToldSpan:
        """Return the transaction's."""
        attributes = {"shard": self.shard, "records": self.records, "event_bytes": self.bytes}
        return ToldSpan(name="transaction", seconds=self.seconds, attributes=attributes, sampled=True)


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
    """A shard could not be taken; it is retried. `error` is a class name."""

    level: ClassVar[int] = logging.WARNING

    shard: int
    error: str

    def count(self, meters: Meters) -> None:
        """Count the attempt."""
        meters.shard_changes.labels("not_opened").inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class PartitionsAdopted(Fact):
    """All topics were given more partitions: a shard is opened again to go by their number. No transaction failed."""

    shard: int


@dataclass(slots=True, frozen=True, kw_only=True)
class ShardTaken(Fact):
    """A shard was taken over, `seconds` after the attempt began, and its open chats are followed."""

    shard: int
    sessions: int
    seconds: float

    def count(self, meters: Meters) -> None:
        """Count the change."""
        meters.shard_changes.labels("taken").inc()
        meters.shard_open_seconds.observe(self.seconds)

    def span(self) -> ToldSpan:
        """Return that of the opening."""
        attributes = {"shard": self.shard, "sessions": self.sessions}
        return ToldSpan(name="open shard", seconds=self.seconds, attributes=attributes)


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
class ChatsReconciled(Fact):
    """Another worker had a shard in between: `followed` chats were joined anew, `forgotten` ones are left."""

    level: ClassVar[int] = logging.WARNING

    shard: int
    followed: int
    forgotten: int

    def count(self, meters: Meters) -> None:
        """Count the chats."""
        meters.reconciled.labels("followed").inc(self.followed)
        meters.reconciled.labels("forgotten").inc(self.forgotten)


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
class KafkaErrorMet(Fact):
    """Kafka, or a connection to it, failed once. `error` is a class name. What follows is told by another fact."""

    level: ClassVar[int] = logging.DEBUG

    error: str

    def count(self, meters: Meters) -> None:
        """Count it by kind."""
        meters.kafka_errors.labels(kafka_error_kind(self.error)).inc()


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
