"""The shards that a worker holds by claims: it takes them, gives them up, and finds out which are still its own.

The steps, and their order, are those of `tests/handover/claim_model.py`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.capture.claims import ClaimList
from bridge.errors import KafkaUnavailable, ShardFenced
from bridge.records.checkpoint_keys import claim_key
from bridge.waiting import all_ended

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.capture.worker_ports import ClaimTopic

_GRACE: Final = 0.5
"""Seconds that a former holder has to remove its claim: then it need not be fenced, which aborts its transaction."""


@dataclass(slots=True, eq=False)
class HeldShard:
    """A claim of this worker. `offset` is that of the claim, None before it is acknowledged.

    `fenced`: nobody else can commit to the shard any more, unless a later claim is there, and who wrote that fences
    this worker. `owner` is the shard object that the claim was written for.
    """

    partition: int
    key: str
    owner: object
    offset: int | None = None
    fenced: bool = False


class ShardClaims:
    """The claims of one worker, none at first. `claim` only after the worker's id is initialised and claims checked."""

    def __init__(
        self,
        topic: ClaimTopic,
        *,
        transactional_id: str,
        worker: str,
        number: Callable[[], str],
        former_id: Callable[[int], str],
    ) -> None:
        """`transactional_id` is the worker's, `worker` its name; `number` returns what it never returned before.

        `former_id`: partition -> the transactional id of a worker that has one for each shard.
        """
        self._topic = topic
        self._own = transactional_id
        self._worker = worker
        self._number = number
        self._former_id = former_id
        self._held: dict[int, HeldShard] = {}
        self._fencings: dict[str, asyncio.Task[None]] = {}
        self._fence_turns: dict[str, asyncio.Lock] = {}
        self._open: set[asyncio.Task[None]] = set()

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
        """Raise ShardFenced if a shard is not held any more under this claim."""
        if self._held.get(held.partition) is not held:
            raise ShardFenced("another worker has claimed this shard")

    async def claim(self, partition: int, owner: object) -> HeldShard:
        """Take a shard: after that nobody else can commit to it. Raises KafkaUnavailable, ShardFenced."""
        held = HeldShard(partition, claim_key(self._worker, self._number()), owner)
        self._held[partition] = held
        try:
            await self._claim(held)
        except BaseException:
            self.give_up(held)
            raise
        return held

    async def _claim(self, held: HeldShard) -> None:
        partition, claims = held.partition, ClaimList()
        held.offset = await self._topic.write(partition, held.key, self._own)
        await asyncio.gather(self._fence(self._former_id(partition)), self._read(claims, held))
        if claims.strangers(self._own):
            await asyncio.sleep(_GRACE)
            await self._read(claims, held)
        await asyncio.gather(*map(self._fence, claims.strangers(self._own)))
        self.still(held)
        if others := claims.others(held.key):
            await self._topic.remove(partition, others)
        self.still(held)
        held.fenced = True

    async def _read(self, claims: ClaimList, held: HeldShard) -> None:
        """Read the claims of a shard to the end, and see whether this one is in force."""
        found = await self._topic.read({held.partition: claims.position})
        if held.partition not in found:
            raise KafkaUnavailable("the claims of the shard cannot be read")
        claims.read(*found[held.partition])
        self.still(held)
        if claims.last() != held.key:
            raise ShardFenced("another worker has claimed this shard")

    async def _fence(self, transactional_id: str) -> None:
        """Fence somebody, with one initialisation for all who ask before it begins."""
        fencing = self._fencings.get(transactional_id)
        if fencing is None:
            fencing = self._fencings[transactional_id] = asyncio.create_task(
                self._fence_in_turn(transactional_id), name="commit only after fencing"
            )
            self._open.add(fencing)
            fencing.add_done_callback(self._fenced)
        await asyncio.shield(fencing)

    async def _fence_in_turn(self, transactional_id: str) -> None:
        async with self._fence_turns.setdefault(transactional_id, asyncio.Lock()):
            del self._fencings[transactional_id]  # who asks from now on has claimed after this one began
            await self._topic.fence(transactional_id)

    def _fenced(self, fencing: asyncio.Task[None]) -> None:
        self._open.discard(fencing)
        if not fencing.cancelled():
            fencing.exception()  # nobody may wait for it any more

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

    async def remove(self, held: HeldShard) -> None:
        """Remove the claim of a shard that was given up, when no commit is on its way. Raises KafkaUnavailable."""
        await self._topic.remove(held.partition, [held.key])

    async def close(self) -> None:
        """Close the connections, when nobody is being fenced any more; a cancellation hurries."""
        await all_ended(self._open)
        await self._topic.close()
