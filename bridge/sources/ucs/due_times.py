"""When chats are to be asked again: the next ones are found without looking at all of them. Pure."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import Final

_FEW: Final = 64
"""Times that the heap may have too many in any case."""


class DueTimes:
    """A time for each id, in seconds since 1970. A heap beside it has times that were replaced, too."""

    def __init__(self) -> None:
        """Begin with none."""
        self._times: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []

    @property
    def kept(self) -> int:
        """Number of times that are kept, those that were replaced or forgotten included."""
        return len(self._heap)

    def __getitem__(self, session_id: str) -> int:
        """Return the time of an id. Raises KeyError."""
        return self._times[session_id]

    def set(self, session_id: str, at: int) -> None:
        """Set the time of an id, in place of a former one."""
        if self._times.get(session_id) != at:
            self._times[session_id] = at
            heappush(self._heap, (at, session_id))
            self._tidy()

    def forget(self, session_id: str) -> None:
        """Forget an id."""
        del self._times[session_id]
        self._tidy()

    def _tidy(self) -> None:
        """Drop times that were replaced or forgotten, once they are the most: they may lie far ahead."""
        if len(self._heap) > 2 * len(self._times) + _FEW:
            self._heap = [(at, session_id) for session_id, at in self._times.items()]
            heapify(self._heap)

    def first(self) -> int | None:
        """Return the earliest time; None without one."""
        while self._heap:
            at, session_id = self._heap[0]
            if self._times.get(session_id) == at:
                return at
            heappop(self._heap)
        return None

    def until(self, now: int, most: int) -> list[str]:
        """Return at most so many ids whose time has come, the earliest first; their times stay."""
        found: dict[str, int] = {}
        while len(found) < most and (at := self.first()) is not None and at <= now:
            found[heappop(self._heap)[1]] = at
        for session_id, at in found.items():
            heappush(self._heap, (at, session_id))
        return list(found)
