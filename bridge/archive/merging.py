"""Several copies of one chat become what a fold takes: nothing twice, nothing lost, changes in their order.

A chat that is saved again and again grows, so the copy with fewer ids is the older one. Where sound texts of one event
differ, the older one is the event and the others amend it; that of the fullest copy comes last. A text that was
repaired with U+FFFD says nothing about a change: it gives way to one without.
"""

from __future__ import annotations

from bisect import bisect_left
from operator import attrgetter
from typing import TYPE_CHECKING, Final

import msgspec

from bridge.archive.stored_documents import loss
from bridge.transcript.bounds import LOST
from bridge.transcript.entries import UCS
from bridge.transcript.ranges import IdRanges
from bridge.transcript.updates import TranscriptUpdate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.archive.stored_documents import StoredDocument
    from bridge.transcript.entries import Gap
    from bridge.transcript.events import ChatEvent

_event_id: Final = attrgetter("event_id")
_NO_END: Final = 2**63


def merged(copies: Sequence[StoredDocument], observed_at: int, version: int | None) -> list[TranscriptUpdate | Gap]:
    """Return what tells a chat of which these copies are stored (at least one), in the order in which it is folded.

    The first is a snapshot, the others are increments, the last of them is `over`; each loss stands before the event
    that follows it. `observed_at` in us since 1970 UTC; `version` is the protocol version that the copies agree with,
    None if that does not matter.
    """
    by_age = sorted(copies, key=_fullness)
    newest = by_age[-1].transcript
    start_at = newest.start_at or next((copy.transcript.start_at for copy in by_age if copy.transcript.start_at), "")
    events = _versions(by_age) if len(by_age) > 1 else sorted(newest.chat_event_list, key=_event_id)
    told: list[TranscriptUpdate | Gap] = []

    def tell(some: list[ChatEvent], *, over: bool) -> None:
        transcript = msgspec.structs.replace(newest, start_at=start_at, chat_event_list=some)
        told.append(
            TranscriptUpdate(transcript, over, snapshot=not told, version=version, observed_at=observed_at, source=UCS)
        )

    losses = open_losses(copies)
    begun = 0
    for gap in losses:
        low = gap.from_event_id
        if low is None or gap.to_event_id is None:
            continue
        before = bisect_left(events, low, begun, key=_event_id)
        tell(events[begun:before], over=False)
        told.append(gap)
        begun = before
    tell(events[begun:], over=True)
    return [*told, *(gap for gap in losses if gap.to_event_id is None)]


def _fullness(copy: StoredDocument) -> tuple[int, int]:
    return len({event.event_id for event in copy.transcript.chat_event_list}), -len(copy.losses)


def _versions(by_age: Sequence[StoredDocument]) -> list[ChatEvent]:
    """Return each event as often as there are sound contents of it, oldest first; rising ids."""
    versions: dict[int, list[ChatEvent]] = {}
    for copy in by_age:
        for event in copy.transcript.chat_event_list:
            known = versions.setdefault(event.event_id, [])
            if event in known:
                known.remove(event)  # the order is that of the last time
            known.append(event)
    return [event for event_id in sorted(versions) for event in _sound(versions[event_id])]


def _sound(contents: list[ChatEvent]) -> list[ChatEvent]:
    """Return those without repaired characters; if there is none, the last."""
    if len(contents) == 1:
        return contents
    return [event for event in contents if LOST not in repr(event)] or contents[-1:]


def open_losses(copies: Sequence[StoredDocument]) -> list[Gap]:
    """Return what the damage of all copies together has cost: losses of one that no other copy makes good.

    A copy makes good the ids that it holds and, where it has lost nothing itself, all up to its highest id: what it
    does not hold there was never stored. Those with known ids come first, by id.
    """
    reach = [max((event.event_id for event in copy.transcript.chat_event_list), default=-1) for copy in copies]
    held = IdRanges((event.event_id,) * 2 for copy in copies for event in copy.transcript.chat_event_list)
    bounded = IdRanges()
    from_here: int | None = None
    somewhere = False
    for at, copy in enumerate(copies):
        for gap in copy.losses:
            low = gap.from_event_id
            high = _NO_END if gap.to_event_id is None else gap.to_event_id
            needed = max(reach[at], 0) if low is None else gap.to_event_id or low
            others = (other for place, other in enumerate(copies) if place != at and reach[place] >= needed)
            if any(_has_lost_nothing(other, low or 0, high) for other in others):
                continue
            if low is None:
                somewhere = True
            elif gap.to_event_id is None:
                from_here = low if from_here is None else min(low, from_here)
            else:
                for missing in held.missing_between(low, high):
                    bounded.add_range(*missing)
    found = [loss(low, high) for low, high in bounded.pairs() if from_here is None or low < from_here]
    if from_here is not None:
        found.append(loss(max(from_here, (held.maximum or 0) + 1), None))
    if somewhere:
        found.append(loss(None, None))
    return found


def _has_lost_nothing(copy: StoredDocument, low: int, high: int) -> bool:
    """Tell whether a copy has no loss from `low` to `high`."""
    for gap in copy.losses:
        last = _NO_END if gap.to_event_id is None else gap.to_event_id
        if gap.from_event_id is None or (gap.from_event_id <= high and last >= low):
            return False
    return True
