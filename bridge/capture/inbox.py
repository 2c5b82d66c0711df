"""The queue of inputs between a source and its shard's transactions: bounded in bytes, nothing dropped (P6).

`put` always accepts; a full inbox makes its owner pause reading, so that TCP back-pressure reaches the server. Data
that was already read may still arrive: the limit is exceeded by at most one read per connection.

An update whose events wait (`TranscriptUpdate.waiting`) is taken in parts, and what came for its chat after it is taken
after its last one. Other chats are not behind it: of each transaction, it may have half. An announcement of its chat
waits only if the chat is to be given up before.

Some inputs have to wait for a time, so that what comes after them is known when they are recorded (`held_back.py`).
They count as queued, but `take` does not see them before `release_due` or what comes later lets them through.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Final, TypeGuard

from bridge.capture.held_back import HeldBack
from bridge.capture.stored_inputs import ErasureRequested, StoredArrived, StoredMissing, StoredRead, StoredRefused
from bridge.transcript.updates import JoinRefused, TranscriptUpdate, Update

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from bridge.announcement import Announcement

_LOW_WATER: Final = 0.5
_MOST_HELD_BACK: Final = 0.25
"""Share of the limit that may have to wait: less than what reading resumes at."""
_OVERHEAD: Final = 400


def memory_of(size: int) -> int:
    """Return what an input of `size` source bytes counts as: decoded, it is about as large, with an overhead."""
    return 2 * size + _OVERHEAD


@dataclass(slots=True, frozen=True)
class Announced:
    """A record of the shard's announcements partition: the announcement, or why it is unreadable, and the raw bytes.

    `asked`: the number of partitions under which another shard asks whether this one knows the chat; None: it was not
    passed on.
    """

    offset: int
    raw: bytes = field(repr=False)
    key: bytes | None
    announcement: Announcement | None
    problem: str = ""
    observed_at: int = 0
    asked: int | None = None


@dataclass(slots=True, frozen=True)
class Forgotten:
    """What Kafka has forgotten, as far as a transaction has to tell it.

    `without_records`: chats whose events have gone from their topic. `without_place`: chats that are open, and that no
    announcement tells the place of any more. `next_announcement` is the offset to commit, None when it is unchanged.
    """

    observed_at: int
    without_records: frozenset[str] = frozenset()
    without_place: frozenset[str] = frozenset()
    next_announcement: int | None = None


@dataclass(slots=True, frozen=True)
class PassedOver:
    """The shard's announcements are read up to `offset` (exclusive), and what came last there are no announcements.

    Markers of transactions and of compaction take offsets, too. What is committed should reach the end all the same:
    tools that compute the lag of the group look at it.
    """

    offset: int
    observed_at: int = 0


@dataclass(slots=True, frozen=True)
class StillWatched:
    """A chat that the source watches although it is not followed: it is, again, if another owner gave it up."""

    session_id: str
    observed_at: int


_FromElsewhere = StoredRead | StoredArrived | StoredMissing | StoredRefused | ErasureRequested
Input = Update | Announced | Forgotten | PassedOver | StillWatched | _FromElsewhere
_STORED: Final = (StoredRead, StoredArrived, StoredMissing, StoredRefused, ErasureRequested)
_REREAD: Final = (Announced, PassedOver, *_STORED)
"""What whoever has the shard next reads again. (To look for a class in a union takes a microsecond, in a tuple not.)"""
_OF_NO_CHAT: Final = (*_REREAD, Forgotten)
"""What is in order with its own kind only."""


def chats_of(one: Input) -> Collection[str]:
    """Return the chats of a shard that an input is about: none of what was only read for the topic of stored texts."""
    if isinstance(one, Announced):
        return () if one.announcement is None else (one.announcement.session_id,)
    if isinstance(one, Forgotten):
        return one.without_records | one.without_place
    if isinstance(one, (PassedOver, StoredRead)) or not one.session_id:
        return ()
    return (one.session_id,)


class Inbox:
    """First in, first out. `pause` is called when it fills, `resume` when it is half empty again."""

    def __init__(
        self, limit: int, pause: Callable[[], None], resume: Callable[[], None], hold_back: float = 0.0
    ) -> None:
        """`limit` in bytes, in the sense of `put`'s `size`; `hold_back` in seconds."""
        self.held: list[Input] = []  #: taken, and not settled yet
        self.held_at: list[float] = []  #: when each of them was put
        self.announces = False  #: whether an announcement was put since the last `take`, or may be left of it
        self._limit = limit
        self._pause = pause
        self._resume = resume
        self._looks_ahead = hold_back > 0
        self._held_back = HeldBack(hold_back, int(limit * _MOST_HELD_BACK))
        self._waiting: deque[tuple[Input, int, float]] = deque()
        self._lanes: dict[str, deque[tuple[Input, int, float]]] = {}  # of chats of which a part was taken, or is next
        self._bytes = 0
        self._held_bytes = 0
        self._held_since: float | None = None
        self._full = False
        self._arrived = asyncio.Event()

    def __len__(self) -> int:
        """Return the number of queued inputs that may be taken."""
        return len(self._waiting) + sum(map(len, self._lanes.values()))

    @property
    def bytes(self) -> int:
        """Bytes queued or held by the transaction in progress, those of events that wait included."""
        queued = chain(self._waiting, *self._lanes.values())
        waiting = (item.waiting.size - size for item, size, _ in queued if _in_parts(item) and item.waiting is not None)
        return self._bytes + self._held_bytes + sum(more for more in waiting if more > 0)

    @property
    def uncommitted(self) -> int:
        """Number of inputs queued, held back or held by the transaction in progress."""
        return len(self) + len(self._held_back) + len(self.held)

    @property
    def updates(self) -> int:
        """Number of those that came from the source: others are on Kafka, or where they were read."""
        held = sum(not isinstance(item, _REREAD) for item in self.held)
        behind = sum(map(len, self._lanes.values())) + len(self._held_back)
        return held + behind + sum(not isinstance(item, _REREAD) for item, _, _ in self._waiting)

    @property
    def in_parts(self) -> bool:
        """Whether an update is being taken in parts: the next transaction will be large."""
        return bool(self._lanes)

    @property
    def paused(self) -> bool:
        """Whether reading is paused."""
        return self._full

    def age(self, now: float) -> float:
        """Return the seconds since the oldest uncommitted input was put, by monotonic time; 0.0 when there is none."""
        return max(self.age_of_taken(now), now - self._held_back.since)

    def age_of_taken(self, now: float) -> float:
        """Return the seconds since the oldest input that is taken was put; of none, since that of those to be taken."""
        oldest = self._held_since if self._held_since is not None else self._oldest_queued()
        return 0.0 if oldest is None else max(now - oldest, 0.0)

    def _oldest_queued(self) -> float | None:
        queues = [self._waiting, *self._lanes.values()]
        return min((queue[0][2] for queue in queues if queue), default=None)

    def put(self, item: Input, size: int, now: float) -> None:
        """Append an input that counts as `size` bytes, at monotonic time `now`.

        Events that wait count beside it only when they are taken: whoever read them bounds them, or counts them in.
        """
        if self._looks_ahead:
            self._waiting += self._held_back.put((item, size, now))
        else:
            self._waiting.append((item, size, now))
        self._bytes += size
        self.announces |= isinstance(item, Announced)
        self._arrived.set()
        if not self._full and self._bytes + self._held_bytes >= self._limit:
            self._full = True
            self._pause()

    async def arrival(self) -> None:
        """Wait until something was put that it did not have, or for `wake`; not at all if something may be taken."""
        if not len(self):
            self._arrived.clear()
            await self._arrived.wait()

    def wake(self) -> None:
        """End a wait in `arrival` although the inbox is empty."""
        self._arrived.set()

    def release_due(self, now: float) -> None:
        """Let through what was held back long enough."""
        self._waiting += self._held_back.due(now)

    def release(self) -> None:
        """Let through all that is held back, and hold nothing back from now on."""
        self._waiting += self._held_back.release()

    def rest(self, now: float) -> float:
        """Return the seconds until something is due that is held back, or less; infinite if nothing is."""
        return self._held_back.rest(now)

    def behind(self, inputs: Iterable[Input]) -> list[Input] | None:
        """Return what is queued or held back for the chats of inputs that were taken; None: nothing ever waits."""
        if not self._looks_ahead:
            return None
        chats = {one.session_id for one in inputs if isinstance(one, TranscriptUpdate)}
        queued = (one for one, _, _ in self._waiting if isinstance(one, TranscriptUpdate) and one.session_id in chats)
        return [*queued, *self._held_back.waiting(chats)]

    def take(self, most_bytes: int) -> list[Input]:
        """Remove inputs in order, up to `most_bytes` (but at least one if there is one); they are held now."""
        self._held_since = self._oldest_queued()
        self.held, self.held_at = [], []
        held = self._take_from_lanes(0, most_bytes // 2 if self._waiting else most_bytes)
        while self._waiting and (not self.held or held + self._waiting[0][1] <= most_bytes):
            one = item, size, at = self._waiting[0]
            if isinstance(item, Announced) and self._revives(item):
                break
            self._waiting.popleft()
            session_id = (
                item.session_id if isinstance(item, TranscriptUpdate) or not isinstance(item, _OF_NO_CHAT) else None
            )
            if session_id is not None and (session_id in self._lanes or _in_parts(item)):
                self._lanes.setdefault(session_id, deque()).append(one)
                continue
            self.held.append(item)
            self.held_at.append(at)
            held += size
            self._bytes -= size
        self._held_bytes += self._take_from_lanes(held, most_bytes)
        self.announces = bool(self._waiting)  # that may be announcements, and is enough for a transaction anyhow
        return self.held

    def _revives(self, item: Announced) -> bool:
        """Tell whether it announces a chat that is given up only by what its lane holds: it counts after that."""
        told = item.announcement
        lane = () if told is None else self._lanes.get(told.session_id, ())
        return any(isinstance(one, JoinRefused) and one.ends_chat for one, _, _ in lane)

    def _take_from_lanes(self, held: int, most_bytes: int) -> int:
        """Take parts, and what is behind the last ones, of each chat in turn, and add what they count as to `held`."""
        while self._lanes and held < most_bytes:
            session_id, lane = next(iter(self._lanes.items()))
            item, size, at = lane[0]
            taken = item
            if _in_parts(item):
                taken, of_part = item.take_part()
                held += memory_of(of_part)
            else:
                held += size
            if not isinstance(taken, TranscriptUpdate) or taken.part.last:
                lane.popleft()
                self._bytes -= size
            self.held.append(taken)
            self.held_at.append(at)
            del self._lanes[session_id]
            if lane:
                self._lanes[session_id] = lane  # after all others
        return held

    def drop_reread(self) -> None:
        """Forget what is queued and did not come from the source: whoever has the shard next reads it again."""
        kept = [one for one in self._waiting if not isinstance(one[0], _REREAD)]
        self._bytes -= sum(size for _, size, _ in self._waiting) - sum(size for _, size, _ in kept)
        self._waiting = deque(kept)

    def overtaken(self, announcements: int) -> list[str]:
        """Forget what counts no more, since another worker has had the shard; return the chats whose end is forgotten.

        That worker followed the chats that were given up here, and has folded the announcements below this offset.
        Stored transcripts, and requests to erase, are read from where that one has left off.
        """

        def counts(item: Input) -> bool:
            if isinstance(item, Announced):
                return item.offset >= announcements
            if isinstance(item, PassedOver):
                return item.offset > announcements
            return not isinstance(item, _STORED) and not (isinstance(item, JoinRefused) and item.ends_chat)

        ends: list[str] = []
        for queue in (self._waiting, *self._lanes.values()):
            gone = [one for one in queue if not counts(one[0])]
            if gone:
                kept = [one for one in queue if counts(one[0])]
                queue.clear()
                queue.extend(kept)
            self._bytes -= sum(size for _, size, _ in gone)
            ends += [item.session_id for item, _, _ in gone if isinstance(item, JoinRefused)]
        self._lanes = {session_id: lane for session_id, lane in self._lanes.items() if lane}
        ends += [item.session_id for item in self.held if isinstance(item, JoinRefused) and not counts(item)]
        held = [(item, at) for item, at in zip(self.held, self.held_at, strict=True) if counts(item)]
        self.held, self.held_at = [item for item, _ in held], [at for _, at in held]
        if not held:
            self.settle()
        return ends

    def settle(self) -> None:
        """Release the inputs taken, which are now committed."""
        self.held, self.held_at = [], []
        self._held_bytes = 0
        self._held_since = None
        if self._full and self._bytes <= self._limit * _LOW_WATER:
            self._full = False
            self._resume()


def _in_parts(item: Input) -> TypeGuard[TranscriptUpdate]:
    return isinstance(item, TranscriptUpdate) and item.waiting is not None
