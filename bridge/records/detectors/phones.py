"""Finds telephone numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bridge.records.detectors.context_words import named_otherwise
from bridge.records.detectors.plain_text import PlainText

if TYPE_CHECKING:
    from collections.abc import Iterator

# International (+ or 00), national with a leading 0 or a bracket, or grouped 3-3-4; E.164 has at most 15 digits.
_PHONE: Final = re.compile(
    r"(?<![\w+])(?:(?:\+|00?)[ ]?[1-9](?:[ ()./-]{0,3}[0-9]){6,13}|\([0-9]{2,5}\)(?:[ ./-]{0,3}[0-9]){5,12}"
    r"|[0-9]{3}[ .-]{1,2}[0-9]{3}[ .-]{1,2}[0-9]{4})(?![0-9])"
)
_DATE: Final = re.compile(r"(?:[0-2]?[0-9]|3[01])([./ -])(?:0?[1-9]|1[0-2])\1(?:[0-9]{4}|[0-9]{2})(?![0-9])")


def phones(text: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of what is written like a telephone number.

    Plain digits without prefix or grouping are none, nor are dates, nor a bare number with a leading zero after a word
    that says what else it is, such as an order.
    """
    plain = PlainText(text)
    return plain.places(_phones(plain.shown))


def _phones(text: str) -> Iterator[tuple[int, int]]:
    at = 0
    while found := _PHONE.search(text, at):
        start, end = found.span()
        date = _DATE.match(text, start)
        if date is not None and text[start] == "0":
            at = date.end()
        elif text[start:end].isdigit() and named_otherwise(text, start):
            at = end
        else:
            yield start, end
            at = end
