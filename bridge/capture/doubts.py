"""Of which shards Kafka is asked, before a transaction, whether it accepts what they write. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

_SECONDS: Final = 1.0
"""An answer counts so long for a shard that does not fail: a worker makes some seventy transactions a second."""


class Doubts:
    """What Kafka was asked about, and when."""

    def __init__(self) -> None:
        """Nothing was asked."""
        self._asked: dict[int, float] = {}

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
