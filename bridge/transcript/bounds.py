"""Bounds of the values of an event, whatever its source: ranges of numbers, nesting, characters of texts."""

from __future__ import annotations

import re
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING, Final, get_args

from msgspec.structs import fields

from bridge.transcript.attributes import MAX_DEPTH

if TYPE_CHECKING:
    import msgspec

    from bridge.transcript.events import ChatEvent, Items

INT32: Final = range(-(2**31), 2**31)
INT64: Final = range(-(2**63), 2**63)
EVENT_IDS: Final = range(2**63)  # a session-wide sequence from 1 (R1-R5 OBS); 0 is tolerated
_HIGHEST_ID: Final = EVENT_IDS[-1]
_LOWEST_INT32: Final = INT32[0]
_HIGHEST_INT32: Final = INT32[-1]

_TOO_DEEP: Final = f"nested more than {MAX_DEPTH} levels deep"

# XML 1.0, production 2 (Char). Nothing else, lone surrogates included, can travel in XML in any spelling.
NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""One character that XML 1.0 does not have."""


LOST: Final = "\ufffd"
"""What stands for a character that cannot be had."""


def xml_characters(text: str) -> str:
    """Return `text` with every character that XML 1.0 does not have replaced by U+FFFD."""
    return NOT_XML.sub(LOST, text)


def outside(event: ChatEvent) -> str | None:
    """Return which attribute (JSON spelling) is out of bounds, and why; None if none is.

    The event id is a signed 64-bit number and not negative. Every other number is limited to 32 bits: 68 years of
    seconds for `timeShift`, beyond which no date can be computed from it. Collections are limited to MAX_DEPTH here, so
    that recursion over them cannot exhaust the interpreter's stack anywhere else. A number in one fits 64 bits: a
    source gives any other as text (`attributes.typed_value`), because it can be neither compared nor computed with.
    """
    name = _number_outside(event)
    if name is not None:
        return f"{name}: integer value out of range"
    if event.user_data and (problem := items_outside(event.user_data)):
        return f"userData: {problem}"
    if event.event_attributes and (problem := items_outside(event.event_attributes)):
        return f"eventAttributes: {problem}"
    return None


def _number_outside(event: ChatEvent) -> str | None:
    # Of each event: to compare takes half the time of looking into a range.
    if not 0 <= event.event_id <= _HIGHEST_ID:
        return "eventId"
    if not _LOWEST_INT32 <= event.time_shift <= _HIGHEST_INT32:
        return "timeShift"
    info = event.user_info
    if info is not None:
        if info.time_zone_offset is not None and info.time_zone_offset not in INT32:
            return "userInfo.timeZoneOffset"
        if info.client_version is not None and info.client_version not in INT32:
            return "userInfo.clientVersion"
    reason = event.reason
    if reason is not None and reason.code is not None and reason.code not in INT32:
        return "reason.code"
    return None


def items_outside(items: Items, depth: int = 1) -> str | None:
    """Return why a KeyValueCollection is out of bounds: its depth, or a number in it; None if it is not."""
    for item in items:
        value = item.value
        if type(value) is str or value == []:
            continue
        if type(value) is list:
            problem = _TOO_DEEP if depth == MAX_DEPTH else items_outside(value, depth + 1)
            if problem is not None:
                return problem
        elif not is_bounded(value):
            return "number out of range"
    return None


def is_bounded(value: object) -> bool:
    """Tell whether a value, if it is a number, fits 64 bits: an INT64, or a finite float."""
    if type(value) is int:
        return value in INT64
    return type(value) is not float or isfinite(value)


def number_outside(message: msgspec.Struct) -> str | None:
    """Return which of the message's own attributes (JSON spelling) does not fit 64 bits; None if all do."""
    for attribute, name in _numbers_of(type(message)):
        value = getattr(message, attribute)
        if type(value) is int and value not in INT64:
            return name
    return None


@lru_cache(maxsize=64)  # there are a dozen types of messages
def _numbers_of(kind: type[msgspec.Struct]) -> list[tuple[str, str]]:
    """Return the attributes of a type of messages that may hold an int: each with its JSON spelling."""
    return [(one.name, one.encode_name) for one in fields(kind) if one.type is int or int in get_args(one.type)]
