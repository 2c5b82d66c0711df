"""Inputs of chats that wait before they are folded, because a number in their messages may go on in the next one. Pure.

Of a chat waits a message that has digits near its end, for `seconds` at most, and whatever comes for the chat after it.
It waits no longer when its party has said something that no number can begin with: what completes a number, and all
messages with parts of it, are then folded in one batch, or at least known when the first of them is recorded. Other
messages, and other chats, do not wait. Nothing waits any more when the chat ends, when its stored transcript arrives or
its erasure is asked for, and of a history that is taken in parts.

Nothing that waits is committed, and nothing of it is in a checkpoint (P3). Who takes a shard over gets it with the
history of the chat.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from math import inf
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from bridge.capture.stored_inputs import ErasureRequested, StoredArrived, StoredMissing
from bridge.records.detectors.beginnings import may_begin
from bridge.transcript.updates import JoinRefused, LinkDown, QuarantinedInput, TranscriptUpdate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bridge.capture.inbox import Input

    Queued = tuple[Input, int, float]

_EARLY: Final = 0.001
"""Seconds by which a timer may end before its time."""
_FEW: Final = 64
_event_id: Final = attrgetter("event_id")
_OfSource = TranscriptUpdate | LinkDown | JoinRefused | QuarantinedInput
_OfOneChat = _OfSource | ErasureRequested | StoredArrived | StoredMissing


@dataclass(slots=True, eq=False)
class _Held:
    """An input that waits. `parties` are those whose last message it has, or leads to."""

    queued: Queued
    parties: set[str] = field(default_factory=set)


class _Lane:
    """What waits of one chat, in order. `timed` is the time of its first input that the queue of times knows."""

    __slots__ = ("_open", "held", "timed")

    def __init__(self) -> None:
        self.held: deque[_Held] = deque()
        self.timed = inf
        self._open: dict[str, deque[_Held]] = {}  # userId -> what its number may have begun in

    @property
    def since(self) -> float:
        return self.held[0].queued[2]

    def put(self, queued: Queued) -> None:
        one = _Held(queued)
        self.held.append(one)
        for user_id, begins in _said(queued[0]):
            if not begins:
                for earlier in self._open.pop(user_id, ()):
                    earlier.parties.discard(user_id)
            elif user_id not in one.parties:
                one.parties.add(user_id)
                self._open.setdefault(user_id, deque()).append(one)

    def take(self, until: float) -> Iterator[Queued]:
        """Remove what need not wait, and what came until then; up to the first one that has to wait."""
        while self.held and (not self.held[0].parties or self.since <= until):
            one = self.held.popleft()
            for user_id in one.parties:
                began = self._open[user_id]
                began.popleft()
                if not began:
                    del self._open[user_id]
            yield one.queued


class HeldBack:
    """What waits of all chats of a shard. Times are monotonic, in seconds, and arguments of every call.

    What is returned may be folded, in that order. `bytes` is what all that waits counts as.
    """

    def __init__(self, seconds: float, most_bytes: int) -> None:
        """When more than `most_bytes` wait, what has waited longest does not any more."""
        self.bytes = 0
        self._seconds = seconds
        self._most_bytes = most_bytes
        self._lanes: dict[str, _Lane] = {}
        self._times: list[tuple[float, str]] = []  # since when a lane waits; others than its `timed` count no more

    def __len__(self) -> int:
        """Return the number of inputs that wait. All of them came from the source."""
        return sum(len(lane.held) for lane in self._lanes.values())

    @property
    def since(self) -> float:
        """When the first of those that wait was put; infinite if nothing waits."""
        return min((lane.since for lane in self._lanes.values()), default=inf)

    def put(self, queued: Queued) -> list[Queued]:
        """Take an input; return it, and what waited before it, as far as that need not wait (any longer)."""
        item, size, at = queued
        session_id = item.session_id if isinstance(item, _OfOneChat) else None
        lane = self._lanes.get(session_id or "")
        if not self._seconds or session_id is None or (lane is None and not _waits(item)):
            return [queued]
        if not _may_wait(item):
            return [*self._released(session_id, inf), queued]
        if lane is None:
            lane = self._lanes[session_id] = _Lane()
        lane.put(queued)
        self.bytes += size
        found = self._released(session_id, at - self._seconds)
        while self.bytes > self._most_bytes:
            found += self._first(inf)
        return found

    def due(self, now: float) -> list[Queued]:
        """Return what has waited long enough."""
        found: list[Queued] = []
        until = now - self._seconds + _EARLY
        while self._times and self._times[0][0] <= until:
            found += self._first(until)
        return found

    def rest(self, now: float) -> float:
        """Return the seconds until something is due, or less; infinite if nothing waits."""
        return max(self._times[0][0] + self._seconds - now, 0.0) if self._times else inf

    def release(self) -> list[Queued]:
        """Return all that waits; nothing does from now on."""
        self._seconds = 0.0
        return [one for session_id in [*self._lanes] for one in self._released(session_id, inf)]

    def waiting(self, session_ids: Iterable[str]) -> Iterator[Input]:
        """Look at what waits of chats, in order."""
        for session_id in session_ids:
            if (lane := self._lanes.get(session_id)) is not None:
                yield from (one.queued[0] for one in lane.held)

    def _first(self, until: float) -> list[Queued]:
        """Release what waits longest, or forget the time of what waits no more."""
        since, session_id = heapq.heappop(self._times)
        lane = self._lanes.get(session_id)
        return [] if lane is None or lane.timed != since else self._released(session_id, until)

    def _released(self, session_id: str, until: float) -> list[Queued]:
        lane = self._lanes.get(session_id)
        if lane is None:
            return []
        found = list(lane.take(until))
        self.bytes -= sum(size for _, size, _ in found)
        if not lane.held:
            del self._lanes[session_id]
        elif lane.timed != lane.since or found:
            lane.timed = lane.since
            heapq.heappush(self._times, (lane.timed, session_id))
        if len(self._times) > 2 * len(self._lanes) + _FEW:
            self._times = [(lane.timed, session_id) for session_id, lane in self._lanes.items()]
            heapq.heapify(self._times)
        return found


def _said(item: Input) -> Iterator[tuple[str, bool]]:
    """Tell of each message who said it, and whether a number may begin or go on at its end."""
    if isinstance(item, TranscriptUpdate):
        for event in sorted(item.transcript.chat_event_list, key=_event_id):
            if event.message_text is not None:
                yield event.user_id, may_begin(event.message_text.text)


def _may_wait(item: Input) -> bool:
    """Tell whether it may wait, or has to wait for what does."""
    if isinstance(item, TranscriptUpdate):
        return item.waiting is None and not item.ends_chat
    return isinstance(item, LinkDown | QuarantinedInput) or (isinstance(item, JoinRefused) and not item.ends_chat)


def _waits(item: Input) -> bool:
    """Tell whether it may have to wait although nothing of its chat does."""
    return _may_wait(item) and any(begins for _, begins in _said(item))
