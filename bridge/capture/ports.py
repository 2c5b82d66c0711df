"""The edges of the capture, as small protocols: what it needs of a wire, of Kafka and of a clock.

The adapters implement them with third-party clients; tests with real ones or with scripted stand-ins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from bridge.chatserver.decoded import Decoded, Unreadable
    from bridge.chatserver.messages import Event, Request

Headers = list[tuple[str, bytes]]


class Wire(Protocol):
    """Bytes to messages and back, for one connection."""

    def feed(self, data: bytes) -> list[Decoded[Event] | Unreadable]:
        """Take bytes as they come; return what is complete, in order."""

    def encode(self, request: Request) -> bytes:
        """Return the bytes of a request."""


class Transports(Protocol):
    """Opens connections to Chat Servers (or to a gateway)."""

    async def connect(self, server: str, factory: Callable[[], asyncio.Protocol]) -> None:
        """Connect to `server` (host:port). Raises OSError when it cannot be reached in time."""


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
"""Topic kind ("events", "sessions", "quarantine", "checkpoints") -> bytes of the largest record, all in all."""


def same_limits(most: int) -> Limits:
    """Return the same limit for every kind of topic."""
    return dict.fromkeys(("events", "sessions", "quarantine", "checkpoints"), most)


class TransactionalWriter(Protocol):
    """One shard's hold on Kafka: a transactional producer and the way to read its checkpoints back.

    An instance is used until its first error and then dropped: a failed idempotent producer has spent its sequence
    numbers.
    """

    @property
    def limits(self) -> Limits:
        """What the topics took when `open` looked."""

    async def refresh_limits(self) -> Limits:
        """Ask what the topics take now. Raises KafkaUnavailable."""

    async def open(self) -> None:
        """Initialise the transactional id, which fences every former owner.

        Raises KafkaUnavailable, ShardFenced, TopicMismatch when a topic takes hardly anything.
        """

    async def checkpoints(self) -> list[tuple[str, bytes]]:
        """Read (session id, checkpoint payload) of every chat of the shard, tombstoned ones left out."""

    async def commit(self, batch: Batch) -> None:
        """Write the batch in one transaction; on return it is durable. Raises KafkaUnavailable, ShardFenced."""

    async def close(self) -> None:
        """Give the connections back, within seconds, whatever state they are in."""


class Clock(Protocol):
    """Wall clock and monotonic clock."""

    def now_us(self) -> int:
        """Microseconds since 1970 UTC."""

    def monotonic(self) -> float:
        """Seconds that never go back."""
