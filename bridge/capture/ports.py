"""The ports of a shard, as protocols: sources, feeders, the transactional writer, the clock.

Those of what a worker reads for all of its shards are in `consumer_ports`.

Sources and adapters implement them; tests use the real ones or scripted fakes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from bridge.transcript.updates import Update

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from bridge.capture.stored_inputs import StoredRead
    from bridge.errors import Problem
    from bridge.records.shard_facts import Logs


class Clock(Protocol):
    """Wall clock and monotonic clock."""

    def now_us(self) -> int:
        """Microseconds since 1970 UTC."""

    def monotonic(self) -> float:
        """Seconds that never go back."""


# --- sources -----------------------------------------------------------------------------------------------------

Deliver = Callable[[Update, int], None]
"""Takes an update and the number of bytes that it occupied in the source; never blocks, never refuses."""


@dataclass(slots=True)
class PlaceUse:
    """What a source does at one place: connections, chats monitored there, chats that wait to be.

    `versions`: the ClientVersions in force on its connections, where there is such a thing.
    """

    links: int = 0
    joined: int = 0
    waiting: int = 0
    versions: set[int] = field(default_factory=set)


Failed = Callable[[Exception], None]
"""Takes the defect of the bridge that ended one of a source's tasks; never an error of a network or of a peer."""


class Source(Protocol):
    """Delivers the chats of one shard, as updates through `Deliver`, until it is closed.

    The updates of one chat are delivered in the order of the source: a snapshot first, then increments. A LinkDown
    means that the chat is not monitored until the next snapshot. A chat ends with an update that has `over` set, or
    with a JoinRefused with verdict GONE or NEVER; the shard answers either with `forget`, or with
    `acknowledge` if it follows the chat again. Input that cannot be read is delivered as QuarantinedInput. Nothing is
    delivered after `close`, nor for a chat that was forgotten.
    """

    @property
    def connections(self) -> int:
        """Number of connections that are open, being opened or being closed."""

    @property
    def followed(self) -> Collection[str]:
        """The ids of all chats that `forget` releases: followed, or ended and reported, but not yet forgotten."""

    @property
    def unstable(self) -> Mapping[str, int]:
        """Places (addresses) that accept chats and soon lose them again -> how often in a row; empty when none does."""

    @property
    def places(self) -> Mapping[str, PlaceUse]:
        """Places (addresses) that have connections or followed chats -> what is done there."""

    @property
    def unreachable(self) -> Mapping[str, str]:
        """Places (addresses) that cannot be reached, of chats that have no other -> a sentence why."""

    @property
    def has_link(self) -> bool:
        """Whether there is a connection over which chats can be monitored now, at whatever place."""

    @property
    def chats_joined(self) -> int:
        """Number of chats that are monitored now."""

    def joined_at(self, session_id: str) -> str | None:
        """Return the place (an address) at which a chat is monitored now; None when it is not."""

    def follow(self, session_id: str, places: tuple[str, ...], secret: str | None) -> None:
        """Start delivering a chat. `places` are the announced addresses, best first; a later call replaces them."""

    def forget(self, session_id: str) -> None:
        """Stop delivering a chat, without disturbing it (P4)."""

    def acknowledge(self, session_id: str) -> None:
        """Let a chat be followed again whose end was delivered. One that is followed again already stays so."""

    def pause(self) -> None:
        """Stop reading (P6). Data that was already read may still be delivered."""

    def resume(self) -> None:
        """Resume reading."""

    async def close(self, *, leave: bool) -> None:
        """Close everything; with `leave`, leave the chats first, without disturbing them (P4).

        Up to its first `await` the chats are left and the connections begin to close; nothing is delivered any more.
        On return every connection is closed: one whose peer does not take the last bytes is aborted after 2 s. It may
        be called again, at any time. A cancellation is raised when everything is closed.
        """


MakeSource = Callable[[Deliver, Failed], Source]


class TranscriptFeeder(Protocol):
    """Reads stored transcripts elsewhere, from positions that lie in the checkpoints of its shard; delivers StoredRead.

    What it delivers is committed in order, or the feeder is started again with the positions that are committed.
    """

    def start(self, positions: Mapping[str, bytes]) -> None:
        """Begin from these positions, also when it was started before: after each restore of the shard."""

    def pause(self) -> None:
        """Deliver nothing more, but for what was already read (P6)."""

    def resume(self) -> None:
        """Go on."""

    async def close(self) -> None:
        """End. On return nothing is delivered any more. It may be called again, at any time."""

    @property
    def problems(self) -> list[Problem]:
        """Why it cannot read, or not all; empty when it can."""


MakeFeeder = Callable[[Callable[["StoredRead", int], None], Failed], TranscriptFeeder | None]
"""Takes what delivers: the input, and the number of bytes that it occupies. None: there is nothing to read."""


# --- Kafka: the shard's transactions -------------------------------------------------------------------------------

Headers = list[tuple[str, bytes]]


@dataclass(slots=True)
class Outgoing:
    """One record to be written; `value` None is a tombstone. Its Kafka time is that of writing.

    `offset` is what Kafka acknowledged for it, None as long as it is not, or if the writer does not tell.
    """

    topic: str
    partition: int
    key: bytes
    value: bytes | None = field(repr=False)
    headers: Headers = field(default_factory=list)
    offset: int | None = None


@dataclass(slots=True)
class Batch:
    """What one transaction writes: records of any topics, those of one partition in order.

    `announcement_offset` is the next offset to read of the shard's announcements, None when it is unchanged.
    """

    records: list[Outgoing] = field(default_factory=list)
    announcement_offset: int | None = None

    def __len__(self) -> int:
        """Count the records."""
        return len(self.records)

    def on(self, topic: str) -> list[Outgoing]:
        """Return the records of one topic, in order."""
        return [record for record in self.records if record.topic == topic]


Limits = Mapping[str, int]
"""Topic -> largest record in bytes, with key and headers."""


class TransactionalWriter(Protocol):
    """Writes one shard's records of any topics in transactions, its own or a worker's, and reads its checkpoints back.

    An instance is used until its first error and then dropped: a failed idempotent producer has used up sequence
    numbers.
    """

    @property
    def limits(self) -> Limits:
        """The largest records that the topics accepted when `open` read their configuration."""

    async def refresh_limits(self) -> Limits:
        """Read the limits again and return them; `limits` is unchanged. Raises KafkaUnavailable."""

    async def goes_on(self) -> bool:
        """Return whether the shard is still held since a writer before this one: then `open` fences nobody.

        It raises ShardFenced then if the shard is not held any more. Raises KafkaUnavailable.
        """

    async def open(self) -> None:
        """Take the shard, which fences every former owner: by its transactional id, by claims, or by both.

        Raises KafkaUnavailable, ShardFenced, and TopicMismatch when a topic's max.message.bytes is too small.
        """

    async def checkpoints(self) -> list[tuple[str, bytes]] | None:
        """Read (key, value) of every checkpoint of the shard: its chats' and its marker. Deleted ones are left out.

        None: somebody else could still commit when they were read, and cannot any more. So look at the logs anew, then
        ask again. Raises KafkaUnavailable, ShardFenced.
        """

    async def turn(self) -> None:
        """Return when a batch that is decided now would be written at once, not after others. It is no duty to wait."""

    async def commit(self, batch: Batch) -> None:
        """Write the batch in one transaction; on return it is durable. Raises KafkaUnavailable, ShardFenced."""

    async def close(self) -> None:
        """Close the connections, within seconds, in whatever state they are.

        A cancellation makes it faster and is raised when they are closed.
        """


class Preparation(Protocol):
    """The second step of a commit: completes records by what has to be asked for elsewhere, such as a signature or key.

    What is decided is pure, and what is committed is final; only here a transaction may wait for something else.
    """

    async def prepare(self, batch: Batch) -> None:
        """Complete the records of a batch in place. Called for one batch after the other, once for each record.

        Nothing of the batch is committed before this returns. A BridgeError counts as an error of the transaction:
        nothing is committed, and the inputs are folded again. Any other exception is a defect.
        """

    def committed(self, batch: Batch) -> None:
        """Take a batch that was prepared and is committed."""


# --- Kafka: what it remembers ---------------------------------------------------------------------------------------


class StoredRecord(Protocol):
    """A committed record of a partition, as the reader's client gives it."""

    @property
    def offset(self) -> int:
        """Its offset."""

    @property
    def key(self) -> bytes | None:
        """Its key."""

    @property
    def value(self) -> bytes | None:
        """Its value; None for a tombstone."""


class ShardLogs(Protocol):
    """The logs of one shard's partitions: of the announcements, events, sessions and checkpoints.

    Every method but `names` raises KafkaUnavailable.
    """

    @property
    def names(self) -> Mapping[str, str]:
        """Kind -> name of the topics."""

    async def look(self) -> Logs:
        """Return where the logs begin and end now; a topic that does not exist, or not this partition, is left out."""

    async def marked(self, kind: str) -> int:
        """Wait until each transaction that has written to a log by now is marked there; return where it ends then."""

    async def committed(self) -> int:
        """Return the offset of the next announcement, as the group has committed it; 0 when it has not."""

    def read(self, kind: str, start: int, end: int) -> AsyncIterator[Sequence[StoredRecord]]:
        """Yield what is committed from `start` to `end` (exclusive), in order."""


# --- Kafka: the consumer group -------------------------------------------------------------------------------------

CheckAssignment = Callable[[], Awaitable[None]]
"""Whether this worker may open the shard: `Announcements.check_assignment` for one partition, or what replaces it.

Raises ShardFenced only when another worker has the partition, KafkaUnavailable when that is unknown.
"""
