"""Whether Kafka accepts what shards write, as far as it says so, and the batches that wait for the answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bridge.capture.doubts import Doubts
from bridge.capture.handed_in import batches_of
from bridge.errors import KafkaUnavailable, ShardFenced

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from bridge.capture.handed_in import HandedIn
    from bridge.capture.ports import Clock
    from bridge.capture.worker_ids import WorkerIds
    from bridge.capture.worker_ports import WorkerProducer
    from bridge.errors import BridgeError


class Acceptance:
    """Asks before a transaction. `waiting`: shard -> its batch that is in none as long as Kafka does not answer."""

    def __init__(self, ids: WorkerIds, clock: Clock, hand_in: Callable[[HandedIn], None]) -> None:
        """`hand_in` is called with each batch that has waited: all of them together."""
        self.waiting: dict[int, HandedIn] = {}
        self._doubts = Doubts()
        self._ids = ids
        self._clock = clock
        self._hand_in = hand_in
        self._timer: asyncio.TimerHandle | None = None

    async def ask(
        self, producer: WorkerProducer, parts: Mapping[int, HandedIn]
    ) -> tuple[Mapping[int, BridgeError], Collection[int]]:
        """Return which shards cannot be written now, with the reason, and which have to wait for the answer."""
        now = self._clock.monotonic()
        unproven = self._doubts.unproven(parts, now) if self._ids.last_failure_holds_up else set()
        doubtful = self._ids.doubtful(parts) | unproven
        doubted = self._doubts.about(parts, doubtful, now, failing=bool(self._ids.failing))
        unwritable, not_told = await _told(producer, parts, doubted)
        if doubted and not not_told:
            self._end_waiting()
        return unwritable, unproven & not_told

    async def ask_about(self, producer: WorkerProducer, late: Mapping[int, HandedIn]) -> Mapping[int, BridgeError]:
        """Return which of the shards that are not acknowledged yet cannot be written, as far as that is known."""
        unwritable, _ = await _told(producer, late, late)
        return unwritable

    def wait(self, part: HandedIn) -> None:
        """Have a batch wait until Kafka has answered a question, or for some seconds after the failure."""
        self.waiting[part.held.partition] = part
        if self._timer is None:
            seconds = self._doubts.seconds_left(self._clock.monotonic())
            self._timer = asyncio.get_running_loop().call_later(seconds, self._end_waiting)

    def taken_again(self, shard: int) -> None:
        """Tell the shard object of a batch that waits, if any does, that it will not be written."""
        if (part := self.waiting.pop(shard, None)) is not None:
            part.fail(ShardFenced("the shard was taken again"))

    def _end_waiting(self) -> None:
        self.close()
        parts, self.waiting = self.waiting, {}
        for part in parts.values():
            if not part.done.done():  # else its shard has ended
                self._hand_in(part)

    def close(self) -> None:
        """Wait for no moment any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- what came of it -----------------------------------------------------------------------------------------

    def failed(self, shards: Collection[int]) -> None:
        """Take note of shards that could not be written."""
        self._ids.failed(shards)
        self._doubts.forget(shards)

    def not_acknowledged(self, others: Collection[int]) -> None:
        """Take note of a transaction that fails since records were not acknowledged; those of `others` were."""
        self._ids.not_acknowledged()
        self._doubts.not_acknowledged(others, self._clock.monotonic())

    def acknowledged(self, shards: Collection[int]) -> None:
        """Take note of shards the records of which were acknowledged."""
        self._doubts.acknowledged(shards)

    def forget(self, shard: int) -> None:
        """Take note that a shard is not this worker's any more."""
        self._ids.forget(shard)
        self._doubts.forget([shard])


async def _told(
    producer: WorkerProducer, parts: Mapping[int, HandedIn], doubted: Collection[int]
) -> tuple[Mapping[int, BridgeError], set[int]]:
    """Return which shards cannot be written now, and of which `doubted` ones Kafka does not say so."""
    try:
        found = await producer.unwritable(batches_of(parts), doubted)
    except KafkaUnavailable:  # who leads is not known: acknowledgements that do not come will tell
        return {}, set(doubted)
    unwritable = {shard: error for shard, error in found.items() if error is not None}
    return unwritable, found.keys() - unwritable.keys()
