"""A few bytes per delivered event that tell a duplicate from an amendment, and a masked text from a changed one.

One print is: flags (1), frame hash (4), [userData hash (4)], [eventAttributes hash (4)], and for an event with a text
[text hash (4), text length (2), word count (1), one byte per word]. The parts are separate because a rejoin at
another ClientVersion carries less or more of an event: only what both versions carry is compared. The word bytes let a
text that only had characters replaced by `*` (the server's masking, D12) be recognised without keeping the text; from
17 words on neighbours share a byte. Small matters: all prints of a chat are in each of its checkpoints.

The layout is stored in checkpoints. A change of it makes every replay after an upgrade look amended.
"""

from __future__ import annotations

from enum import Enum
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, Final
from zlib import crc32

import msgspec

from bridge.chatserver.versions import carries_event_attributes, carries_user_data

if TYPE_CHECKING:
    from bridge.transcript.events import ChatEvent
    from bridge.transcript.ranges import IdRanges

MASK: Final = b"*"
MAX_BYTES: Final = 256 * 1024
"""Of one chat's prints, some 10,000 events; a history of more does not fit into a frame of the default size."""
_MAX_GROUPS: Final = 16
_MAX_LENGTH: Final = 0xFFFF
_CARRIES_USER_DATA: Final = 1
_CARRIES_ATTRIBUTES: Final = 2
_HAS_USER_DATA: Final = 4
_HAS_ATTRIBUTES: Final = 8
_HAS_TEXT: Final = 16
_PART: Final = 4
_SKETCH: Final = 2 + 1
_encode = msgspec.msgpack.Encoder().encode


class Comparison(Enum):
    """How an event compares with the one that was delivered under its id."""

    SAME = "same"
    MASKED = "masked"
    DIFFERENT = "different"


def _text_of(event: ChatEvent) -> str:
    if event.message_text is not None:
        return event.message_text.text
    return event.notice_text.text if event.notice_text is not None else ""


def fingerprint(event: ChatEvent, version: int) -> bytes:
    """Return the print of an event that was received at ClientVersion `version`."""
    message, notice = event.message_text, event.notice_text
    text = _text_of(event).encode("utf-8", "surrogatepass")
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
            event.unknown_attributes or None,
        )
    )
    flags = _CARRIES_USER_DATA if carries_user_data(event.event_type, version) else 0
    if carries_event_attributes(version):
        flags |= _CARRIES_ATTRIBUTES
    parts = [b"", _hash(frame)]
    if event.user_data:
        flags |= _HAS_USER_DATA
        parts.append(_hash(_encode(event.user_data)))
    if event.event_attributes:
        flags |= _HAS_ATTRIBUTES
        parts.append(_hash(_encode(event.event_attributes)))
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
    """Return the length of the print that starts at `at`."""
    flags = data[at]
    head = 1 + _PART + (_PART if flags & _HAS_USER_DATA else 0) + (_PART if flags & _HAS_ATTRIBUTES else 0)
    if not flags & _HAS_TEXT:
        return head
    return head + _PART + _SKETCH + data[at + head + _PART + _SKETCH - 1]


def _parts(taken: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """Return the hashes of userData, eventAttributes and text, and length + words; empty where there was nothing."""
    flags, at = taken[0], 1 + _PART
    user_data = attributes = b""
    if flags & _HAS_USER_DATA:
        user_data, at = taken[at : at + _PART], at + _PART
    if flags & _HAS_ATTRIBUTES:
        attributes, at = taken[at : at + _PART], at + _PART
    return user_data, attributes, taken[at : at + _PART], taken[at + _PART :]


def compare(delivered: bytes, event: ChatEvent, version: int) -> Comparison:
    """Compare an event received at `version` with the print of the one that was delivered under its id."""
    now = fingerprint(event, version)
    if now == delivered:
        return Comparison.SAME
    both = now[0] & delivered[0]
    old_data, old_attributes, old_text, old_sketch = _parts(delivered)
    new_data, new_attributes, new_text, new_sketch = _parts(now)
    if now[1 : 1 + _PART] != delivered[1 : 1 + _PART]:
        return Comparison.DIFFERENT
    if both & _CARRIES_USER_DATA and old_data != new_data:
        return Comparison.DIFFERENT
    if both & _CARRIES_ATTRIBUTES and old_attributes != new_attributes:
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
    """The prints of the delivered events of a chat, packed in the order of their ids.

    Goes together with the IdRanges of the delivered ids: the last print belongs to the highest id, and so on downwards.
    Never holds more than `limit` bytes: beyond it the prints of the lowest ids are forgotten.
    """

    __slots__ = ("_data", "_forgotten", "_limit", "_mark")

    def __init__(self, packed: bytes = b"", ids: int | None = None, limit: int = MAX_BYTES) -> None:
        """Take what `packed` returned before; `ids` is the number of ids delivered by then."""
        self._data = bytearray(packed)
        self._limit = limit
        self._forgotten = 0 if ids is None else max(ids - self._count(), 0)
        self._mark = (0, 0)  # (number of prints, bytes) from the front up to where something was last put in

    def packed(self) -> bytes:
        """Return all prints as one string of bytes."""
        return bytes(self._data)

    def append(self, taken: bytes) -> None:
        """Add the print of an id above all others."""
        self._data += taken
        self._forget()

    def _count(self) -> int:
        at = count = 0
        while at < len(self._data):
            at += _length(self._data, at)
            count += 1
        return count

    def _forget(self) -> None:
        if len(self._data) <= self._limit:
            return
        at = 0
        while len(self._data) - at > self._limit - self._limit // 8:  # more than must be: not again for a while
            at += _length(self._data, at)
            self._forgotten += 1
        del self._data[:at]
        self._mark = (0, 0)

    def _offset(self, place: int) -> int:
        """Return where the print number `place` begins; counts on from where something was last put in."""
        done, at = self._mark if self._mark[0] <= place else (0, 0)
        for _ in range(place - done):
            at += _length(self._data, at)
        return at

    def insert(self, rank: int, taken: bytes) -> None:
        """Add the print of an id that has `rank` ids below it."""
        place = rank - self._forgotten
        if place < 0:  # it would be among those that are forgotten
            self._forgotten += 1
            return
        at = self._offset(place)
        self._data[at:at] = taken
        self._mark = (place + 1, at + len(taken))
        self._forget()

    def replace(self, rank: int, taken: bytes) -> None:
        """Put an amended event's print in the place of the former one, which must not be forgotten."""
        place = rank - self._forgotten
        at = self._offset(place)
        self._data[at : at + _length(self._data, at)] = taken
        self._mark = (place, at)
        self._forget()

    def by_id(self, ids: IdRanges) -> dict[int, bytes]:
        """Unpack: id -> print, of the ids whose print is not forgotten."""
        found: dict[int, bytes] = {}
        at = 0
        for event_id in islice(ids, self._forgotten, None):
            length = _length(self._data, at)
            found[event_id] = bytes(self._data[at : at + length])
            at += length
        return found
