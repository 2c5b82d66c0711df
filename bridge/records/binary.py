"""Avro's binary encoding of the few types that the records use. Pure, and as fast as Python allows.

An Avro record is encoded as its fields one after the other, without separators: with the order of the fields known, a
record can be assembled from encoded pieces, and pieces that repeat can be cached. Source: Apache Avro
specification, "Binary Encoding"; a property test compares every record with fastavro's encoding of the same record.

Errors: OverflowError for a number beyond 64 bits, UnicodeEncodeError for a text with a lone surrogate.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

NULL: Final = b"\0"
"""The null branch of a nullable field (null is always the first branch)."""

SOME: Final = b"\2"
"""The other branch; the value follows."""

EMPTY: Final = b"\0"
"""An array or map without entries, a text or bytes of length 0, the number 0."""

_ONE: Final = tuple(bytes((value,)) for value in range(128))
_TWO: Final = (*_ONE, *(bytes((value & 127 | 128, value >> 7)) for value in range(128, 1 << 14)))
"""The encodings of one and two bytes, by zigzag value: most lengths, ids and sequences."""
_MORE: Final = tuple(bytes((value & 127 | 128, value >> 7 | 128)) for value in range(1 << 14))
"""Two bytes that others follow, by 14 bits of a zigzag value."""


def long(value: int) -> bytes:
    """Encode an int or long: zigzag, then seven bits per byte, lowest first."""
    rest = value << 1 if value >= 0 else ~(value << 1)
    if rest < 16384:  # noqa: PLR2004 - twice seven bits
        return _TWO[rest]
    # A step for each 14 bits: a loop would take as long as all else.
    if rest < 1 << 28:
        return _MORE[rest & 16383] + _TWO[rest >> 14]
    if rest < 1 << 42:
        return _MORE[rest & 16383] + _MORE[rest >> 14 & 16383] + _TWO[rest >> 28]
    if rest < 1 << 56:
        return _MORE[rest & 16383] + _MORE[rest >> 14 & 16383] + _MORE[rest >> 28 & 16383] + _TWO[rest >> 42]
    if rest >> 64:
        raise OverflowError("a number beyond 64 bits")
    first = _MORE[rest & 16383] + _MORE[rest >> 14 & 16383]
    return first + _MORE[rest >> 28 & 16383] + _MORE[rest >> 42 & 16383] + _TWO[rest >> 56]


def data(value: bytes) -> bytes:
    """Encode bytes: length prefix, then the payload."""
    return long(len(value)) + value


def text(value: str) -> bytes:
    """Encode a string: length prefix in bytes, then the UTF-8 bytes."""
    raw = value.encode()
    size = len(raw)
    return (_ONE[size + size] if size < 64 else long(size)) + raw  # noqa: PLR2004 - seven bits, zigzag


@lru_cache(maxsize=256)
def word(value: str) -> bytes:
    """Encode a string that is one of few, such as a kind or a state; never a text of a chat: it is remembered."""
    return text(value)


def optional_long(value: int | None) -> bytes:
    """Encode a nullable int, long or timestamp."""
    return NULL if value is None else SOME + long(value)


def optional_text(value: str | None) -> bytes:
    """Encode a nullable string."""
    return NULL if value is None else SOME + text(value)


def optional_flag(value: bool | None) -> bytes:  # noqa: FBT001 - it is the value, not a switch
    """Encode a nullable boolean."""
    return NULL if value is None else b"\2\1" if value else b"\2\0"


def text_map(values: Mapping[str, str]) -> bytes:
    """Encode a map of strings as one block."""
    if not values:
        return EMPTY
    # `text` inlined: two calls per entry would be a third of the cost of a newParty.
    one = _ONE
    out = [long(len(values))]
    add = out.append
    for pair in values.items():
        for part in pair:
            raw = part.encode()
            size = len(raw)
            add(one[size + size] if size < 64 else long(size))  # noqa: PLR2004 - seven bits, zigzag
            add(raw)
    add(EMPTY)
    return b"".join(out)


def long_map(values: Mapping[str, int]) -> bytes:
    """Encode a map of longs, whose keys are words, as one block."""
    if not values:
        return EMPTY
    out = [long(len(values))]
    for key, value in values.items():
        out += (word(key), long(value))
    out.append(EMPTY)
    return b"".join(out)


def pairs(values: Sequence[tuple[int, int]]) -> bytes:
    """Encode an array of longs that are told as pairs, as one block."""
    if not values:
        return EMPTY
    out = [long(2 * len(values))]
    for first, second in values:
        out += (long(first), long(second))
    out.append(EMPTY)
    return b"".join(out)


def array(items: Iterable[bytes]) -> bytes:
    """Encode an array of items that are already encoded, as one block."""
    encoded = list(items)
    return long(len(encoded)) + b"".join(encoded) + EMPTY if encoded else EMPTY
