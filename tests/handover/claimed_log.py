"""What the log of a shard's checkpoints tells of its writers: the claims, and the transactions that were committed."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from bridge.records.checkpoint_keys import is_claim_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.support.log_batches import LogBatch


@dataclass(slots=True)
class LoggedClaim:
    """A claim by the offsets of its record and of what removed it. `claimant` is a transactional id.

    A claim of which only the removal is left has no claimant, and -1 as its offset.
    """

    key: str
    claimant: str | None
    offset: int
    removed: int | None = None

    def in_force(self, first: int, last: int) -> bool:
        """Return whether it was there while records at these offsets were written."""
        return self.offset < first and (self.removed is None or self.removed > last)


class LoggedCommit(NamedTuple):
    """A committed transaction: offsets of its first and last record and of its marker, and Kafka's id of the producer.

    `number`: what the records say the shard's transaction is called, None when they do not say.
    """

    first: int
    last: int
    marker: int
    producer: int
    epoch: int
    number: int | None = None


@dataclass(slots=True)
class ClaimedLog:
    """The log as far as it was read, up to `position`. Nothing is missing between one of its `starts` and the next.

    `number_of`: the records of a batch -> the number of the transaction, if they tell it.
    """

    number_of: Callable[[Iterable[tuple[bytes | None, bytes | None]]], int | None] = lambda _: None
    position: int = 0
    starts: list[int] = field(default_factory=lambda: [0])
    claims: list[LoggedClaim] = field(default_factory=list)
    commits: list[LoggedCommit] = field(default_factory=list)
    _open: dict[int, LoggedCommit] = field(default_factory=dict)
    _last: dict[str, LoggedClaim] = field(default_factory=dict)

    def take(self, batch: LogBatch) -> None:
        """Go on with the batch that follows in the log."""
        if not batch.whole:
            self._start(batch.last + 1)
        elif batch.first != self.position:
            self._start(batch.first)
        self.position = batch.last + 1
        if batch.commits is not None:
            ended = self._open.pop(batch.producer, None)
            if ended is not None and batch.commits:
                self.commits.append(ended._replace(marker=batch.first))
        elif batch.transactional and batch.records:
            self._write(batch)
        else:
            for offset, (key, value) in enumerate(batch.records, batch.first):
                if key is not None and is_claim_key(name := key.decode("utf-8", "replace")):
                    self._claim(offset, name, None if value is None else value.decode("utf-8", "replace"))

    def start_of(self, commit: LoggedCommit) -> int | None:
        """Return from where on nothing is missing up to a commit; None if something within it may be missing."""
        before = bisect_right(self.starts, commit.first)
        return None if bisect_right(self.starts, commit.marker) != before else self.starts[before - 1]

    def _start(self, offset: int) -> None:
        if self.starts[-1] == self.position:  # nothing lies between the two
            self.starts.pop()
        self.starts.append(offset)

    def _write(self, batch: LogBatch) -> None:
        begun = self._open.get(batch.producer)
        if begun is None or begun.epoch != batch.epoch:
            begun = LoggedCommit(batch.first, batch.last, -1, batch.producer, batch.epoch)
        number = self.number_of(batch.records) if begun.number is None else begun.number
        self._open[batch.producer] = begun._replace(last=batch.last, number=number)

    def _claim(self, offset: int, key: str, claimant: str | None) -> None:
        before = self._last.get(key)
        if before is not None and before.removed is None:
            before.removed = offset
        if claimant is not None:
            found = LoggedClaim(key, claimant, offset)
        elif before is None:
            found = LoggedClaim(key, None, -1, removed=offset)
        else:
            return
        self._last[key] = found
        self.claims.append(found)
