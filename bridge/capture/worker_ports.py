"""The ports of a worker that commits all its shards in one transaction (`worker_transactions.py`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Collection, Mapping, Sequence

    from bridge.capture.ports import Batch, Limits, TransactionalWriter
    from bridge.errors import BridgeError


ClaimRecord = tuple[str, str | None]
"""Key of a claim, and the transactional id of who claims; None: the claim is removed."""


ProducerEpoch = tuple[int, int]
"""Kafka's id of a producer, and its epoch: no two initialisations of a transactional id give the same ones."""


class WorkerProducer(Protocol):
    """The transactional producer of a worker. An instance is used until its first error and then dropped."""

    @property
    def epoch(self) -> ProducerEpoch:
        """What `open` was given."""

    async def open(self) -> None:
        """Initialise the transactional id, which ends the transaction of whatever had it before.

        Raises KafkaUnavailable, ShardFenced, TopicMismatch; TransactionNotMarked if that transaction is decided, and a
        partition of it cannot be marked: until it is, nobody can use the id.
        """

    async def unmarked(self, transactional_id: str) -> Collection[int | None] | None:
        """Return the numbers of the partitions on which the end of the last transaction of an id remains to be marked.

        Of an end that is decided: none otherwise. One may be among them although it can be written, as Kafka hears of
        partitions together. None among them: it is not known which. None instead: Kafka does not tell.
        """

    async def unwritable(
        self, batches: Mapping[int, Batch], doubted: Collection[int]
    ) -> Mapping[int, BridgeError | None]:
        """Return which shards cannot be written now, with the reason: a partition has no leader.

        Of those that are `doubted`, Kafka is asked anew whether it accepts what is written at all: None if it does not
        say so at once.
        """

    async def send(self, batches: Mapping[int, Batch]) -> Mapping[int, Future[None]]:
        """Begin a transaction and send the batches of shards. Returns for each what waits for its acknowledgements.

        What these raise: BridgeErrors, among them ShardFenced, and TransactionHeldUp for a shard that only shares the
        transaction with what Kafka refuses; whatever else is a defect in what that shard writes, and then shards
        without one may be left out. Raises KafkaUnavailable, ShardFenced itself when it cannot even send.
        """

    async def commit_offsets(self) -> None:
        """Commit the offsets of the batches, all of which are acknowledged, in the same transaction.

        Raises KafkaUnavailable, ShardFenced.
        """

    async def end(self) -> bool:
        """Commit the transaction, all of which is acknowledged, offsets included. Raises KafkaUnavailable, ShardFenced.

        Returns whether another one may follow: if not, this one is not marked on all its partitions yet.
        After an error it is not known whether it is committed.
        """

    async def close(self) -> None:
        """Close the connections; no transaction begins after that, even if one waits for the mark of the last."""


class ClaimTopic(Protocol):
    """Claims in the checkpoint partitions, and the fence. Every method but `close` raises KafkaUnavailable."""

    async def write(self, partition: int, key: str, claimant: str) -> int:
        """Write a claim outside of a transaction; on return it is durable. Returns its offset."""

    async def remove(self, partition: int, keys: Collection[str]) -> None:
        """Remove claims; on return that is durable."""

    async def read(self, since: Mapping[int, int]) -> Mapping[int, tuple[Sequence[ClaimRecord], int]]:
        """Read the claims of shards from these offsets to the end, open transactions included.

        Returns partition -> records in the order of the log, and the offset up to which it was read.
        Partitions that cannot be read within seconds are left out.
        """

    async def fence(self, transactional_id: str, *, abandoned: ProducerEpoch | None) -> None:
        """Initialise a transactional id: whoever has it commits nothing more, and its open transaction is aborted.

        Returns also when that is decided and not marked on every partition yet. `abandoned`: this process had the id
        with this epoch, and begins nothing more with it, so a commit of it that is decided is its last one.
        """

    async def members(self) -> Collection[str]:
        """Return the names of the workers that are in the consumer group now. It takes no longer than a second."""

    async def close(self) -> None:
        """Close the connections, within seconds."""


class ShardStorage(Protocol):
    """What a shard reads back, and the limits of what it may write."""

    @property
    def limits(self) -> Limits:
        """The largest records that the topics accepted when `take_limits` read their configuration."""

    async def take_limits(self) -> None:
        """Read the limits. Raises KafkaUnavailable, TopicMismatch."""

    async def refresh_limits(self) -> Limits:
        """Read the limits again and return them; `limits` is unchanged. Raises KafkaUnavailable."""

    async def checkpoints(self, least: int = 0) -> list[tuple[str, bytes]]:
        """Read (key, value) of every record of the shard's checkpoints that is committed and not deleted.

        Waits until all transactions are marked that began before offset `least`. Raises KafkaUnavailable.
        """

    async def close(self) -> None:
        """Close the connections, within seconds."""


class ShardProducer(ShardStorage, Protocol):
    """The transactional producer of one shard, and what the shard reads back: a `TransactionalWriter`, and more."""

    @property
    def read_all(self) -> bool:
        """Whether `checkpoints`, the last time, read all that was there: no transaction was open, or not marked."""

    async def open(self) -> None:
        """Initialise the shard's transactional id. Raises what a `TransactionalWriter` does."""

    async def commit(self, batch: Batch) -> None:
        """Write the batch in one transaction. Raises KafkaUnavailable, ShardFenced."""


class WritersOfShard(Protocol):
    """Makes the writers of one shard object, one after the other."""

    def writer(self, partition: int) -> TransactionalWriter:
        """Return a writer; nothing connects before it is opened."""

    async def release(self, partition: int) -> None:
        """Leave the shard, once the shard object has ended, so that its next owner need not fence this worker.

        As far as that can be had within seconds. The last writer may still be closing. A cancellation ends it.
        """
