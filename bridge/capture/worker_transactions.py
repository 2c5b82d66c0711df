"""One transaction for all shards of a worker, and who writes which shard: by claims in the log (DECISIONS 334).

Theory of operation. Each shard hands in one decided batch at a time (`commit`). One task takes what all of them have
handed in, writes it as one transaction, tells each, and rests for some milliseconds, in which the next batches gather.

A shard is *taken* in steps, the order of which is that of `tests/handover/claim_model.py`: (1) the worker's
transactional id is initialised, if it is not, and the claims of all its shards are checked; (2) a claim is written;
(3) the claims are read to the end, and the shard is given up if a later one is there; (4) the ids of all other
claimants are initialised, which fences them; (5) their claims are removed; (6) the shard reads its records. A worker
whose producer fails, fenced or not, starts at (1): it goes on with the shards whose last claim is its own.

A worker has several transactional ids and uses one. Kafka begins no transaction of an id before the last one is marked
on all its partitions, and one without a leader cannot be marked. Then the worker goes on under its next id, and renews
its claims to shards that can be written. It fences its former id as it would fence another worker. A shard is read
again if its claim cannot be renewed, or a commit under the former id may be on its way to it.

Nothing of a transaction is committed as long as its end was not asked for. So if it fails before, the shards that are
not to blame are written again as they were (`blame.py`). If its end fails, the outcome is in doubt: each of its shards
fails, and finds out from its checkpoints, which it reads when the id is initialised and so the outcome is settled.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bridge.capture.blame import failed_parts, late_parts
from bridge.closings import Closings
from bridge.errors import BridgeError, KafkaUnavailable, ShardFenced, TransactionNotMarked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bridge.capture.ports import Batch, Clock
    from bridge.capture.shard_claims import HeldShard, ShardClaims
    from bridge.capture.worker_ports import WorkerProducer

REST: Final = 0.012
"""Seconds between two transactions, in which batches of all shards gather."""
_CHECK_WAIT: Final = 0.25
_RENEWAL_SECONDS: Final = 3.0
"""For a claim under another id; a shard that takes longer is taken again from the beginning."""
_LOOK_AFTER: Final = 1.0
"""Seconds without acknowledgements, after which it is asked whether a partition without a leader is the cause."""


@dataclass(slots=True, eq=False)
class _HandedIn:
    """A batch that was handed in. `done` is how its shard hears of it."""

    held: HeldShard
    batch: Batch
    done: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def fail(self, error: BaseException) -> None:
        if not self.done.done():
            self.done.set_exception(error)

    def committed(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


class WorkerTransactions:
    """The transactions of one worker. `take` before the first `commit` of a shard and after each that failed."""

    def __init__(
        self,
        *,
        ids: Sequence[str],
        make_producer: Callable[[str], WorkerProducer],
        claims: ShardClaims,
        most_seconds: float,
        clock: Clock,
    ) -> None:
        """`ids` are the worker's transactional ids; `most_seconds` is the transaction time-out."""
        self._ids = deque(ids)
        self._make_producer = make_producer
        self._claims = claims
        self._most_seconds = most_seconds
        self._clock = clock
        self._producer: WorkerProducer | None = None
        self._opening: asyncio.Task[WorkerProducer] | None = None
        self._waiting: dict[int, _HandedIn] = {}
        self._under_way: frozenset[int] = frozenset()
        self._in_doubt: frozenset[int] = frozenset()
        self._failing: set[int] = set()
        self._renewals: dict[int, asyncio.Task[None]] = {}
        self._deferred: dict[int, _HandedIn] = {}
        self._turn = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._rest_until = 0.0
        self._closings = Closings("release the worker's producer")

    # --- taking and leaving --------------------------------------------------------------------------------------

    async def take(self, partition: int, owner: object) -> HeldShard:
        """Make this worker the only one that can commit to a shard; then the shard's records are to be read.

        Nothing of this worker's is on its way to the shard any more. `owner` is the shard object: it keeps its claim.
        Raises KafkaUnavailable, ShardFenced.
        """
        await self._ready()
        if (renewal := self._renewals.get(partition)) is not None:
            await asyncio.wait([renewal])
        held = self._claims.held(partition)
        if held is None or held.owner is not owner or not held.fenced:
            held = await self._claims.claim(partition, owner)
        await self._landed(partition)
        self._claims.still(held)
        return held

    async def leave(self, held: HeldShard) -> None:
        """Remove the claim of a shard, once no commit of it is on its way, so that its next owner fences nobody.

        Raises KafkaUnavailable; the claim stays then, or may.
        """
        if not self._claims.give_up(held) or not held.fenced:
            return
        await self._landed(held.partition)
        await self._claims.remove(held)

    async def _landed(self, partition: int) -> None:
        """Wait until no commit of this worker to a shard is on its way."""
        while True:
            if partition in self._under_way:
                await self._turn.wait()
            elif partition in self._in_doubt:
                await self._ready()
            else:
                return

    # --- the worker's transactional id ---------------------------------------------------------------------------

    async def _ready(self) -> WorkerProducer:
        """Return the producer, initialised, after all claims were checked: with one attempt for all who wait for it."""
        if self._producer is not None:
            return self._producer
        if self._opening is None:
            self._opening = asyncio.create_task(self._open(), name="commit with a new producer")
            self._opening.add_done_callback(self._ended_opening)
        return await asyncio.shield(self._opening)

    def _ended_opening(self, opening: asyncio.Task[WorkerProducer]) -> None:
        self._opening = None
        if not opening.cancelled():
            opening.exception()  # nobody may wait for it any more

    async def _open(self) -> WorkerProducer:
        for _ in range(len(self._ids)):
            with contextlib.suppress(TransactionNotMarked):
                self._producer = await self._opened(self._ids[0])
                return self._producer
            self._ids.rotate(-1)
        raise TransactionNotMarked("Kafka cannot mark the ends of this worker's transactions")

    async def _opened(self, transactional_id: str) -> WorkerProducer:
        producer = self._make_producer(transactional_id)
        try:
            await producer.open()
            former = self._claims.use(transactional_id, producer.epoch)
            former = [held for held in former if held.partition not in self._in_doubt | self._failing]
            self._in_doubt = frozenset()
            for held in former:
                self._renew(held)
            await self._claims.check()
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
                part = self._deferred.pop(held.partition, None)
                if part is not None:
                    self._hand_in(part)

        renewal = self._renewals[held.partition] = asyncio.create_task(renew(), name="commit after renewal")
        renewal.add_done_callback(ended)

    def _drop(self, producer: WorkerProducer) -> None:
        """Drop a producer that failed. It closes in the background: what it sends is refused once the id is new."""
        self._producer = None
        self._closings.begin(producer.close())

    # --- transactions --------------------------------------------------------------------------------------------

    async def commit(self, held: HeldShard, batch: Batch) -> None:
        """Write the batch of a shard together with those of others; on return it is durable.

        Raises KafkaUnavailable, ShardFenced.
        """
        self._claims.still(held)
        part = _HandedIn(held, batch)
        self._hand_in(part)
        try:
            await part.done
        finally:
            for parts in (self._waiting, self._deferred):
                if parts.get(held.partition) is part:  # cancelled
                    del parts[held.partition]

    def _hand_in(self, part: _HandedIn) -> None:
        """Have a batch written with the next transaction, or with the first one after the renewal of its claim."""
        shard = part.held.partition
        parts = self._deferred if shard in self._renewals else self._waiting
        if shard in parts:  # of a shard object before this one
            parts[shard].fail(ShardFenced("the shard was taken again"))
        parts[shard] = part
        if self._waiting and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._commit_what_waits(), name="commit for all shards")

    async def close(self) -> None:
        """Close the connections. Shards have ended."""
        if self._task is not None:
            await asyncio.wait([self._task])
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        for renewal in list(self._renewals.values()):
            renewal.cancel()
            await asyncio.wait([renewal])
        if self._producer is not None:
            self._drop(self._producer)
        await self._closings.ended()
        await self._claims.close()

    async def _commit_what_waits(self) -> None:
        while self._waiting:
            await asyncio.sleep(max(self._rest_until - self._clock.monotonic(), 0.0))
            parts, self._waiting = self._waiting, {}
            try:
                await self._commit_together(parts)
            except BridgeError as error:
                for part in parts.values():
                    part.fail(error)
            except Exception as error:  # noqa: BLE001 - a defect, of which each shard has to hear
                for part in parts.values():
                    part.fail(error)
            finally:
                self._rest_until = self._clock.monotonic() + REST

    async def _commit_together(self, parts: dict[int, _HandedIn]) -> None:
        """Write batches in one transaction, without those of shards that fail; each shard is told."""
        while parts := self._still_held(parts):
            producer = await self._ready()
            parts = self._still_held(parts)
            for shard, error in (await producer.unwritable(_batches(parts))).items():
                self._failing.add(shard)
                parts.pop(shard).fail(error)
            if not parts:
                return
            self._under_way = frozenset(parts)
            try:
                failed = await self._sent(producer, parts)
                if failed is None:
                    await self._ended(producer, parts)
                    return
            finally:
                self._under_way = frozenset()
                turn, self._turn = self._turn, asyncio.Event()
                turn.set()
            self._drop(producer)
            self._failing |= failed.keys()
            for shard, error in failed.items():
                parts.pop(shard).fail(error)

    def _still_held(self, parts: Mapping[int, _HandedIn]) -> dict[int, _HandedIn]:
        """Return the parts of shards that are still held under their claims; the others hear why they are not."""
        kept: dict[int, _HandedIn] = {}
        for shard, part in parts.items():
            if part.done.done():
                continue  # its shard has ended
            try:
                self._claims.still(part.held)
            except BridgeError as error:
                part.fail(error)
            else:
                if shard in self._renewals:
                    self._hand_in(part)
                else:
                    kept[shard] = part
        return kept

    async def _sent(self, producer: WorkerProducer, parts: Mapping[int, _HandedIn]) -> Mapping[int, BridgeError] | None:
        """Send all batches and wait for their acknowledgements; return which shards fail, None: the end may come."""
        try:
            waits = await producer.send(_batches(parts))
        except BridgeError as error:
            return failed_parts(dict.fromkeys(parts, error))
        began = self._clock.monotonic()
        try:
            while True:
                await asyncio.wait(waits.values(), timeout=_CHECK_WAIT, return_when=asyncio.FIRST_EXCEPTION)
                ends = {shard: _error_of(one) for shard, one in waits.items()}
                if errors := {shard: error for shard, error in ends.items() if error is not None}:
                    return failed_parts(errors)
                late = [shard for shard, one in waits.items() if not one.done()]
                if not late:
                    return None
                others = bool(self._waiting) or len(late) < len(waits)
                seconds = self._clock.monotonic() - began
                if seconds >= _LOOK_AFTER:
                    with contextlib.suppress(KafkaUnavailable):  # who leads is not known
                        if failed := await producer.unwritable({shard: parts[shard].batch for shard in late}):
                            return failed
                    if len(late) == len(waits) and await producer.not_marked():  # the transaction before this one
                        return {}
                if failed := late_parts(late, seconds, others=others, most=self._most_seconds):
                    return failed
        finally:
            for one in waits.values():
                one.cancel()

    async def _ended(self, producer: WorkerProducer, parts: Mapping[int, _HandedIn]) -> None:
        """Ask for the end of the transaction; from now on the outcome is in doubt until it is known."""
        self._in_doubt = frozenset(parts)
        try:
            marked = await producer.end()
        except BridgeError as error:
            self._drop(producer)
            for part in parts.values():
                part.fail(KafkaUnavailable(f"whether the transaction is committed is not known: {error.message}"))
            return
        except BaseException:
            self._drop(producer)
            raise
        self._in_doubt = frozenset()
        if not marked:
            self._drop(producer)
        self._failing -= parts.keys()
        for part in parts.values():
            part.committed()


def _batches(parts: Mapping[int, _HandedIn]) -> dict[int, Batch]:
    return {shard: part.batch for shard, part in parts.items()}


def _error_of(one: asyncio.Future[None]) -> BridgeError | None:
    """Return the error that a wait ended with; a defect is raised."""
    if not one.done() or one.cancelled():
        return None
    error = one.exception()
    if error is None or isinstance(error, BridgeError):
        return error
    raise error
