"""Sets of event ids as sorted, disjoint, closed ranges.

Ids of one chat rise with holes; a set of them is a handful of ranges however long the chat is. Membership is by set,
never by maximum: a later history may fill a hole.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_FAR: Final = 2
"""As far above a range as an id must be not to touch it."""


class IdRanges:
    """A set of integers. `add` is O(1) for ids that rise, O(number of ranges) otherwise."""

    __slots__ = ("_highs", "_lows")

    def __init__(self, pairs: Iterable[tuple[int, int]] = ()) -> None:
        """Take (low, high) pairs in any order; they may touch or overlap."""
        self._lows: list[int] = []
        self._highs: list[int] = []
        for low, high in sorted(pairs):
            if self._highs and low <= self._highs[-1] + 1:
                self._highs[-1] = max(self._highs[-1], high)
            else:
                self._lows.append(low)
                self._highs.append(high)

    def __contains__(self, value: int) -> bool:
        """Tell whether `value` is in the set."""
        highs = self._highs
        if not highs or value > highs[-1]:
            return False
        at = bisect_right(self._lows, value) - 1
        return at >= 0 and value <= highs[at]

    def __len__(self) -> int:
        """Count the ids (not the ranges)."""
        return sum(high - low + 1 for low, high in self.pairs())

    def __iter__(self) -> Iterator[int]:
        """Yield the ids in rising order."""
        for low, high in self.pairs():
            yield from range(low, high + 1)

    def __eq__(self, other: object) -> bool:
        """Compare as sets."""
        return isinstance(other, IdRanges) and self._lows == other._lows and self._highs == other._highs

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        """Show the ranges as `1-5,7`."""
        return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in self.pairs())

    @property
    def ranges(self) -> int:
        """The number of ranges."""
        return len(self._lows)

    @property
    def maximum(self) -> int | None:
        """The highest id, or None for the empty set."""
        return self._highs[-1] if self._highs else None

    def pairs(self) -> list[tuple[int, int]]:
        """Return the (low, high) pairs in rising order."""
        return list(zip(self._lows, self._highs, strict=True))

    def add(self, value: int) -> None:
        """Add `value`; no effect if it is in the set already."""
        lows, highs = self._lows, self._highs
        above = value - highs[-1] if highs else _FAR
        if above == 1:
            highs[-1] = value
            return
        if above > 1:
            lows.append(value)
            highs.append(value)
            return
        at = bisect_right(lows, value)
        if at and value <= highs[at - 1]:
            return
        joins_left = at > 0 and highs[at - 1] == value - 1
        joins_right = at < len(lows) and lows[at] == value + 1
        if joins_left and joins_right:
            highs[at - 1] = highs[at]
            del lows[at], highs[at]
        elif joins_left:
            highs[at - 1] = value
        elif joins_right:
            lows[at] = value
        else:
            lows.insert(at, value)
            highs.insert(at, value)

    def add_range(self, low: int, high: int) -> None:
        """Add all ids from `low` to `high`; O(number of ranges)."""
        lows, highs = self._lows, self._highs
        first = bisect_left(highs, low - 1)  # the first range that touches or follows the new one
        after = bisect_right(lows, high + 1)
        if first < after:
            low, high = min(low, lows[first]), max(high, highs[after - 1])
        lows[first:after] = [low]
        highs[first:after] = [high]

    def remove(self, value: int) -> None:
        """Take `value` out; no effect if it is not in the set."""
        at = bisect_right(self._lows, value) - 1
        if at < 0 or value > self._highs[at]:
            return
        low, high = self._lows[at], self._highs[at]
        kept = [(a, b) for a, b in ((low, value - 1), (value + 1, high)) if a <= b]
        self._lows[at : at + 1] = [a for a, _ in kept]
        self._highs[at : at + 1] = [b for _, b in kept]

    def edges(self) -> tuple[list[int], list[int]]:
        """Return the low and the high edges of the ranges, from which `reset` restores the set."""
        return self._lows.copy(), self._highs.copy()

    def reset(self, edges: tuple[list[int], list[int]]) -> None:
        """Become the set that `edges` was asked of."""
        self._lows, self._highs = edges[0].copy(), edges[1].copy()

    def within(self, low: int, high: int) -> list[tuple[int, int]]:
        """Return the (low, high) pairs of the ids in [low, high], in rising order."""
        lows, highs = self._lows, self._highs
        if lows and lows[-1] <= low and high >= highs[-1]:  # as nearly always: the last ids are asked for
            return [(low, highs[-1])] if low <= highs[-1] else []
        first, after = bisect_left(highs, low), bisect_right(lows, high)
        found = list(zip(lows[first:after], highs[first:after], strict=True))
        if found:  # the first and the last may reach beyond
            found[0] = max(found[0][0], low), found[0][1]
            found[-1] = found[-1][0], min(found[-1][1], high)
        return found

    def missing_between(self, low: int, high: int) -> list[tuple[int, int]]:
        """Return the ranges of ids in [low, high] that are not in the set."""
        holes: list[tuple[int, int]] = []
        at = low
        for index in range(bisect_left(self._highs, low), len(self._lows)):
            start, end = self._lows[index], self._highs[index]
            if start > high:
                break
            if start > at:
                holes.append((at, start - 1))
            at = end + 1
        if at <= high:
            holes.append((at, high))
        return holes
