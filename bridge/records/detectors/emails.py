"""Finds e-mail addresses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bridge.records.detectors.plain_text import PlainDetector

if TYPE_CHECKING:
    from collections.abc import Iterator

_DOMAIN: Final = re.compile(r"@(?:[\w-]{1,63}\.)+[^\W\d_]{2,63}")
_LOCAL_BACKWARDS: Final = re.compile(r"[\w.%+'-]{1,64}")
_LOCAL_LIMIT: Final = 64  # RFC 5321, 4.5.3.1.1


_WRITTEN_OUT: Final = re.compile(
    r"[\w.%+-]{1,64}[ ]{0,2}[\[({<][ ]?(?:at|arroba|chiocciola|ät|@)[ ]?[\])}>][ ]{0,2}"
    r"(?:[\w-]{1,63}(?:\.|[ ]{0,2}[\[({<][ ]?(?:dot|point|punkt|punto|ponto|punt|kropka|\.)[ ]?[\])}>][ ]{0,2})){1,6}"
    r"[^\W\d_]{2,63}",
    re.IGNORECASE,
)
_AT_WORD: Final = re.compile(r"[\[({<][ ]?(?:at|arroba|chiocciola|ät|@)[ ]?[\])}>]", re.IGNORECASE)


def _emails(text: str) -> Iterator[tuple[int, int]]:
    if _AT_WORD.search(text) is None:
        yield from _usual(text)
        return
    yield from _disjoint(sorted([*_usual(text), *(found.span() for found in _WRITTEN_OUT.finditer(text))]))


def _disjoint(finds: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield finds that are in order, without those that begin in the one before."""
    floor = 0
    for start, end in finds:
        if start >= floor:
            yield start, end
            floor = end


def _usual(text: str) -> Iterator[tuple[int, int]]:
    floor = 0
    for domain in _DOMAIN.finditer(text):
        at = domain.start()
        local = _LOCAL_BACKWARDS.match(text[max(floor, at - _LOCAL_LIMIT) : at][::-1])
        if local is not None or 0 < floor == at:
            yield at - (local.end() if local else 0), domain.end()
            floor = domain.end()


emails: Final = PlainDetector(_emails, r"[@\[({<]")
"""Yields (start, end) of `local@domain.tld`, also with `[at]` and `(dot)` in brackets.

Looks for the domain first and then back from it, so that long words cost nothing. In `a@b.nora@example.org` the local
part of the second address ends the first find: the rest is a find of its own.
"""
