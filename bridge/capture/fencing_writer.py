"""The writer of a shard whose worker has a transactional id for each shard, beside workers that have one for all.

The shard's own id fences only workers that use it. One that writes all its shards under an id of its own has a claim to
each of them in the checkpoints (`claims.py`): so the checkpoints, which are read anyway, tell whether there is anybody
else to fence. What lies behind a transaction that is open, or not marked yet, may be a claim or the removal of one.

Who takes the shard by a claim later initialises the shard's own id after that, so that this writer cannot commit.
`tests/handover/mixed_model.py` has the steps, and what goes wrong without any one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.records.checkpoint_keys import is_claim_key

if TYPE_CHECKING:
    from bridge.capture.ports import Batch, Limits
    from bridge.capture.shard_claims import ShardClaims
    from bridge.capture.worker_ports import ShardProducer


class FencingWriter:
    """The `TransactionalWriter` of one shard, from `open` to its first error or `close`."""

    def __init__(self, partition: int, producer: ShardProducer, claims: ShardClaims) -> None:
        """Nothing connects before `open`."""
        self._partition = partition
        self._producer = producer
        self._claims = claims
        self._least = 0

    @property
    def limits(self) -> Limits:
        """The largest records of the topics."""
        return self._producer.limits

    async def refresh_limits(self) -> Limits:
        """Return the limits as they are now."""
        return await self._producer.refresh_limits()

    async def goes_on(self) -> bool:
        """Return False: only to initialise the shard's id again tells whether somebody else has it."""
        return False

    async def open(self) -> None:
        """Initialise the shard's transactional id, which fences whoever has it."""
        await self._producer.open()

    async def checkpoints(self) -> list[tuple[str, bytes]] | None:
        """Return the records of the shard's checkpoints; None once, when those had to be fenced who have claims."""
        records = await self._producer.checkpoints(self._least)
        claimed = any(is_claim_key(key) for key, _ in records)
        if self._least or (self._producer.read_all and not claimed):
            return records
        self._least = await self._claims.fence_all(self._partition)
        return None

    async def turn(self) -> None:
        """Do not wait: the shard has transactions of its own."""

    async def commit(self, batch: Batch) -> None:
        """Write the batch in one transaction."""
        await self._producer.commit(batch)

    async def close(self) -> None:
        """Close the connections."""
        await self._producer.close()
