"""One transaction for all shards of a worker, and who writes which shard: by claims in the log (DECISIONS 334).

Theory of operation. Each shard hands in one decided batch at a time (`commit`). One task takes what all of them have
handed in, writes it as one transaction, tells each, and rests for some milliseconds, in which inputs gather. Then it is
the `turn` of the shards: each decides what becomes of its inputs, and all of them are in the next transaction.

A shard is *taken* in steps, the order of which is that of `tests/handover/claim_model.py`: (1) the worker's
transactional id is initialised, if it is not, and the claims of all its shards are checked; (2) a claim is written;
(3) the claims are read to the end, and the shard is given up if a later one is there; (4) the ids of all other
claimants are initialised, which fences them, and its own id, too, if another claim under it is there; (5) their claims
are removed; (6) the shard reads its records. A worker whose producer fails, fenced or not, starts at (1): it goes on
with the shards whose last claim is its own. It has several transactional ids and uses one: see `worker_ids.py`.

Nothing of a transaction is committed as long as its end was not asked for. So if it fails before, the shards that are
not to blame are written again as they were (`blame.py`). If its end fails, the outcome is in doubt: each of its shards
fails, and finds out from its checkpoints, which it reads when the id is initialised and so the outcome is settled.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

from bridge.capture.acceptance import Acceptance
from bridge.capture.blame import error_of, failed_parts, late_parts
from bridge.capture.handed_in import HandedIn, batches_of
from bridge.capture.worker_facts import TransactionRepeated, WorkerFenced
from bridge.capture.worker_ids import WorkerIds
from bridge.errors import BridgeError, KafkaUnavailable, ShardFenced
from bridge.waiting import all_ended

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bridge.capture.ports import Batch, Clock
    from bridge.capture.shard_claims import HeldShard, ShardClaims
    from bridge.capture.worker_ports import WorkerProducer
    from bridge.facts import Fact

_SHARED_REST: Final = 0.012
"""Seconds between two transactions, in which the inputs of all shards gather."""
_CHECK_WAIT: Final = 0.25
_LOOK_AFTER: Final = 1.0
"""Seconds without acknowledgements, after which it is asked whether a partition without a leader is the cause."""


class WorkerTransactions:
    """The transactions of one worker. `take` before the first `commit` of a shard and after each that failed."""

    def __init__(  # noqa: PLR0913 - what a worker's transactions consist of
        self,
        *,
        ids: Sequence[str],
        make_producer: Callable[[str], WorkerProducer],
        claims: ShardClaims,
        most_seconds: float,
        clock: Clock,
        tell: Callable[[Fact], None],
    ) -> None:
        """`ids` are the worker's transactional ids; `most_seconds` is the transaction time-out."""
        self._claims = claims
        self._ids = WorkerIds(ids, make_producer, claims, self._renewed)
        self._most_seconds = most_seconds
        self._clock = clock
        self._tell = tell
        self._waiting: dict[int, HandedIn] = {}
        self._under_way: frozenset[int] = frozenset()
        self._deferred: dict[int, HandedIn] = {}
        self._turn = asyncio.Event()
        self._rested = asyncio.Event()
        self._rested.set()
        self._coming = 0
        self._acceptance = Acceptance(self._ids, clock, self._hand_in)
        self._task: asyncio.Task[None] | None = None

    # --- taking and leaving --------------------------------------------------------------------------------------

    async def take(self, partition: int, owner: object, *, anew: bool = True) -> HeldShard:
        """Make this worker the only one that can commit to a shard; then the shard's records are to be read.

        Nothing of this worker's is on its way to the shard any more. `owner` is the shard object: it keeps its claim,
        and unless it may claim `anew`, has to have one. Raises KafkaUnavailable, ShardFenced.
        """
        held = await self._kept(partition, owner)
        if held is None and not anew:
            raise ShardFenced("the shard is not held any more")
        if held is None:
            held = await self._claims.claim(partition, owner)
        await self._landed(partition)
        self._claims.still(held)
        return held

    async def holds(self, partition: int, owner: object) -> bool:
        """Return whether a shard object still holds its shard by its claim. Raises KafkaUnavailable."""
        return await self._kept(partition, owner) is not None

    async def _kept(self, partition: int, owner: object) -> HeldShard | None:
        await self._ids.ready()
        await self._ids.renewed(partition)
        held = self._claims.held(partition)
        return held if held is not None and held.owner is owner and held.fenced else None

    async def leave(self, held: HeldShard) -> None:
        """Remove the claim of a shard that no commit is on its way to: its next owner fences nobody then.

        Raises KafkaUnavailable.
        """
        if not self._claims.give_up(held) or not held.fenced:
            return
        await self._landed(held.partition)
        await self._claims.remove(held)

    async def release(self, partition: int, owner: object) -> None:
        """Leave a shard whose object has ended after a failure, or while taking it. Raises KafkaUnavailable."""
        await self._ids.renewed(partition)
        held = self._claims.held(partition)
        if held is None or held.owner is owner:
            self._acceptance.forget(partition)
        if held is not None and held.owner is owner:
            await self.leave(held)
        for begun in self._claims.begun(partition, owner):
            await self._landed(partition)
            await self._claims.remove(begun)

    async def _landed(self, partition: int) -> None:
        """Wait until no commit of this worker to a shard is on its way, and no transaction with it is open."""
        while True:
            if partition in self._under_way:
                await self._turn.wait()
            elif partition in self._ids.in_doubt | self._ids.left_open:
                await self._ids.ready()
            else:
                return

    # --- transactions --------------------------------------------------------------------------------------------

    async def turn(self) -> None:
        """Return when the next transaction is about to begin: what a shard decides and hands in at once, it has.

        Who decides earlier leaves what comes meanwhile to the transaction after that.
        """
        self._coming += 1
        try:
            await self._rested.wait()
        finally:
            self._coming -= 1

    async def commit(self, held: HeldShard, batch: Batch) -> None:
        """Write the batch of a shard together with those of others; on return it is durable.

        Raises KafkaUnavailable, ShardFenced.
        """
        await self._ids.look_for_others(held.partition, batch)
        self._claims.still(held)  # nothing is waited for between this and `_hand_in`
        part = HandedIn(held, batch)
        self._hand_in(part)
        try:
            await part.done
        finally:
            for parts in (self._waiting, self._deferred):
                if parts.get(held.partition) is part:  # cancelled
                    del parts[held.partition]

    def _hand_in(self, part: HandedIn) -> None:
        """Have a batch written with the next transaction, or with the first one after the renewal of its claim."""
        shard = part.held.partition
        self._acceptance.taken_again(shard)
        parts = self._deferred if self._ids.renews(shard) else self._waiting
        if shard in parts:  # of a shard object before this one
            parts[shard].fail(ShardFenced("the shard was taken again"))
        parts[shard] = part
        if self._waiting and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._commit_what_waits(), name="commit for all shards")

    async def close(self) -> None:
        """Close the connections. Shards have ended."""
        async with AsyncExitStack() as ending:
            ending.push_async_callback(self._claims.close)
            ending.push_async_callback(self._ids.close)
            self._acceptance.close()
            if self._task is not None:
                self._task.cancel()
                await all_ended([self._task])

    def _renewed(self, shard: int) -> None:
        """Have a batch written that came while the claim of its shard was being renewed, if it is held now."""
        if (part := self._deferred.pop(shard, None)) is not None:
            self._hand_in(part)

    async def _commit_what_waits(self) -> None:
        while self._waiting:
            parts, self._waiting = self._waiting, {}
            self._rested.clear()
            try:
                await self._commit_and_tell(parts)
                await asyncio.sleep(_SHARED_REST)
            finally:
                self._rested.set()
            await asyncio.sleep(0)  # who waited for its turn hands in, but for what waits for a key

    async def _commit_and_tell(self, parts: dict[int, HandedIn]) -> None:
        try:
            await self._commit_together(parts)
        except Exception as error:  # noqa: BLE001 - also a defect, of which each shard has to hear
            for part in {*parts.values()} - {*self._acceptance.waiting.values(), *self._deferred.values()}:
                part.fail(error)

    async def _commit_together(self, parts: dict[int, HandedIn]) -> None:
        """Write batches in one transaction, without those of shards that fail; each shard is told."""
        while parts := self._still_held(parts):
            producer = await self._ids.ready()
            unwritable, unanswered = await self._acceptance.ask(producer, parts)
            # Meanwhile a shard may have been left, or taken again: nothing is waited for between this and `_under_way`.
            parts = self._still_held(parts)
            self._acceptance.failed(unwritable.keys() & parts.keys())
            for shard in parts.keys() & unanswered:
                self._acceptance.wait(parts.pop(shard))
            for shard, error in {**self._ids.kept(batches_of(parts)), **unwritable}.items():
                if shard in parts:
                    parts.pop(shard).fail(error)
            if not parts:
                return
            self._under_way = frozenset(parts)
            try:
                failed = await self._sent(producer, parts)
                if failed is None:
                    await self._ended(producer, parts)
                    return
            except BaseException:
                self._ids.drop(producer, parts)
                raise
            finally:
                self._under_way = frozenset()
                turn, self._turn = self._turn, asyncio.Event()
                turn.set()
            self._ids.drop(producer, parts)
            self._acceptance.failed(failed)
            for shard, cause in failed.items():
                parts.pop(shard).fail(cause)
            if parts:
                self._tell(TransactionRepeated(shards=len(parts)))

    def _still_held(self, parts: Mapping[int, HandedIn]) -> dict[int, HandedIn]:
        """Return the parts of shards that are still held under their claims; the others hear why they are not."""
        kept: dict[int, HandedIn] = {}
        for shard, part in parts.items():
            if part.done.done():
                continue  # its shard has ended
            try:
                self._claims.still(part.held)
            except BridgeError as error:
                part.fail(error)
            else:
                if self._ids.renews(shard):
                    self._hand_in(part)
                else:
                    kept[shard] = part
        return kept

    async def _sent(self, producer: WorkerProducer, parts: Mapping[int, HandedIn]) -> Mapping[int, Exception] | None:
        """Send all batches and wait for their acknowledgements; return which shards fail, None: the end may come."""
        try:
            waits = await producer.send(batches_of(parts))
        except BridgeError as error:
            return self._failed(dict.fromkeys(parts, error))
        began = self._clock.monotonic()
        try:
            while True:
                await asyncio.wait(waits.values(), timeout=_CHECK_WAIT, return_when=asyncio.FIRST_EXCEPTION)
                ends = {shard: error_of(one) for shard, one in waits.items()}
                if errors := {shard: error for shard, error in ends.items() if error is not None}:
                    return self._failed(errors)
                late = [shard for shard, one in waits.items() if not one.done()]
                if not late:
                    self._acceptance.acknowledged(parts)
                    return await self._offsets_committed(producer, parts)
                others = bool(self._waiting or self._coming) or len(late) < len(waits)
                seconds = self._clock.monotonic() - began
                failed: Mapping[int, Exception] = {}
                if seconds >= _LOOK_AFTER:
                    failed = await self._acceptance.ask_about(producer, {shard: parts[shard] for shard in late})
                    if not failed and len(late) == len(waits) and await self._ids.last_not_marked(producer):
                        return {}
                failed = failed or late_parts(late, seconds, others=others, most=self._most_seconds)
                if failed:
                    self._acceptance.not_acknowledged(waits.keys() - late)
                    return failed
        finally:
            for one in waits.values():
                one.cancel()

    async def _offsets_committed(
        self, producer: WorkerProducer, parts: Mapping[int, HandedIn]
    ) -> Mapping[int, Exception] | None:
        """Commit the offsets of what is acknowledged; return which shards fail, None: the end may come.

        Only shards that have an offset fail with it: the others do not need the coordinator of the group.
        """
        taking = [shard for shard, part in parts.items() if part.batch.announcement_offset is not None]
        if not taking:
            return None
        self._ids.offsets_taken = False
        committing = asyncio.create_task(producer.commit_offsets(), name="commit offsets")
        began = self._clock.monotonic()
        try:
            while True:
                await asyncio.wait([committing], timeout=_CHECK_WAIT)
                if committing.done():
                    await committing
                    self._ids.offsets_taken = True
                    return None
                others = bool(self._waiting or self._coming) or len(taking) < len(parts)
                seconds = self._clock.monotonic() - began
                if failed := late_parts(taking, seconds, others=others, most=self._most_seconds):
                    return failed
        except BridgeError as error:
            return self._failed(dict.fromkeys(taking, error))
        finally:
            committing.cancel()

    def _failed(self, errors: Mapping[int, Exception]) -> Mapping[int, Exception]:
        if any(isinstance(error, ShardFenced) for error in errors.values()):
            self._tell(WorkerFenced())
        return failed_parts(errors)

    async def _ended(self, producer: WorkerProducer, parts: Mapping[int, HandedIn]) -> None:
        """Ask for the end of the transaction; from now on the outcome is in doubt until it is known."""
        self._ids.in_doubt = frozenset(parts)
        try:
            marked = await producer.end()
        except BridgeError as error:
            self._ids.drop(producer)
            if isinstance(error, ShardFenced):
                self._tell(WorkerFenced())
            for part in parts.values():
                part.fail(KafkaUnavailable(f"whether the transaction is committed is not known: {error.message}"))
            return
        self._ids.in_doubt = frozenset()
        if not marked:
            self._ids.drop(producer)
        self._ids.written(parts)
        for part in parts.values():
            part.committed()
