"""The shards that a worker holds by claims: it takes them, gives them up, and finds out which are still its own.

The steps, and their order, are those of `tests/handover/claim_model.py`. A worker with a transactional id for each
shard holds none by claims: `fence_all` is all that it needs (`fencing_writer.py`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bridge.capture.claims import ClaimList
from bridge.errors import KafkaUnavailable, ShardFenced
from bridge.records.checkpoint_keys import claim_key
from bridge.waiting import all_ended, together

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from bridge.capture.worker_ports import ClaimTopic, ProducerEpoch

GRACE: Final = 2.0
"""Seconds that a former holder in the group has to remove its claim: then it need not be fenced, which aborts its
transaction."""
_LOOKS: Final = 20
"""How often it is looked meanwhile whether it has."""
_BEGUN: Final = 8
"""Most claims of a shard that are kept in mind to be removed, as the shard did not come to be held by them."""


@dataclass(slots=True, eq=False)
class HeldShard:
    """A claim of this worker. `offset` is that of the claim, None before it is acknowledged.

    `settled` is an offset after all that former holders have committed, or have open, once it is `fenced`.
    `fenced`: nobody else can commit to the shard any more, unless a later claim is there, and who wrote that fences
    this worker. `owner` is the shard object that the claim was written for, `claimant` the id of the claim.
    `unread`: it was given up since the claims could not be read. `removing`: it was asked to remove others' claims, and
    that is not acknowledged.
    """

    partition: int
    key: str
    claimant: str
    owner: object
    offset: int | None = None
    settled: int = 0
    fenced: bool = False
    unread: bool = False
    removing: bool = False


class ShardClaims:
    """The claims of one worker, none at first. `claim` only after the worker's id is initialised and claims checked.

    A worker may go on under another id: then it gives up all shards, leaves the claims to them, and takes them again as
    if they were another worker's. The ids that it had are *abandoned*: it begins nothing more with them.
    """

    def __init__(
        self,
        topic: ClaimTopic,
        *,
        worker: str,
        number: Callable[[], str],
        shard_id: Callable[[int], str],
    ) -> None:
        """`worker` is its name; `number` returns what it never returned before. `use` comes before the first claim.

        `shard_id`: partition -> the transactional id of a shard, with which workers write that have one for each.
        """
        self._topic = topic
        self._own = ""
        self._epoch: ProducerEpoch = (-1, -1)
        self._abandoned: dict[str, ProducerEpoch] = {}
        self._worker = worker
        self._number = number
        self._shard_id = shard_id
        self._held: dict[int, HeldShard] = {}
        self._written: set[str] = set()
        self._begun: dict[int, deque[HeldShard]] = {}
        self._fencings: dict[str, asyncio.Task[None]] = {}
        self._fence_turns: dict[str, asyncio.Lock] = {}
        self._question: asyncio.Task[Collection[str]] | None = None
        self._open: set[asyncio.Task[Any]] = set()

    def use(self, transactional_id: str, epoch: ProducerEpoch) -> list[HeldShard]:
        """Claim under this id from now on, which was initialised with this epoch.

        Shards that are held under another id are given up; they are returned, so that the claims can be renewed.
        """
        former_id, former_epoch = self._own, self._epoch
        self._own, self._epoch = transactional_id, epoch
        self._abandoned.pop(transactional_id, None)
        if transactional_id == former_id:
            return []
        if former_id:
            self._abandoned[former_id] = former_epoch
        former = [held for held in self._held.values() if held.fenced]
        self._held.clear()
        return former

    async def renew(self, held: HeldShard) -> None:
        """Hold a shard under the present id that was held under another one. Raises KafkaUnavailable, ShardFenced.

        For a shard to which no commit is on its way. Nobody else has committed to it, so nothing has to be read.
        """
        former, claimant, since = held.key, held.claimant, held.offset or 0
        held.key, held.claimant, held.offset = claim_key(self._worker, self._number()), self._own, None
        held.fenced = False
        self._held[held.partition] = held
        try:
            await self._claim(held, renews=former, since=since)  # all before it were removed when it was taken
        except BaseException as error:
            self.give_up(held)
            if not isinstance(error, ShardFenced):
                held.claimant = claimant  # it is not known to be another worker's
            raise

    def held(self, partition: int) -> HeldShard | None:
        """Return under which claim a shard is held, or is being taken; None when it is not."""
        return self._held.get(partition)

    def give_up(self, held: HeldShard) -> bool:
        """Commit nothing more to a shard; return whether it was held. The claim stays where it is."""
        mine = self._held.get(held.partition) is held
        if mine:
            del self._held[held.partition]
        return mine

    def still(self, held: HeldShard) -> None:
        """Raise an error if a shard is not held any more under this claim: another worker's only as far as is known.

        Raises ShardFenced, KafkaUnavailable.
        """
        if self._held.get(held.partition) is held:
            return
        if held.unread:
            raise KafkaUnavailable("the claims of the shard cannot be read")
        if held.claimant != self._own:
            raise KafkaUnavailable("the worker goes on under another transactional id")
        raise ShardFenced("another worker has claimed this shard")

    async def claim(self, partition: int, owner: object) -> HeldShard:
        """Take a shard: after that nobody else can commit to it. Raises KafkaUnavailable, ShardFenced."""
        held = HeldShard(partition, claim_key(self._worker, self._number()), self._own, owner)
        self._held[partition] = held
        try:
            await self._claim(held)
        except BaseException:
            self.give_up(held)
            if not held.removing:
                self._begun.setdefault(partition, deque(maxlen=_BEGUN)).append(held)
            raise
        self._begun.pop(partition, None)  # they are removed, as claims before this one
        return held

    def begun(self, partition: int, owner: object) -> list[HeldShard]:
        """Return, once, the claims that a shard object has written without coming to hold the shard by them.

        Those are left out that must not be removed, and the oldest of many.
        """
        found = [held for held in self._begun.get(partition, ()) if held.owner is owner]
        for held in found:
            self._begun[partition].remove(held)
        return found

    async def fence_all(self, partition: int) -> int:
        """Fence whoever has claimed a shard, for a worker that has initialised the shard's own id; no claim is left.

        As long as former holders may still initialise their ids, there is a later claim than theirs. Returns an offset
        after all that they have committed, and after the beginning of whatever they have open. Raises KafkaUnavailable,
        ShardFenced.
        """
        held = HeldShard(partition, claim_key(self._worker, self._number()), self._shard_id(partition), self)
        self._held[partition] = held
        try:
            await self._claim(held)
            await self._topic.remove(partition, [held.key])
        finally:
            self.give_up(held)
        return held.settled

    async def _claim(self, held: HeldShard, renews: str | None = None, since: int = 0) -> None:
        partition, claims = held.partition, ClaimList(since)
        self._written.add(held.key)
        written = frozenset(self._written)
        held.offset = await self._topic.write(partition, held.key, held.claimant)
        shard_id = self._shard_id(partition)
        if renews is None and held.claimant != shard_id:
            await together(self._fence(shard_id), self._read(claims, held))
        else:
            await self._read(claims, held)
        if renews is not None and claims.others(held.key)[-1:] != [renews]:
            raise ShardFenced("another worker has claimed this shard")
        await self._let_leave(claims, held)
        fenced = claims.strangers(held.claimant)
        if renews is None and held.claimant != shard_id and claims.twins(held.claimant, written):
            # Another process with this id initialises it again when it hears of that, and then sees this claim. So does
            # this worker: its producer is fenced, too.
            fenced.add(held.claimant)
        await self._fence_each(fenced)
        self.still(held)
        if others := claims.others(held.key):
            # Should this claim go before those of others, they would find theirs in force, and then it is removed.
            held.removing = True
            await self._topic.remove(partition, others)
            held.removing = False
            self._written.difference_update(others)
        self.still(held)
        # Who left in order may have committed after this claim, and Kafka answers a commit before it is marked. The
        # removal of its claim lies behind what it wrote.
        held.settled = claims.position
        held.fenced = True

    async def _let_leave(self, claims: ClaimList, held: HeldShard) -> None:
        """Give former holders the time to remove their claims, but for those that will not: they have left the group.

        Those are workers that were killed, and workers that stop: these go on until they are fenced.
        """
        former = claims.workers(held.claimant) - {self._worker}
        leaving = await self._members_among(former) if former else former
        for _ in range(_LOOKS):
            if leaving.isdisjoint(claims.workers(held.claimant)):
                return
            await asyncio.sleep(GRACE / _LOOKS)
            await self._read(claims, held)

    async def _members_among(self, workers: set[str]) -> set[str]:
        """Return which of these workers may be in the group: all, if it is not known, as for one that left itself.

        Shards that are taken at the same time ask once.
        """
        if self._question is None:
            self._question = asyncio.create_task(self._topic.members(), name="commit when it is known who is there")
            self._open.add(self._question)
            self._question.add_done_callback(self._told)
        try:
            members = await asyncio.shield(self._question)
        except KafkaUnavailable:
            return workers
        return workers.intersection(members) if self._worker in members else workers

    def _told(self, question: asyncio.Task[Collection[str]]) -> None:
        self._question = None
        self._ended(question)

    async def _read(self, claims: ClaimList, held: HeldShard) -> None:
        """Read the claims of a shard to the end, and see whether this one is in force."""
        found = await self._topic.read({held.partition: claims.position})
        if held.partition not in found:
            raise KafkaUnavailable("the claims of the shard cannot be read")
        claims.read(*found[held.partition])
        self.still(held)
        if claims.last() != held.key:
            raise ShardFenced("another worker has claimed this shard")

    async def _fence_each(self, transactional_ids: Iterable[str]) -> None:
        await together(*map(self._fence, transactional_ids))

    async def _fence(self, transactional_id: str) -> None:
        """Fence somebody, with one initialisation for all who ask before it begins."""
        fencing = self._fencings.get(transactional_id)
        if fencing is None:
            fencing = self._fencings[transactional_id] = asyncio.create_task(
                self._fence_in_turn(transactional_id), name="commit only after fencing"
            )
            self._open.add(fencing)
            fencing.add_done_callback(self._ended)
        await asyncio.shield(fencing)

    async def _fence_in_turn(self, transactional_id: str) -> None:
        async with self._fence_turns.setdefault(transactional_id, asyncio.Lock()):
            del self._fencings[transactional_id]  # who asks from now on has claimed after this one began
            await self._topic.fence(transactional_id, abandoned=self._abandoned.get(transactional_id))

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._open.discard(task)
        if not task.cancelled():
            task.exception()  # nobody may wait for it any more

    async def check(self) -> None:
        """Give up the shards whose last claim is not this worker's, or of which that cannot be said."""
        asked = [(held, held.offset) for held in self._held.values() if held.offset is not None]
        if not asked:
            return
        found = await self._topic.read({held.partition: offset for held, offset in asked})
        for held, offset in asked:
            claims = ClaimList(offset)
            claims.read(*found.get(held.partition, ((), 0)))
            if claims.last() != held.key:
                self.give_up(held)
                held.unread = held.partition not in found

    async def remove(self, held: HeldShard) -> None:
        """Remove the claim of a shard that was given up, when no commit is on its way. Raises KafkaUnavailable.

        A claim under an id that the worker has left meanwhile stays, for the next owner: a commit may be on its way.
        """
        if held.claimant == self._own:
            await self._topic.remove(held.partition, [held.key])
            self._written.discard(held.key)

    async def close(self) -> None:
        """Fence nobody any more, and close the connections."""
        for task in self._open:
            task.cancel()
        try:
            await all_ended(self._open)
        finally:
            await self._topic.close()
