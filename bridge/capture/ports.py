"""The ports of the engine: what it needs of sources, of Kafka and of a clock, as small protocols.

Sources and adapters implement them; tests use the real ones or scripted stand-ins.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from bridge.transcript.updates import Update

if TYPE_CHECKING:
    from collections.abc import Sequence


class Clock(Protocol):
    """Wall clock and monotonic clock."""

    def now_us(self) -> int:
        """Microseconds since 1970 UTC."""

    def monotonic(self) -> float:
        """Seconds that never go back."""


# --- sources -----------------------------------------------------------------------------------------------------

Deliver = Callable[[Update, int], None]
"""Takes an update and the number of bytes that it occupied in the source; never blocks, never refuses."""


class Source(Protocol):
    """Delivers the chats of one shard, as updates through `Deliver`, until it is closed.

    The updates of one chat come in the order in which the source had them: a snapshot first, then increments, until a
    LinkDown, which the next snapshot ends. A chat is finished with an update that says `over`, or with a JoinRefused
    that says GONE or NEVER; the shard answers either with `forget`. Input that cannot be read is delivered as
    QuarantinedInput. Nothing is delivered after `close`, nor for a chat that was forgotten.
    """

    @property
    def connections(self) -> int:
        """Number of open connections."""

    def joined_at(self, session_id: str) -> str | None:
        """Return the place at which a chat is watched right now; None when it is not."""

    def follow(self, session_id: str, places: tuple[str, ...], secret: str | None) -> None:
        """Watch a chat. `places` are the announced ones, best first; said again, the newest call counts."""

    def forget(self, session_id: str) -> None:
        """Stop watching a chat, without disturbing it (P4)."""

    def pause(self) -> None:
        """Stop reading (P6). What was read already may still be delivered."""

    def resume(self) -> None:
        """Read again."""

    async def close(self, *, leave: bool) -> None:
        """Close everything; with `leave`, leave the chats first, without disturbing them (P4)."""


MakeSource = Callable[[Deliver], Source]


# --- Kafka: the shard's transactions -------------------------------------------------------------------------------

Headers = list[tuple[str, bytes]]


@dataclass(slots=True)
class Outgoing:
    """One record to be written. `timestamp` in ms since 1970 UTC, None for now; `value` None is a tombstone."""

    key: bytes
    value: bytes | None
    timestamp: int | None = None
    headers: Headers = field(default_factory=list)


@dataclass(slots=True)
class Batch:
    """What one transaction writes, all to the shard's own partition of each topic.

    `forwards` are announcements that lie on a wrong partition: (right partition, record).
    `announcement_offset` is the next offset to read, None when it did not move.
    """

    events: list[Outgoing] = field(default_factory=list)
    sessions: list[Outgoing] = field(default_factory=list)
    quarantine: list[Outgoing] = field(default_factory=list)
    checkpoints: list[Outgoing] = field(default_factory=list)
    forwards: list[tuple[int, Outgoing]] = field(default_factory=list)
    announcement_offset: int | None = None

    def __len__(self) -> int:
        """Count the records."""
        return len(self.events) + len(self.sessions) + len(self.quarantine) + len(self.checkpoints) + len(self.forwards)


Limits = Mapping[str, int]
"""Topic kind ("events", "sessions", "quarantine", "checkpoints") -> size of the largest record in bytes, in all."""


def same_limits(most: int) -> Limits:
    """Return the same limit for every kind of topic."""
    return dict.fromkeys(("events", "sessions", "quarantine", "checkpoints"), most)


class TransactionalWriter(Protocol):
    """The transactional producer of one shard, and the way to read its checkpoints back.

    An instance is used until its first error and then dropped: a failed idempotent producer has spent its sequence
    numbers.
    """

    @property
    def limits(self) -> Limits:
        """Largest records that the topics accepted when `open` asked."""

    async def refresh_limits(self) -> Limits:
        """Ask for the limits again. Raises KafkaUnavailable."""

    async def open(self) -> None:
        """Initialise the transactional id, which fences every former owner.

        Raises KafkaUnavailable, ShardFenced, TopicMismatch when a topic accepts hardly anything.
        """

    async def checkpoints(self) -> list[tuple[str, bytes]]:
        """Read (session id, checkpoint payload) of every chat of the shard, tombstoned ones left out."""

    async def commit(self, batch: Batch) -> None:
        """Write the batch in one transaction; on return it is durable. Raises KafkaUnavailable, ShardFenced."""

    async def close(self) -> None:
        """Give the connections back, within seconds, whatever state they are in."""


# --- Kafka: the consumer group -------------------------------------------------------------------------------------


class AnnouncementRecord(Protocol):
    """One record of the announcements topic, as the consumer's client gives it."""

    @property
    def partition(self) -> int:
        """Its partition."""

    @property
    def offset(self) -> int:
        """Its offset."""

    @property
    def key(self) -> bytes | None:
        """Its key: the session id, when the writer gave one."""

    @property
    def value(self) -> bytes | None:
        """The announcement's JSON; None for a tombstone."""


class Announcements(Protocol):
    """The consumer group member. `assigned` is called with all partitions that are ours, after each rebalance."""

    async def start(self, assigned: Callable[[frozenset[int]], Awaitable[None]]) -> None:
        """Join the group. Raises KafkaUnavailable, TopicMismatch."""

    async def fetch(self, full: frozenset[int]) -> Sequence[AnnouncementRecord]:
        """Wait for records, at most a second or so; partitions in `full` are not read. Raises KafkaUnavailable."""

    async def reread(self, partition: int) -> None:
        """Go back to the committed offset of `partition`. Raises KafkaUnavailable."""

    async def check_assignment(self, partition: int) -> None:
        """Ask the group's coordinator whether `partition` is ours.

        Raises ShardFenced when it is not, KafkaUnavailable when that is not known just now: nobody answers, or a
        rebalance is under way. `assigned` will tell (P4: no chat is left meanwhile).
        """

    @property
    def problem(self) -> str | None:
        """Why nothing can be read just now; None when all is well."""

    async def leave(self) -> None:
        """Leave the group at once, so that others take over without waiting for a session time-out."""

    async def handed_over(self) -> bool:
        """After `leave`: wait until the group has reassigned the partitions; False when there is no other member."""


CheckAssignment = Callable[[], Awaitable[None]]
"""Announcements.check_assignment for one partition."""
