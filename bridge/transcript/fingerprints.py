"""A few bytes per delivered event that tell a duplicate from an amendment, and a masked text from a changed one.

Layout of a fingerprint: shape (1), identity (4), frame hash (4), [userData hash (4)], [eventAttributes hash (4)], [hash
of newer attributes (4)], [hash of unknown attributes (4)], and for an event with a text [text hash (4), text length in
characters (2), word count (1), one byte per word]. The shape says of each group of attributes whether it is compared at
all and whether the event has some, and whether it has a text. The identity is a checksum of type, author and second:
those of an event never change, so other ones under a used id are another event. The hashes are separate because a
rejoin at another ClientVersion carries less or more of an event: only what both versions carry is compared
(`fields.FingerprintGroup`). The word bytes recognise a text in which the server has only replaced characters by `*`
(D12) without keeping the text; from 17 words on, neighbouring words share a byte. Size matters: those of
the latest events of a chat are stored with every transaction.

A checkpoint names the layout of its fingerprints (`PrintLayout`). Those of another version of the layout say nothing:
each event is taken for what was delivered under its id, until its new fingerprint replaces the BLANK. Those of another
field table say nothing of newer and unknown attributes: what one of the two versions knows is unknown to the other. A
change of the form, or of what the frame holds, is a new VERSION; `tests/transcript/test_print_layouts.py` says when.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from zlib import crc32

import msgspec

from bridge.transcript.events import NOTICE, Item
from bridge.transcript.fields import EVENT_FIELDS, EventField, FingerprintGroup

if TYPE_CHECKING:
    from bridge.transcript.events import ChatEvent, Items

MASK: Final = b"*"
_MAX_GROUPS: Final = 16
_MAX_LENGTH: Final = 0xFFFF
VERSION: Final = 1
"""Of the layout above."""
BLANK: Final = b"\xff"
"""The fingerprint of an event of which nothing is known but that it was delivered."""
_GROUPS: Final = (
    FingerprintGroup.USER_DATA,
    FingerprintGroup.EVENT_ATTRIBUTES,
    FingerprintGroup.NEWER,
    FingerprintGroup.UNKNOWN,
)
_BY_TABLE: Final = 2
"""Where in _GROUPS those begin whose content depends on the field table."""
NOT_COMPARED, _NONE, _SOME = range(3)
_STATES: Final = 3
_HAS_TEXT: Final = 1
WEIGHTS: Final = tuple(2 * _STATES**place for place in range(len(_GROUPS)))
_USER_DATA, _EVENT_ATTRIBUTES, _NEWER, _UNKNOWN = WEIGHTS
"""A shape is the sum of state times weight of the groups, plus _HAS_TEXT."""
STATES_OF: Final = tuple(
    tuple(shape // weight % _STATES for weight in WEIGHTS) for shape in range(2 * _STATES ** len(_GROUPS))
)
PART: Final = 4
HASHES: Final = 1 + PART + PART
"""Where the hashes begin that not every event has: after the shape, the identity and the hash of the frame."""
SKETCH: Final = 2 + 1
_COMMON_FRAME: Final = 64
"""Longest frame in bytes whose hash is worth remembering."""
HASHES_END: Final = tuple(HASHES + PART * states.count(_SOME) for states in STATES_OF)
"""By shape: where the hashes of the groups end."""
_STRUCTURES: Final = ("{", "[")
FILE_DELETED: Final = "file-deleted"
"""Key of the user data of a stored notice of a file that was deleted later; live, another notice tells that."""
_SHAPES: Final = tuple(bytes((shape,)) for shape in range(len(STATES_OF)))
_EMPTY: Final = blake2b(digest_size=PART)
_encode = msgspec.msgpack.Encoder().encode


class PrintLayout(NamedTuple):
    """How fingerprints were made: the version of their layout, and a checksum of the field table."""

    version: int
    table: int


@lru_cache(maxsize=8)
def print_layout(fields: tuple[EventField, ...] = EVENT_FIELDS) -> PrintLayout:
    """Return the layout of the fingerprints that are made with a field table."""
    rows = sorted((field.json, field.attribute or "", field.since, field.group.name) for field in fields)
    return PrintLayout(VERSION, crc32(repr(rows).encode()))


@dataclass(slots=True, frozen=True)
class CarriedGroups:
    """What of an event a source sends at one protocol version.

    `shape` is that of a fingerprint without any of it, `shape_on_notices` that of an event of type notice. `newer` are
    the names of unknown attributes that are compared apart from the others, `newer_fields` those of fields. `stored`:
    they come from a stored transcript, which may lack a collection that the live event has.
    """

    shape: int
    shape_on_notices: int
    newer: frozenset[str]
    newer_fields: tuple[str, ...]
    stored: bool = False


@lru_cache(maxsize=64)
def carried_groups(version: int | None, fields: tuple[EventField, ...] = EVENT_FIELDS) -> CarriedGroups:
    """Return what a client of ClientVersion `version` is sent; None stands for a source that withholds nothing."""
    newer = [field for field in fields if field.group is FingerprintGroup.NEWER]
    return CarriedGroups(
        _carried_shape(version, fields, notice=False),
        _carried_shape(version, fields, notice=True),
        frozenset(field.json for field in newer if field.attribute is None),
        tuple(field.attribute for field in newer if field.attribute is not None),
    )


STORED_GROUPS: Final = CarriedGroups(
    _NONE * (_USER_DATA + _EVENT_ATTRIBUTES), _NONE * (_USER_DATA + _EVENT_ATTRIBUTES), frozenset(), (), stored=True
)
"""What a stored transcript holds of an event: nothing that is newer or unknown is compared with it."""


def _carried_shape(version: int | None, fields: tuple[EventField, ...], *, notice: bool) -> int:
    shape = 0
    for group, weight in zip(_GROUPS, WEIGHTS, strict=True):
        carried = [field.is_carried(version, notice=notice) for field in fields if field.group is group]
        if carried and all(carried):
            shape += _NONE * weight
    return shape


def text_of(event: ChatEvent) -> str:
    """Return the text of a message, else that of a notice; empty without both."""
    if event.message_text is not None:
        return event.message_text.text
    return event.notice_text.text if event.notice_text is not None else ""


def frame_of(event: ChatEvent) -> bytes:
    """Return what of an event is always compared, beside its identity and its text."""
    message, notice = event.message_text, event.notice_text
    return _encode(
        (
            event.visibility,
            event.receiver_id,
            event.asker_id,
            event.reason,
            event.user_info,
            None if message is None else (message.message_type, message.treat_as),
            None if notice is None else (notice.notice_type, notice.text if message is not None else None),
        )
    )


def hash_of_frame(frame: bytes) -> bytes:
    """Return the part of a fingerprint for what `frame_of` returned."""
    return _hash_again(frame) if len(frame) <= _COMMON_FRAME else _hash(frame)


def fingerprint(event: ChatEvent, carried: CarriedGroups) -> bytes:
    """Return the fingerprint of an event that was received from a source that sends `carried`."""
    shape = carried.shape_on_notices if event.event_type == NOTICE else carried.shape
    hashes = b""
    some = event.user_data or event.event_attributes or event.unknown_attributes
    if some or carried.newer_fields or carried.stored:
        shape, hashes = _groups_of(event, carried, shape)
    identity = crc32(f"{event.event_type}\0{event.user_id}\0{event.time_shift}".encode("utf-8", "surrogatepass"))
    frame = hash_of_frame(frame_of(event))
    words = text_of(event)
    if not words:
        return b"".join((_SHAPES[shape], identity.to_bytes(PART, "big"), frame, hashes))
    text = words.encode("utf-8", "surrogatepass")
    groups = words_of(text)
    length = min(len(words), _MAX_LENGTH)
    sketch = bytes([length >> 8, length & 0xFF, len(groups), *[crc32(group) & 0xFF for group in groups]])
    shape |= _HAS_TEXT
    return b"".join((_SHAPES[shape], identity.to_bytes(PART, "big"), frame, hashes, _hash(text), sketch))


def _groups_of(event: ChatEvent, carried: CarriedGroups, shape: int) -> tuple[int, bytes]:
    """Return the shape and the hashes of an event that may have something of the groups, given the one without."""
    states, hashes = STATES_OF[shape], b""
    user_data = _as_sent(event.user_data) if carried.stored else event.user_data
    for items, state, weight in (
        (user_data, states[0], _USER_DATA),
        (event.event_attributes, states[1], _EVENT_ATTRIBUTES),
    ):
        if items and state:
            shape += weight
            hashes += _hash(_encode(_comparable(items)))
        elif state and carried.stored:
            shape -= weight
    if event.unknown_attributes or carried.newer_fields:
        for weight, pairs in zip((_NEWER, _UNKNOWN), _sorted_out(event, carried), strict=True):
            if pairs and shape // weight % _STATES:
                shape += weight
                hashes += _hash(_encode(pairs))
    return shape, hashes


def _as_sent(user_data: Items) -> Items:
    """Return the user data of a stored event without what is added to it afterwards (R5 OBS: file-deleted)."""
    return [item for item in user_data if item.key != FILE_DELETED]


def _sorted_out(event: ChatEvent, carried: CarriedGroups) -> tuple[list[tuple[str, Any]], list[tuple[str, Any]]]:
    """Return what came after ClientVersion 106, and what is unknown; the order in the JSON object means nothing."""
    named = sorted((name, _sorted_json(value)) for name, value in event.unknown_attributes.items())
    fields = [(name, getattr(event, name)) for name in carried.newer_fields]
    newer = [pair for pair in named if pair[0] in carried.newer] + [pair for pair in fields if pair[1]]
    return newer, [pair for pair in named if pair[0] not in carried.newer]


def _hash(data: bytes) -> bytes:
    hashed = _EMPTY.copy()  # takes a third less than to begin one
    hashed.update(data)
    return hashed.digest()


_hash_again = lru_cache(maxsize=1024)(_hash)  # most frames are one of a few: a message that everybody sees, ...


def _sorted_json(value: str) -> str:
    """Return the JSON text of a structure with its members sorted; any other text as it is."""
    if not value.startswith(_STRUCTURES):
        return value
    try:
        return json.dumps(json.loads(value), sort_keys=True)
    except (ValueError, RecursionError):
        return value


def _comparable(items: Items) -> Items:
    """Return the items with the members of structures in their values sorted; the same list if there are none."""
    for item in items:
        value = item.value
        if type(value) is list or (type(value) is str and value.startswith(_STRUCTURES)):
            break
    else:
        return items
    return [Item(item.key, item.type, _comparable_value(item)) for item in items]


def _comparable_value(item: Item) -> str | int | float | Items:
    value = item.value
    if isinstance(value, list):
        return _comparable(value)
    return _sorted_json(value) if isinstance(value, str) else value


def words_of(text: bytes) -> list[bytes]:
    """Split a text into its words; into equally large groups of words when there are many."""
    words = text.split(b" ")
    if len(words) <= _MAX_GROUPS:
        return words
    size = -(-len(words) // _MAX_GROUPS)
    return [b" ".join(words[at : at + size]) for at in range(0, len(words), size)]


def length_at(data: bytes | bytearray, at: int) -> int:
    """Return the length of the fingerprint that starts at `at`."""
    shape = data[at]
    if shape == BLANK[0]:
        return 1
    length = HASHES_END[shape]
    if not shape & _HAS_TEXT:
        return length
    return length + PART + SKETCH + data[at + length + PART + SKETCH - 1]


def without_table(stored: bytes) -> bytes:
    """Return a fingerprint that another field table made: nothing of what depends on the table is compared."""
    if stored == BLANK:
        return stored
    states, hashes = STATES_OF[stored[0]], parts_of(stored)[0]
    shape = stored[0] - sum(
        state * weight for state, weight in zip(states[_BY_TABLE:], WEIGHTS[_BY_TABLE:], strict=True)
    )
    return bytes((shape,)) + stored[1:HASHES] + b"".join(hashes[:_BY_TABLE]) + stored[HASHES_END[stored[0]] :]


def parts_of(stored: bytes) -> tuple[list[bytes], bytes, bytes]:
    """Return the hashes of the groups in the order of _GROUPS, that of the text, then length and words.

    Empty where the event had nothing, or where it is not compared.
    """
    at = HASHES
    hashes: list[bytes] = []
    for state in STATES_OF[stored[0]]:
        end = at + PART if state == _SOME else at
        hashes.append(stored[at:end])
        at = end
    return hashes, stored[at : at + PART], stored[at + PART :]
