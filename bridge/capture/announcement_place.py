"""How far a shard has got in its partition of the announcements."""

from __future__ import annotations


class AnnouncementPlace:
    """Offsets of one partition. `next` is the one that is expected next: what is below it was queued before."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self.next = 0
        self._first: int | None = None
        self._end = 0

    def announced(self, offset: int) -> bool:
        """Note a record; return whether it is a new one, and not one that was read again after a rebalance."""
        if offset < self.next:
            return False
        self._began(offset)
        self.next = offset + 1
        return True

    def read(self, position: int, end: int) -> bool:
        """Note the reader's position and the log's end; return whether it passed over what is no announcement."""
        self._began(position)
        self._end = end
        passed = position > self.next
        self.next = max(position, self.next)
        return passed

    def expect(self, offset: int | None) -> None:
        """Expect this offset next, which may be lower: it is that of another log. None: go on as before."""
        if offset is not None:
            self.next = offset

    def lag(self, committed: int | None) -> int:
        """Return how many offsets are not committed yet, as far as is known; `committed` is None before the first."""
        taken = self._first if committed is None else committed
        return 0 if taken is None else max(self._end - taken, 0)

    def _began(self, offset: int) -> None:
        if self._first is None:
            self._first = offset
