"""The transactional ids of a worker that commits all its shards in one transaction: it uses one at a time.

Kafka begins no transaction of an id before the last one is marked on all its partitions, and one without a leader
cannot be marked. Then the worker goes on under its next id, and renews its claims to shards that can be written. It
fences its former id as it would fence another worker. A shard is read again if its claim cannot be renewed, or a commit
under the former id may be on its way to it.

So each transaction that cannot be marked uses up an id, until it is marked. The last one is kept from the shards on
whose partitions these marks are missing: else one of them, tried again and again, would stop all in the end. Kafka
tells which they are, also where a former process of the worker left them behind. Where it does not, the last id is kept
from those that could not be written the last time, and from those that take announcements, unless offsets were
committed since: it is not told that the mark on a partition of the group's offsets is missing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Final

from bridge.closings import Closings
from bridge.errors import BridgeError, KafkaUnavailable, ShardFenced, TransactionNotMarked
from bridge.waiting import all_ended

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from bridge.capture.ports import Batch
    from bridge.capture.shard_claims import HeldShard, ShardClaims
    from bridge.capture.worker_ports import WorkerProducer

_KEPT: Final = (
    "Kafka has not marked the ends of earlier transactions of the shard yet, and the worker's last transactional id is "
    "kept for others"
)
_RENEWAL_SECONDS: Final = 3.0
"""For a claim under another id; a shard that takes longer is taken again from the beginning."""


class WorkerIds:
    """Opens the worker's producer, under the first id that Kafka initialises, and renews claims under another one.

    `in_doubt`: the shards of a transaction the end of which was asked for, as long as the outcome is not known; opening
    a producer settles it. `left_open`: those of transactions that failed before, and may be open until then. `failing`:
    shards that could not be written the last time; their claims are not renewed. `offsets_taken`: whether the group's
    offsets were committed the last time.

    Within, `_held_up`: the ids that cannot be used, as far as is known, with the partitions that hold each up; None
    among them if that is not known. `_unknown`: those that a former process may have left held up. `_writable`: shards
    that were written the last time.
    """

    def __init__(
        self,
        ids: Sequence[str],
        make_producer: Callable[[str], WorkerProducer],
        claims: ShardClaims,
        renewed: Callable[[int], None],
    ) -> None:
        """`renewed` is called with each shard whose claim was being renewed, once it is, or cannot be."""
        self._ids = deque(ids)
        self._make_producer = make_producer
        self._claims = claims
        self._renewed = renewed
        self._producer: WorkerProducer | None = None
        self._opening: asyncio.Task[WorkerProducer] | None = None
        self._renewals: dict[int, asyncio.Task[None]] = {}
        self._held_up: dict[str, frozenset[int | None]] = {}
        self._unknown = set(ids)
        self._failed_under: str | None = None
        self._writable: set[int] = set()
        self._closings = Closings("release the worker's producer")
        self.in_doubt: frozenset[int] = frozenset()
        self.left_open: frozenset[int] = frozenset()
        self.failing: set[int] = set()
        self.offsets_taken = False

    async def ready(self) -> WorkerProducer:
        """Return the producer, initialised, after all claims were checked: with one attempt for all who wait for it.

        Raises KafkaUnavailable, TopicMismatch.
        """
        if self._producer is not None:
            return self._producer
        if self._opening is None:
            self._opening = asyncio.create_task(self._open(), name="commit with a new producer")
            self._opening.add_done_callback(self._ended_opening)
        return await asyncio.shield(self._opening)

    async def last_not_marked(self, producer: WorkerProducer) -> bool:
        """Return whether it is known that the last transaction of the producer's id is not marked."""
        return bool(await producer.unmarked(self._ids[0]))

    def kept(self, batches: Mapping[int, Batch]) -> dict[int, BridgeError]:
        """Return the shards that may not write these batches now, with the reason; none as long as two ids are left.

        Kafka hears of many partitions together: a shard that was written since is not to blame.
        """
        if not self._one_left:
            return {}
        named = frozenset[int | None]().union(*self._held_up.values())
        return {shard: KafkaUnavailable(_KEPT) for shard, one in batches.items() if self._is_kept(shard, one, named)}

    def _is_kept(self, shard: int, batch: Batch, named: frozenset[int | None]) -> bool:
        if None in named and (
            shard in self.failing or (batch.announcement_offset is not None and not self.offsets_taken)
        ):
            return True
        # What is another shard's to take goes to the partition of that one.
        written = {shard, *(record.partition for record in batch.records)}
        return shard not in self._writable and not named.isdisjoint(written)

    async def look_for_others(self, partition: int, batch: Batch) -> None:
        """If a shard is kept from the last id, find out which others can be used again. Raises as `ready`."""
        if self.kept({partition: batch}):
            producer = await self.ready()
            held_up = await self._still_held_up(producer)
            if producer is self._producer:
                self._held_up = held_up

    def doubtful(self, shards: Collection[int]) -> set[int]:
        """Return which shards may be refused: those that failed, and others whose former process may have failed."""
        return self.failing.intersection(shards) | (set(shards) - self._writable if self._held_up else set())

    def written(self, shards: Iterable[int]) -> None:
        """Take note of shards that were written; one that was left meanwhile is forgotten already."""
        self.failing.difference_update(shards)
        self._writable.update(self._held(shards))

    def failed(self, shards: Iterable[int]) -> None:
        """Take note of shards that could not be written; one that was left meanwhile is forgotten already."""
        self.failing.update(self._held(shards))
        self._writable.difference_update(shards)

    def forget(self, shard: int) -> None:
        """Take note that a shard is not this worker's any more."""
        self.failing.discard(shard)
        self._writable.discard(shard)

    def _held(self, shards: Iterable[int]) -> list[int]:
        return [one for one in shards if self._claims.held(one) is not None]

    def not_acknowledged(self) -> None:
        """Take note of a transaction under the id in use that failed since records were not acknowledged."""
        self._failed_under = self._ids[0]

    @property
    def last_failure_holds_up(self) -> bool:
        """Whether the last such transaction holds up its id, as far as is known."""
        return self._failed_under in self._held_up

    @property
    def _one_left(self) -> bool:
        return 0 < len(self._ids) - 1 <= len(self._held_up)

    async def _still_held_up(self, producer: WorkerProducer) -> dict[str, frozenset[int | None]]:
        """Return which ids are held up, and by which shards; as before where Kafka does not tell."""
        before, asked = self._held_up, list(self._held_up.keys() | self._unknown)
        answers = dict(zip(asked, await asyncio.gather(*map(producer.unmarked, asked)), strict=True))
        self._unknown -= {one for one, shards in answers.items() if shards is not None}
        found = {one: before.get(one, ()) if shards is None else shards for one, shards in answers.items()}
        return {one: frozenset(shards) for one, shards in found.items() if shards}

    def drop(self, producer: WorkerProducer, left_open: Iterable[int] = ()) -> None:
        """Drop a producer that failed. It closes in the background, and begins no transaction any more.

        `left_open`: the shards of its transaction, unless it was ended.
        """
        self._producer = None
        self.left_open |= frozenset(left_open)
        self._closings.begin(producer.close())

    def renews(self, partition: int) -> bool:
        """Return whether the claim to a shard is being renewed: nothing is committed to it meanwhile."""
        return partition in self._renewals

    async def renewed(self, partition: int) -> None:
        """Wait until the claim to a shard is not being renewed any more."""
        if (renewal := self._renewals.get(partition)) is not None:
            await asyncio.wait([renewal])

    async def close(self) -> None:
        """Close the connections."""
        async with contextlib.AsyncExitStack() as ending:
            ending.push_async_callback(self._producers_closed)
            ending.push_async_callback(self._end_renewals)
            if self._opening is not None:
                self._opening.cancel()
                await all_ended([self._opening])

    async def _end_renewals(self) -> None:
        renewals = list(self._renewals.values())
        for renewal in renewals:
            renewal.cancel()
        await all_ended(renewals)

    async def _producers_closed(self) -> None:
        if self._producer is not None:
            self.drop(self._producer)
        await self._closings.ended()

    def _ended_opening(self, opening: asyncio.Task[WorkerProducer]) -> None:
        self._opening = None
        if not opening.cancelled():
            opening.exception()  # nobody may wait for it any more

    async def _open(self) -> WorkerProducer:
        for _ in range(len(self._ids)):
            own = self._ids[0]
            try:
                self._producer = await self._opened(own)
            except TransactionNotMarked:
                self._held_up.setdefault(own, frozenset([None]))  # none has begun since, if it was held up before
                self._ids.rotate(-1)
            else:
                return self._producer
        raise TransactionNotMarked("Kafka cannot mark the ends of this worker's transactions")

    async def _opened(self, transactional_id: str) -> WorkerProducer:
        producer = self._make_producer(transactional_id)
        try:
            try:
                await producer.open()
            except ShardFenced as error:  # by who initialises the id, too; which shards are lost is told by the claims
                raise KafkaUnavailable("the worker's transactional id is being initialised elsewhere") from error
            former = self._claims.use(transactional_id, producer.epoch)
            former = [held for held in former if held.partition not in self.in_doubt | self.failing]
            self.in_doubt = self.left_open = frozenset()
            for held in former:
                self._renew(held)
            await self._claims.check()
            self._held_up.pop(transactional_id, None)
            self._unknown.discard(transactional_id)
            if self._one_left or self._unknown:
                self._held_up = await self._still_held_up(producer)
        except BaseException:
            self._closings.begin(producer.close())
            raise
        return producer

    def _renew(self, held: HeldShard) -> None:
        """Begin to renew a claim under another id. No other shard waits for it, and the shard only for seconds."""

        async def renew() -> None:
            with contextlib.suppress(BridgeError, TimeoutError):  # the claim is not held then: who commits is told
                async with asyncio.timeout(_RENEWAL_SECONDS):
                    await self._claims.renew(held)

        def ended(renewal: asyncio.Task[None]) -> None:
            if self._renewals.get(held.partition) is renewal:
                del self._renewals[held.partition]
                self._renewed(held.partition)

        renewal = self._renewals[held.partition] = asyncio.create_task(renew(), name="commit after renewal")
        renewal.add_done_callback(ended)
