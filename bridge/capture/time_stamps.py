"""Time stamps of signed heads: asked for beside the commits, written with a later transaction of the shard.

Only heads that were committed are stamped. Of each partition one head waits, the newest, and one stamp: it holds for
everything before it, since the log only grows. An authority that is away, or lies, delays nothing; it is told in a
warning, and counted.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from bridge.capture.ports import Outgoing
from bridge.capture.shard_evidence import CHECKPOINT
from bridge.errors import StampInvalid, StampUnavailable
from bridge.evidence.anchors import KIND
from bridge.evidence.log_stamps import CONTENT_TYPE, STAMP
from bridge.facts import Fact
from bridge.meters import label
from bridge.meters.label_values import STAMP_FAILURES

if TYPE_CHECKING:
    from bridge.backoff import Backoff
    from bridge.capture.ports import Batch, Clock
    from bridge.errors import Problem
    from bridge.meters import Meters
    from bridge.telemetry import Telemetry

_HEADERS: Final = ((KIND, STAMP), ("content-type", CONTENT_TYPE))
_LOOK_SECONDS: Final = 1.0
_EMPTY: Final = b"0"


class Stamper(Protocol):
    """Stamps with a time that a third party vouches for."""

    async def stamp(self, stamped: bytes) -> bytes:
        """Return a reply (RFC 3161, DER) that was checked. Raises StampUnavailable or StampInvalid."""


@dataclass(slots=True, frozen=True, kw_only=True)
class StampKept(Fact):
    """A head of the log of a partition got a time stamp, of so many bytes."""

    level: ClassVar[int] = logging.DEBUG

    shard: int
    bytes: int

    def count(self, meters: Meters) -> None:
        """Count it."""
        meters.time_stamps.labels("kept").inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class StampFailed(Fact):
    """A head got no time stamp; it is tried again."""

    level: ClassVar[int] = logging.WARNING

    code: str
    detail: str

    def count(self, meters: Meters) -> None:
        """Count it."""
        meters.time_stamps.labels(label(self.code, STAMP_FAILURES)).inc()


@dataclass(slots=True)
class _Partition:
    """What waits of one partition. `stamped_at` is monotonic; `stamped` the head that has a stamp."""

    head: bytes | None = None
    stamp: bytes | None = None
    stamped: bytes | None = None
    stamped_at: float | None = None


@dataclass(slots=True)
class TimeStamps:
    """The stamps of all shards of a worker. `problem` is why the last request failed, None if it did not.

    `seconds` is the shortest time between two stamps of a partition.
    """

    stamper: Stamper
    anchors: str
    checkpoints: str
    seconds: float
    backoff: Backoff
    clock: Clock
    telemetry: Telemetry
    problem: Problem | None = None
    _partitions: dict[int, _Partition] = field(default_factory=dict)

    def add(self, batch: Batch) -> None:
        """Add the stamp that waits for the shard of a batch; it waits on until it is committed."""
        partition = next((one.partition for one in batch.records if one.topic == self.checkpoints), None)
        waiting = None if partition is None else self._partitions.get(partition)
        if partition is not None and waiting is not None and waiting.stamp is not None:
            key = str(partition).encode()
            batch.records.append(Outgoing(self.anchors, partition, key, waiting.stamp, list(_HEADERS)))

    def committed(self, batch: Batch) -> None:
        """Take the heads that were committed, and what no longer waits."""
        for record in batch.on(self.anchors):
            waiting = self._partitions.setdefault(record.partition, _Partition())
            if (KIND, CHECKPOINT) in record.headers and record.value is not None:
                if record.value != waiting.stamped and record.value.split(b"\n", 2)[1] != _EMPTY:
                    waiting.head = record.value
            elif record.value == waiting.stamp:
                waiting.stamp = None

    async def run(self) -> None:
        """Ask for stamps, one after the other, until cancelled."""
        pause = 0.0
        while True:
            await asyncio.sleep(pause)
            pause = await self._look()

    async def _look(self) -> float:
        """Ask for one stamp if one is due; return the seconds until the next look."""
        now = self.clock.monotonic()
        for partition, waiting in self._partitions.items():
            head = waiting.head
            rested = waiting.stamped_at is None or now - waiting.stamped_at >= self.seconds
            if head is None or waiting.stamp is not None or not rested:
                continue
            try:
                waiting.stamp = await self.stamper.stamp(head)
            except (StampUnavailable, StampInvalid) as error:
                self.problem = error.problem
                self.telemetry.emit(StampFailed(code=error.code, detail=error.message))
                self._partitions[partition] = self._partitions.pop(partition)  # the others first: it may fail each time
                return self.backoff.next()
            waiting.stamped, waiting.stamped_at = head, now
            waiting.head = None if waiting.head == head else waiting.head
            self.problem = None
            self.backoff.reset()
            self.telemetry.emit(StampKept(shard=partition, bytes=len(waiting.stamp)))
            return 0.0
        return _LOOK_SECONDS
