"""How an event compares with the fingerprint of the one that was delivered under its id.

A stored event may lack what the live one has, and have substitutes for characters that could not be stored. Neither is
a change. What a fingerprint says of its frame is one hash, so what a stored event lacks is found by trying the values
that it may have had.
"""

from __future__ import annotations

from enum import Enum
from itertools import product
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

from bridge.transcript.bounds import LOST
from bridge.transcript.events import SYSTEM
from bridge.transcript.fingerprints import (
    BLANK,
    HASHES,
    HASHES_END,
    MASK,
    NOT_COMPARED,
    PART,
    SKETCH,
    STATES_OF,
    WEIGHTS,
    fingerprint,
    frame_of,
    hash_of_frame,
    parts_of,
    text_of,
    words_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.transcript.events import ChatEvent
    from bridge.transcript.fingerprints import CarriedGroups

_FRAME: Final = 1 + PART
"""Where the hash of the frame begins."""
_UNKNOWN: Final = 3
"""The place of the group of unknown attributes, which a stored transcript never compares."""
_VERSIONS: Final = (None, *range(256))
"""The values of clientVersion that are tried: 0 and 101 to 112 were seen (R1, R5 OBS)."""
_TREATMENTS: Final = (None, "NORMAL", SYSTEM)
"""Those of treatAs (R1-R3 OBS; D13 DOC)."""
_LOST: Final = LOST.encode()


class Comparison(Enum):
    """How an event compares with the one that was delivered under its id."""

    SAME = "same"
    MASKED = "masked"
    DIFFERENT = "different"
    ANOTHER = "another event"


class Sight(NamedTuple):
    """How an event compares with the one under its id. `kept` is the fingerprint to keep from now on, None: the old."""

    result: Comparison
    kept: bytes | None = None


_UNCHANGED: Final = Sight(Comparison.SAME)


def compare(delivered: bytes, event: ChatEvent, carried: CarriedGroups) -> Sight:
    """Compare an event from a source that sends `carried` with the fingerprint of the one delivered under its id."""
    now = fingerprint(event, carried)
    if now == delivered:
        return _UNCHANGED
    if delivered == BLANK:
        return Sight(Comparison.SAME, now)
    damaged = carried.stored and LOST in repr(event)
    if now[1:_FRAME] != delivered[1:_FRAME]:
        return _UNCHANGED if damaged and LOST in event.event_type + event.user_id else Sight(Comparison.ANOTHER, now)
    if damaged:
        now = _without_damaged(now, event)
    frame = _same_frame(delivered, now[_FRAME:HASHES], event, stored=carried.stored)
    if frame is not None:
        now = now[:_FRAME] + frame + now[HASHES:]
    old_hashes, old_text, old_sketch = parts_of(delivered)
    new_hashes, new_text, new_sketch = parts_of(now)
    different = frame is None or any(
        before and after and old != new
        for before, after, old, new in zip(
            STATES_OF[delivered[0]], STATES_OF[now[0]], old_hashes, new_hashes, strict=True
        )
    )
    words = Comparison.SAME
    if old_text != new_text:
        words = _words(old_sketch, new_sketch, event, damaged=damaged)
    if different or words is Comparison.DIFFERENT:
        return Sight(Comparison.DIFFERENT, _merged(now, delivered, new_text + new_sketch))
    # The text stays as it was first seen: a mask would hide what changes beside it.
    kept = _merged(now, delivered, old_text + old_sketch)
    return Sight(words, None if kept == delivered else kept)


def _same_frame(delivered: bytes, now: bytes, event: ChatEvent, *, stored: bool) -> bytes | None:
    """Return the hash of the frame to keep, the fuller one; None if it has changed."""
    before = delivered[_FRAME:HASHES]
    if now == before:
        return now
    if stored:
        hidden = _LOST in frame_of(event)
        return before if hidden or any(hash_of_frame(frame_of(one)) == before for one in _completed(event)) else None
    if STATES_OF[delivered[0]][_UNKNOWN] != NOT_COMPARED:  # it came from a live source
        return None
    return now if any(hash_of_frame(frame_of(one)) == before for one in _reduced(event)) else None


def _completed(event: ChatEvent) -> Iterator[ChatEvent]:
    """Yield what a stored event without clientVersion or treatAs may have been (R1-R3 OBS: an older server)."""
    info, message = event.user_info, event.message_text
    infos = [info]
    if info is not None and info.client_version is None:
        infos = [replace(info, client_version=version) for version in _VERSIONS]
    messages = [message]
    if message is not None and message.treat_as is None:
        messages = [replace(message, treat_as=treatment) for treatment in _TREATMENTS]
    for one, other in product(infos, messages):
        yield replace(event, user_info=one, message_text=other)


def _reduced(event: ChatEvent) -> Iterator[ChatEvent]:
    """Yield the forms in which an older server may have stored a live event."""
    info, message = event.user_info, event.message_text
    infos = [info]
    if info is not None:
        infos.append(replace(info, client_version=None))
    messages = [message]
    if message is not None:
        messages.append(replace(message, treat_as=None))
    for one, other in product(infos, messages):
        yield replace(event, user_info=one, message_text=other)


def _without_damaged(now: bytes, event: ChatEvent) -> bytes:
    """Return the fingerprint of a stored event without the collections in which characters were replaced."""
    shape, hashes = now[0], parts_of(now)[0]
    for place, items in enumerate((event.user_data, event.event_attributes)):
        if LOST in repr(items):
            shape -= STATES_OF[now[0]][place] * WEIGHTS[place]
            hashes[place] = b""
    return bytes((shape,)) + now[1:HASHES] + b"".join(hashes) + now[HASHES_END[now[0]] :]


def _merged(now: bytes, delivered: bytes, text: bytes) -> bytes:
    """Return the fingerprint of what is known of an event: as it is now, and as before in what is not carried now."""
    shape = now[0]
    hashes: list[bytes] = []
    states = zip(WEIGHTS, STATES_OF[now[0]], STATES_OF[delivered[0]], strict=True)
    for (weight, after, before), new, old in zip(states, parts_of(now)[0], parts_of(delivered)[0], strict=True):
        only_before = before and not after
        shape += before * weight if only_before else 0
        hashes.append(old if only_before else new)
    return bytes((shape,)) + now[1:HASHES] + b"".join(hashes) + text


def _words(old: bytes, new: bytes, event: ChatEvent, *, damaged: bool) -> Comparison:
    """Compare texts with other hashes, word by word: MASKED or SAME if what hides a word is all that has changed.

    A mask is as long as what it hides (D12); what a substitute stands for may have been longer or shorter.
    """
    at = SKETCH - 1 if damaged else 0
    if not old or old[at:SKETCH] != new[at:SKETCH]:
        return Comparison.DIFFERENT
    words = words_of(text_of(event).encode("utf-8", "surrogatepass"))
    if not any(MASK in word or (damaged and _LOST in word) for word in words):
        return Comparison.DIFFERENT
    result = Comparison.SAME if damaged else Comparison.MASKED
    for word, before, after in zip(words, old[SKETCH:], new[SKETCH:], strict=True):
        if before == after or (damaged and _LOST in word):
            continue
        if MASK not in word:
            return Comparison.DIFFERENT
        result = Comparison.MASKED
    return result
