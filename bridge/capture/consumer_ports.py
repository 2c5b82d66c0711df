"""The ports of what a worker reads from Kafka for all of its shards: announcements, stored transcripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from bridge.capture.stored_inputs import StoredArrived, StoredRefused
    from bridge.errors import Problem


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
    """The consumer group member of this worker, on the announcements topic."""

    async def start(self, assigned: Callable[[frozenset[int]], Awaitable[None]]) -> None:
        """Join the group; `assigned` gets all assigned partitions after each rebalance. Raises KafkaUnavailable."""

    async def fetch(self, full: frozenset[int]) -> Sequence[AnnouncementRecord]:
        """Wait for records, at most about a second; partitions in `full` are not read. Raises KafkaUnavailable."""

    def positions(self) -> Iterable[tuple[int, int, int]]:
        """Return partition, next offset to be read, and end of the log, of each partition of which both are known.

        What was below the next offset when `fetch` returned, it has returned.
        """

    async def reread(self, partition: int) -> None:
        """Go back to the committed offset of `partition`. Raises KafkaUnavailable."""

    async def check_assignment(self, partition: int) -> None:
        """Ask the group's coordinator whether `partition` is assigned to this worker.

        Raises ShardFenced when it is not. Raises KafkaUnavailable when that is unknown (no answer, or a rebalance in
        progress): then the next call of `assigned` decides, and chats stay joined until it comes (P4).
        """

    @property
    def answered(self) -> bool:
        """Whether a broker has answered, and not longer ago than the clients wait for an answer; False at first."""

    @property
    def problem(self) -> Problem | None:
        """Why announcements cannot be read now; None when they can."""

    async def leave(self) -> None:
        """Leave the group at once, so that other members take over without waiting for the session time-out.

        A cancellation is raised when the connections are closed.
        """

    async def abandon(self) -> None:
        """Stop without leaving the group, at once whatever Kafka does: the next member of this worker takes its place.

        On return nothing of this one can join or leave any more: it would do so in the place of the next one.
        """

    async def outlast_successor(self) -> None:
        """Wait, after `fetch` raised PlaceTaken, until no other process is in this one's place any more.

        Raises WorkerIdInUse when one lives there.
        """

    async def taken_over(self) -> bool:
        """Ask the group once, after `leave` was called, whether other members have the partitions.

        True when the group is stable and has other members, False when it has none. Raises KafkaUnavailable when that
        is unknown: no answer, a rebalance in progress, or this member is still in the group with others.
        """


class StoredTopic(Protocol):
    """Reads the topic of stored transcripts for the shards of this worker, each from a position of its own."""

    def begin(self, partition: int, offset: int, deliver: Callable[[StoredArrived | StoredRefused, int], None]) -> None:
        """Read a partition from `offset` on, also if it is being read: then nothing more comes from before.

        `deliver` takes an input and the bytes that it occupies. An offset that is not there any more means the first
        one that is.
        """

    def end(self, partition: int) -> None:
        """Stop reading a partition; nothing more is delivered."""

    def pause(self, partition: int) -> None:
        """Deliver nothing more of a partition (P6), but for what was already read."""

    def resume(self, partition: int) -> None:
        """Go on."""

    @property
    def problem(self) -> Problem | None:
        """Why the topic cannot be read now; None when it can, or when no shard wants it."""
