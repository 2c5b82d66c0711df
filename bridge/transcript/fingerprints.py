"""A few bytes per delivered event that tell a duplicate from an amendment, and a masked text from a changed one.

Layout of a fingerprint: flags (1), frame hash (4), [userData hash (4)], [eventAttributes hash (4)], [hash of newer
attributes (4)], and for an event with a text [text hash (4), text length (2), word count (1), one byte per word]. The
hashes are separate because a rejoin at another ClientVersion carries less or more of an event: only what both versions
carry is compared (`fields.FingerprintGroup`). The word bytes recognise a text in which the server has only replaced
characters by `*` (D12) without keeping the text; from 17 words on, neighbouring words share a byte. Size matters: all
fingerprints of a chat are stored in each of its checkpoints.

The layout is stored in checkpoints. A change of it makes every replay after an upgrade look amended.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, Final
from zlib import crc32

import msgspec

from bridge.transcript.events import NOTICE
from bridge.transcript.fields import EVENT_FIELDS, EventField, FingerprintGroup

if TYPE_CHECKING:
    from bridge.transcript.events import ChatEvent
    from bridge.transcript.ranges import IdRanges

MASK: Final = b"*"
MAX_BYTES: Final = 256 * 1024
"""Limit for the fingerprints of one chat, some 10,000 events; a longer history does not fit into a frame anyway."""
_MAX_GROUPS: Final = 16
_MAX_LENGTH: Final = 0xFFFF
_CARRIES_USER_DATA: Final = 1
_CARRIES_ATTRIBUTES: Final = 2
_HAS_USER_DATA: Final = 4
_HAS_ATTRIBUTES: Final = 8
_HAS_TEXT: Final = 16
_CARRIES_NEWER: Final = 32
_HAS_NEWER: Final = 64
_CARRIES: Final = {
    FingerprintGroup.USER_DATA: _CARRIES_USER_DATA,
    FingerprintGroup.EVENT_ATTRIBUTES: _CARRIES_ATTRIBUTES,
    FingerprintGroup.NEWER: _CARRIES_NEWER,
}
_HAS: Final = (_HAS_USER_DATA, _HAS_ATTRIBUTES, _HAS_NEWER)
_PART: Final = 4
_SKETCH: Final = 2 + 1
_HASHES_END: Final = tuple(1 + _PART + _PART * sum(bool(flags & has) for has in _HAS) for flags in range(256))
"""By flags: where the hashes that every event may have end."""
_encode = msgspec.msgpack.Encoder().encode


@dataclass(slots=True, frozen=True)
class CarriedGroups:
    """What of an event a source sends at one protocol version.

    `flags` are flags of a fingerprint, `flags_on_notices` those of an event of type notice. `newer` are the names of
    unknown attributes that are compared apart from the others.
    """

    flags: int
    flags_on_notices: int
    newer: frozenset[str]


@lru_cache(maxsize=64)
def carried_groups(version: int | None, fields: tuple[EventField, ...] = EVENT_FIELDS) -> CarriedGroups:
    """Return what a client of ClientVersion `version` is sent; None stands for a source that withholds nothing."""
    return CarriedGroups(
        _carried_flags(version, fields, notice=False),
        _carried_flags(version, fields, notice=True),
        frozenset(field.json for field in fields if field.group is FingerprintGroup.NEWER),
    )


def _carried_flags(version: int | None, fields: tuple[EventField, ...], *, notice: bool) -> int:
    flags = 0
    for group, flag in _CARRIES.items():
        carried = [field.is_carried(version, notice=notice) for field in fields if field.group is group]
        if carried and all(carried):
            flags |= flag
    return flags


class Comparison(Enum):
    """How an event compares with the one that was delivered under its id."""

    SAME = "same"
    MASKED = "masked"
    DIFFERENT = "different"


def _text_of(event: ChatEvent) -> str:
    if event.message_text is not None:
        return event.message_text.text
    return event.notice_text.text if event.notice_text is not None else ""


def fingerprint(event: ChatEvent, carried: CarriedGroups) -> bytes:
    """Return the fingerprint of an event that was received from a source that sends `carried`."""
    message, notice = event.message_text, event.notice_text
    text = _text_of(event).encode("utf-8", "surrogatepass")
    unknown, newer = event.unknown_attributes, None
    if unknown and carried.newer:
        newer = sorted((name, value) for name, value in unknown.items() if name in carried.newer)
        unknown = {name: value for name, value in unknown.items() if name not in carried.newer}
    frame = _encode(
        (
            event.event_type,
            event.user_id,
            event.time_shift,
            event.visibility,
            event.receiver_id,
            event.asker_id,
            event.reason,
            event.user_info,
            None if message is None else (message.message_type, message.treat_as),
            None if notice is None else (notice.notice_type, notice.text if message is not None else None),
            unknown or None,
        )
    )
    flags = carried.flags_on_notices if event.event_type == NOTICE else carried.flags
    parts = [b"", _hash(frame)]
    if event.user_data:
        flags |= _HAS_USER_DATA
        parts.append(_hash(_encode(event.user_data)))
    if event.event_attributes:
        flags |= _HAS_ATTRIBUTES
        parts.append(_hash(_encode(event.event_attributes)))
    if newer:
        flags |= _HAS_NEWER
        parts.append(_hash(_encode(newer)))
    if text:
        flags |= _HAS_TEXT
        groups = _groups(text)
        parts += (
            _hash(text),
            min(len(text), _MAX_LENGTH).to_bytes(2, "big"),
            bytes((len(groups),)),
            bytes([crc32(group) & 0xFF for group in groups]),
        )
    parts[0] = bytes((flags,))
    return b"".join(parts)


def _hash(data: bytes) -> bytes:
    return blake2b(data, digest_size=_PART).digest()


def _groups(text: bytes) -> list[bytes]:
    """Split a text into its words; into equally large groups of words when there are many."""
    words = text.split(b" ")
    if len(words) <= _MAX_GROUPS:
        return words
    size = -(-len(words) // _MAX_GROUPS)
    return [b" ".join(words[at : at + size]) for at in range(0, len(words), size)]


def _length(data: bytes | bytearray, at: int) -> int:
    """Return the length of the fingerprint that starts at `at`."""
    flags = data[at]
    length = _HASHES_END[flags]
    if not flags & _HAS_TEXT:
        return length
    return length + _PART + _SKETCH + data[at + length + _PART + _SKETCH - 1]


def _parts(stored: bytes) -> tuple[list[bytes], bytes, bytes]:
    """Return the hashes of the groups in the order of _CARRIES, that of the text, then length and words.

    Empty where the event had nothing.
    """
    flags, at = stored[0], 1 + _PART
    hashes: list[bytes] = []
    for has in _HAS:
        end = at + _PART if flags & has else at
        hashes.append(stored[at:end])
        at = end
    return hashes, stored[at : at + _PART], stored[at + _PART :]


def compare(delivered: bytes, event: ChatEvent, carried: CarriedGroups) -> Comparison:
    """Compare an event from a source that sends `carried` with the fingerprint of the one delivered under its id."""
    now = fingerprint(event, carried)
    if now == delivered:
        return Comparison.SAME
    both = now[0] & delivered[0]
    old_hashes, old_text, old_sketch = _parts(delivered)
    new_hashes, new_text, new_sketch = _parts(now)
    if now[1 : 1 + _PART] != delivered[1 : 1 + _PART]:
        return Comparison.DIFFERENT
    for carries, old, new in zip(_CARRIES.values(), old_hashes, new_hashes, strict=True):
        if both & carries and old != new:
            return Comparison.DIFFERENT
    if old_text == new_text:
        return Comparison.SAME
    return Comparison.MASKED if _only_masked(old_sketch, new_sketch, event) else Comparison.DIFFERENT


def _only_masked(old: bytes, new: bytes, event: ChatEvent) -> bool:
    if not old or old[:_SKETCH] != new[:_SKETCH]:
        return False
    masked = [MASK in group for group in _groups(_text_of(event).encode("utf-8", "surrogatepass"))]
    return any(masked) and all(
        hidden or before == after for hidden, before, after in zip(masked, old[_SKETCH:], new[_SKETCH:], strict=True)
    )


class Fingerprints:
    """The fingerprints of the delivered events of a chat, packed in the order of their ids.

    Belongs to the IdRanges of the delivered ids: the last fingerprint is that of the highest id, and so on downwards.
    Never holds more than `limit` bytes: beyond it the fingerprints of the lowest ids are dropped.
    """

    __slots__ = ("_cursor", "_data", "_dropped", "_limit")

    def __init__(self, packed: bytes = b"", ids: int | None = None, limit: int = MAX_BYTES) -> None:
        """Start from what `packed` returned; `ids` is the number of ids that had been delivered by then."""
        self._data = bytearray(packed)
        self._limit = limit
        self._dropped = 0 if ids is None else max(ids - self._count(), 0)
        self._cursor = (0, 0)  # (fingerprints, bytes) before the place of the last insertion

    def packed(self) -> bytes:
        """Return all fingerprints, one after the other."""
        return bytes(self._data)

    def append(self, new: bytes) -> None:
        """Add the fingerprint of an id above all others."""
        self._data += new
        self._shorten()

    def _count(self) -> int:
        at = count = 0
        while at < len(self._data):
            at += _length(self._data, at)
            count += 1
        return count

    def _shorten(self) -> None:
        if len(self._data) <= self._limit:
            return
        at = 0
        while len(self._data) - at > self._limit - self._limit // 8:  # an eighth more than necessary: seldom
            at += _length(self._data, at)
            self._dropped += 1
        del self._data[:at]
        self._cursor = (0, 0)

    def _offset(self, place: int) -> int:
        """Return where fingerprint number `place` begins, counting from the last insertion if that lies before it."""
        done, at = self._cursor if self._cursor[0] <= place else (0, 0)
        for _ in range(place - done):
            at += _length(self._data, at)
        return at

    def insert(self, rank: int, new: bytes) -> None:
        """Add the fingerprint of an id that has `rank` ids below it."""
        place = rank - self._dropped
        if place < 0:  # it would be among those that were dropped
            self._dropped += 1
            return
        at = self._offset(place)
        self._data[at:at] = new
        self._cursor = (place + 1, at + len(new))
        self._shorten()

    def replace(self, rank: int, new: bytes) -> None:
        """Replace the fingerprint of an amended event; only for one that is in `by_id`."""
        place = rank - self._dropped
        at = self._offset(place)
        self._data[at : at + _length(self._data, at)] = new
        self._cursor = (place, at)
        self._shorten()

    def by_id(self, ids: IdRanges) -> dict[int, bytes]:
        """Return the fingerprints by id; those of the lowest ids may have been dropped."""
        found: dict[int, bytes] = {}
        at = 0
        for event_id in islice(ids, self._dropped, None):
            length = _length(self._data, at)
            found[event_id] = bytes(self._data[at : at + length])
            at += length
        return found
