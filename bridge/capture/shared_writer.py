"""The writer of a shard whose worker commits all its shards in one transaction."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from bridge.errors import BridgeError, KafkaUnavailable

if TYPE_CHECKING:
    from bridge.capture.ports import Batch, Limits
    from bridge.capture.shard_claims import HeldShard
    from bridge.capture.worker_ports import ShardStorage
    from bridge.capture.worker_transactions import WorkerTransactions


class SharedWriter:
    """The `TransactionalWriter` of one shard, from `open` to its first error or `close`.

    `close` leaves the shard, so that its next owner need not fence this worker, unless there was an error, or it
    `goes_on`: then the shard's next writer goes on with the claim, which it could not write anew in the second case,
    and `WorkerTransactions.release` is for the end of the shard object.
    """

    def __init__(self, partition: int, owner: object, transactions: WorkerTransactions, storage: ShardStorage) -> None:
        """`owner` is what all writers of one shard object have in common."""
        self._partition = partition
        self._owner = owner
        self._transactions = transactions
        self._storage = storage
        self._held: HeldShard | None = None
        self._failed = self._goes_on = False

    @property
    def limits(self) -> Limits:
        """The largest records of the topics."""
        return self._storage.limits

    async def refresh_limits(self) -> Limits:
        """Return the limits as they are now."""
        return await self._storage.refresh_limits()

    async def goes_on(self) -> bool:
        """Return whether the claim of a former writer is still the last one, so far as is known."""
        self._goes_on = await self._transactions.holds(self._partition, self._owner)
        return self._goes_on

    async def open(self) -> None:
        """Take the shard, which fences whoever else could write it, unless it `goes_on` without."""
        await self._storage.take_limits()
        self._held = await self._transactions.take(self._partition, self._owner, anew=not self._goes_on)

    async def checkpoints(self) -> list[tuple[str, bytes]]:
        """Return the records of the shard's checkpoints, with whatever was committed before it was taken."""
        return await self._storage.checkpoints(0 if self._held is None else self._held.settled)

    async def turn(self) -> None:
        """Wait until the next transaction of the worker is about to begin."""
        await self._transactions.turn()

    async def commit(self, batch: Batch) -> None:
        """Write the batch, together with those of other shards."""
        if self._held is None:
            raise KafkaUnavailable("the shard is not taken")
        try:
            await self._transactions.commit(self._held, batch)
        except BridgeError:
            self._failed = True
            raise

    async def close(self) -> None:
        """Leave the shard, unless its next writer may go on with the claim, and close the connections."""
        held, self._held = self._held, None
        try:
            if held is not None and not (self._failed or self._goes_on):
                with contextlib.suppress(BridgeError):  # the claim may stay: then the next owner fences this worker
                    await self._transactions.leave(held)
        finally:
            await self._storage.close()
