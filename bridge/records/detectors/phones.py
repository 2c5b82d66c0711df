"""Finds telephone numbers.

A plus before seven digits or more is enough. What begins with 00, or with 0 or brackets as national numbers do, counts
when it is no piece of something longer and nothing before it says that it is another number; any other grouping, or
none, needs a word that speaks of a telephone (`context_words`). E.164 has at most 15 digits.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bridge.records.detectors.context_words import name_after, name_before
from bridge.records.detectors.plain_text import PlainDetector

if TYPE_CHECKING:
    from collections.abc import Iterator

_BETWEEN: Final = r"(?:[ ()/-]{1,4}|\.)"
_INTERNATIONAL: Final = re.compile(r"\+[ ]?[1-9](?:[ ()./-]{0,3}[0-9]){6,13}(?![0-9])")
_RUN: Final = re.compile(rf"\(?[0-9]+(?:{_BETWEEN}[0-9]+)*")
_START: Final = re.compile(r"(?<![\w+])\+(?=[ ]?[1-9])|\(?[0-9]")
_GROUP: Final = re.compile(r"[0-9]+")
_DAY: Final = "(?:0?[1-9]|[12][0-9]|3[01])"
_MONTH: Final = "(?:0?[1-9]|1[0-2])"
_DATE: Final = re.compile(
    rf"(?:{_DAY}([./-])(?:{_MONTH})\1|{_MONTH}(/){_DAY}/)(?:[0-9]{{4}}|[0-9]{{2}})(?![0-9]|[./-][0-9])"
    rf"|[0-9]{{4}}([./-]){_MONTH}\3{_DAY}(?![0-9]|[./-][0-9])"
)
_NATIONAL: Final = re.compile(r"\(?0[1-9]|\([1-9][0-9]{1,4}\)")
_NORTH_AMERICAN: Final = re.compile(r"[0-9]{3}[ .-]{1,2}[0-9]{3}[ .-]{1,2}[0-9]{4}")
_NAMED_SIZE: Final = 6
_NATIONAL_SIZES: Final = range(9, 14)
_DOUBLE_ZERO_SIZES: Final = range(10, 19)  # with the zeros, and a zero in brackets
_BARE_SIZES: Final = range(12, 18)


def _phones(text: str) -> Iterator[tuple[int, int]]:
    at = 0
    while begin := _START.search(text, at):
        start = begin.start()
        if text[start] == "+":
            found = _INTERNATIONAL.match(text, start)
            at = found.end() if found else start + 1
            if found:
                yield start, at
            continue
        run = _DATE.match(text, start) or _RUN.match(text, start)
        at = run.end() if run else start + 1
        if run and run.re is _RUN and _is_phone(text, start, at):
            yield start, at


def _is_phone(text: str, start: int, end: int) -> bool:
    """Tell whether a run of digits is a telephone number, or several that are called so."""
    size = sum(char.isdigit() for char in text[start:end])
    if size < _NAMED_SIZE or text[end : end + 1].isalnum() or text[end : end + 1] in {"_", "@"}:
        return False
    name = name_before(text, start)
    if name == "phone" or (name is None and name_after(text, end) == "phone"):
        return True
    if name is not None or _in_something_longer(text, start, end):
        return False
    if text.startswith("00", start):
        return size in (_BARE_SIZES if text[start:end].isdigit() else _DOUBLE_ZERO_SIZES)
    if _NATIONAL.match(text, start):
        return size in _NATIONAL_SIZES and (not text[start:end].isdigit() or _alone(text, start, end))
    return _NORTH_AMERICAN.fullmatch(text, start, end) is not None


def _alone(text: str, start: int, end: int) -> bool:
    """Tell whether nothing else is in the line."""
    return text[max(start - 2, 0) : start].strip(" ") in {"", "\n"} and text[end : end + 2].strip(" .") in {"", "\n"}


def _in_something_longer(text: str, start: int, end: int) -> bool:
    """Tell whether the digits are a part of an identifier, an address, a price or a time."""
    before, after = text[max(start - 2, 0) : start], text[end : end + 2]
    return (
        before[-1:].isalnum()
        or before[-1:] in {*"_#+/=@"}
        or (before[:1].isalnum() and before[-1:] == "-")
        or (before[:1].isdigit() and before[-1:] in {*",:.'"})
        or (after[:1] in {*",:'-"} and after[1:].isalnum())
    )


phones: Final = PlainDetector(_phones, r"[0-9](?:[ ()./-]{0,4}[0-9]){5}")
"""Yields (start, end) of what is written like a telephone number, or called one."""
