"""Of which shards Kafka is asked, before a transaction, whether it accepts what they write; who waits for it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_SECONDS: Final = 1.0
"""An answer counts so long for a shard that does not fail: a worker makes some seventy transactions a second."""
WAIT_SECONDS: Final = 5.0
"""After the last failure, for an answer. It is limited: a link may be too slow for every question."""


class Doubts:
    """What Kafka was asked about, and when; which shards it has acknowledged since one was not."""

    def __init__(self) -> None:
        """Nothing was asked, and nothing has failed."""
        self._asked: dict[int, float] = {}
        self._acknowledged: set[int] = set()
        self._failed: float | None = None

    def about(self, shards: Collection[int], doubtful: Collection[int], now: float, *, failing: bool) -> set[int]:
        """Return of which of the shards in the next transaction it is to be asked at `now` (monotonic seconds).

        Of those that are `doubtful` each time. If any shard is `failing`, it may not be the only one, and each that is
        refused within a transaction uses up an id of the worker: so of the others, too, now and then.
        """
        if not failing:
            return set(doubtful)
        doubted = {one for one in shards if one in doubtful or now - self._asked.get(one, -_SECONDS) >= _SECONDS}
        self._asked |= dict.fromkeys(doubted, now)
        return doubted

    def not_acknowledged(self, others: Iterable[int], now: float) -> None:
        """Take note of a transaction that failed since records were not acknowledged; those of `others` were."""
        self._acknowledged, self._failed = set(others), now

    def acknowledged(self, shards: Iterable[int]) -> None:
        """Take note of shards the records of which were acknowledged."""
        if self._failed is not None:
            self._acknowledged.update(shards)

    def forget(self, shards: Iterable[int]) -> None:
        """Take note of shards that were acknowledged before, which does not count any more."""
        self._acknowledged.difference_update(shards)

    def unproven(self, shards: Iterable[int], now: float) -> set[int]:
        """Return which shards are in no transaction at `now` unless Kafka says that it accepts what they write.

        Those that were not acknowledged since the last failure, for some seconds after it: where Kafka says nothing,
        what held up one shard may hold up others, too. Together they use up one id, and one after the other each one.
        """
        return set(shards) - self._acknowledged if self.seconds_left(now) else set()

    def seconds_left(self, now: float) -> float:
        """Return for how many seconds from `now` on this holds."""
        return 0.0 if self._failed is None else max(0.0, self._failed + WAIT_SECONDS - now)
