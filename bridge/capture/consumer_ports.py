"""The ports of what a worker reads from Kafka for all of its shards: announcements, stored transcripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from bridge.capture.ports import StoredRecord

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence

    from bridge.capture.stored_inputs import StoredInput, StoredPlace
    from bridge.errors import Problem
    from bridge.records.shard_facts import LogMark


class ConsumedRecord(StoredRecord, Protocol):
    """One record of a topic that the worker reads, as the consumer's client gives it."""

    @property
    def partition(self) -> int:
        """Its partition."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]:
        """Its headers; Kafka has some without a value."""


class Announcements(Protocol):
    """The consumer group member of this worker, on the announcements topic."""

    async def start(self, assigned: Callable[[frozenset[int]], Awaitable[None]]) -> None:
        """Join the group; `assigned` gets all assigned partitions after each rebalance. Raises KafkaUnavailable."""

    async def fetch(self, full: frozenset[int]) -> Sequence[ConsumedRecord]:
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

        After `abandon`, too, if no next member has taken the place. A cancellation is raised when the connections are
        closed.
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


class StoredReading(Protocol):
    """One partition of the topic of stored transcripts that is being read."""

    def pause(self) -> None:
        """Deliver nothing more (P6), but for what was already read."""

    def resume(self) -> None:
        """Go on."""

    def end(self) -> None:
        """Read it no more; nothing more is delivered."""


class StoredTopic(Protocol):
    """Reads the topic of stored transcripts for the shards of this worker, each from a place of its own."""

    def begin(
        self, partition: int, place: StoredPlace | None, deliver: Callable[[StoredInput, int], None]
    ) -> StoredReading:
        """Read a partition from a place on; None, or one that is not there any more, means the first that is.

        `deliver` takes an input and the bytes that it occupies; it never blocks, never refuses.
        """


class StoredLog(Protocol):
    """One consumer of the topic of stored transcripts, used until its first error. Each method raises KafkaUnavailable.

    AccessDenied and TopicMissing are such errors.
    """

    async def open(self) -> None:
        """Connect."""

    async def look(self, partitions: Collection[int]) -> Mapping[int, LogMark]:
        """Return where the logs of partitions are now; one that does not exist, or has no leader, is left out."""

    async def fetch(self, offsets: Mapping[int, int], full: Collection[int]) -> Sequence[ConsumedRecord]:
        """Wait for committed records, at most about a second: of each partition from an offset on; not of `full` ones.

        The offsets are those at which the records of the last call ended, but for partitions that are read anew.
        """

    async def close(self) -> None:
        """Close the connections, within seconds, in whatever state they are."""
