"""What one shard has to do with stored transcripts: its partition of their topic, and a feeder if it has one.

Both begin where the checkpoints say, once the shard was restored for the first time; from then on what they deliver is
held in the inbox until it is committed, as all other inputs are. If another worker had the shard in between, both begin
again: where that one has left off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.capture.partition_numbers import PARTITIONS_POSITION
from bridge.capture.stored_inputs import STORED_POSITION, StoredPlace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bridge.capture.consumer_ports import StoredReading, StoredTopic
    from bridge.capture.ports import Failed, MakeFeeder, TranscriptFeeder
    from bridge.capture.stored_inputs import StoredInput, StoredRead
    from bridge.errors import Problem

_OWN: Final = frozenset({STORED_POSITION, PARTITIONS_POSITION})
"""The positions that are no feeder's."""


class StoredDoor:
    """Bound to its shard with `bind`; then `restored`, as often as the shard is, and `close`."""

    def __init__(self, partition: int, topic: StoredTopic, make_feeder: MakeFeeder | None = None) -> None:
        """Nothing is read before `restored`."""
        self._partition = partition
        self._topic = topic
        self._make_feeder = make_feeder
        self._deliver: Callable[[StoredInput | StoredRead, int], None] = lambda *_: None
        self._feeder: TranscriptFeeder | None = None
        self._reading: StoredReading | None = None
        self._closed = self._paused = False

    def bind(self, deliver: Callable[[StoredInput | StoredRead, int], None], failed: Failed) -> None:
        """Say who takes what is read."""
        self._deliver = deliver
        if self._make_feeder is not None:
            self._feeder = self._make_feeder(deliver, failed)

    @property
    def problems(self) -> list[Problem]:
        """Why the feeder cannot read; empty when it can, or when there is none."""
        return [] if self._feeder is None else self._feeder.problems

    def restored(self, positions: Mapping[str, bytes], *, again: bool) -> None:
        """Begin at the positions of the checkpoints, if nothing has begun, or `again`: nothing from before is held."""
        if self._closed or not (again or self._reading is None):
            return
        self._reading = self._topic.begin(self._partition, _place(positions), self._deliver)
        if self._paused:
            self._reading.pause()
        if self._feeder is not None:
            self._feeder.start({name: one for name, one in positions.items() if name not in _OWN})

    def pause(self) -> None:
        """Read no further (P6)."""
        self._paused = True
        if self._reading is not None:
            self._reading.pause()
        if self._feeder is not None:
            self._feeder.pause()

    def resume(self) -> None:
        """Go on."""
        self._paused = False
        if self._reading is not None:
            self._reading.resume()
        if self._feeder is not None:
            self._feeder.resume()

    def end(self) -> None:
        """Read the topic no more: the next owner of the shard does."""
        self._closed = True
        if self._reading is not None:
            self._reading.end()

    async def close(self) -> None:
        """End everything. It may be called again, at any time."""
        self.end()
        if self._feeder is not None:
            await self._feeder.close()


def _place(positions: Mapping[str, bytes]) -> StoredPlace | None:
    position = positions.get(STORED_POSITION)
    return None if position is None else StoredPlace.decode(position)
