"""Text as the detectors read it: one way to write each digit, blank and dash, nothing invisible; with the way back.

People type and paste numbers with no-break blanks, all kinds of dashes, full-width digits, the digits of other scripts,
and invisible characters between them. A detector looks at `PlainText.shown` and gives places in the text itself.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from bisect import bisect_right
from html import unescape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ODD: Final = re.compile(r"[^\x00-\x7f]|&(?:amp;)?(?:\#[0-9]{1,7}|\#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
"""A character outside of ASCII, or one that is written as an entity of HTML, once or twice escaped."""
_BLANKS: Final = frozenset({"Zs", "Zl", "Zp"})
_INVISIBLE: Final = frozenset({"Cf", "Mn", "Me"})  # joiners, direction marks; marks on a character, such as keycaps
_ALSO_BLANK: Final = "\u2800\u3164\uffa0\u115f\u1160"  # characters without ink that Unicode does not call blanks
_DASHES: Final = "\u2212\u2043\u02d7\u30fc\u2500\u2501\u23af\uff70\u00b7\u2022\u30fb\u2219\u22c5\u2027"
"""What stands for a dash and is none to Unicode; the dots in the middle of a line, too."""
_DOTS: Final = "\u2024\u3002\uff61\u06d4"


def _plain_entity(entity: str) -> str:
    """Return what an entity of HTML is to a detector; one that stands for no single character is itself."""
    char = unescape(unescape(entity))
    if len(char) != 1:
        return entity
    return char if char.isascii() else _plain(char)


def _plain(char: str) -> str:
    """Return what a character outside of ASCII is to a detector: one character, or nothing."""
    category = unicodedata.category(char)
    if category in _BLANKS or char in _ALSO_BLANK:
        return " "
    if category in _INVISIBLE:
        return ""
    if category == "Nd":
        return str(unicodedata.decimal(char))
    if category == "Pd" or char in _DASHES:
        return "-"
    if char in _DOTS:
        return "."
    normal = unicodedata.normalize("NFKC", char)
    return normal if len(normal) == 1 and normal.isascii() else char


class _Memo(dict[str, str]):
    """Remembers `_plain`. There are fewer such characters than a megabyte holds."""

    def __missing__(self, odd: str) -> str:
        plain = self[odd] = _plain(odd)
        return plain


_memo: Final = _Memo()


class PlainText:
    """A text, and what a detector sees of it."""

    __slots__ = ("_hidden", "_shown", "_text", "shown")

    def __init__(self, text: str) -> None:
        """Any text is accepted; it takes time linear in its length."""
        self._text = self.shown = text
        self._shown = self._hidden = array("q", (0,))
        if not text.isascii() or "&" in text:
            self._show()

    def _show(self) -> None:
        text = self._text
        pieces: list[str] = []
        shown, hidden = array("q", (0,)), array("q", (0,))
        at = less = 0
        for found in _ODD.finditer(text):
            odd = found.group()
            plain = _memo[odd] if len(odd) == 1 else _plain_entity(odd)
            if plain == odd:
                continue
            start, end = found.span()
            pieces += (text[at:start], plain)
            at = end
            if len(plain) != end - start:
                if plain:  # an entity: its own place is its beginning
                    shown.append(start - less)
                    hidden.append(start)
                less += end - start - len(plain)
                shown.append(end - less)
                hidden.append(end)
        if pieces:
            self.shown = "".join(pieces) + text[at:]
            self._shown, self._hidden = shown, hidden

    def places(self, finds: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        """Yield where in the text each (start, end) of `shown` is; what is invisible behind a find is not in it."""
        if self.shown is self._text:
            yield from finds
            return
        for start, end in finds:
            yield self._place(start), self._after(end - 1)

    def _place(self, at: int) -> int:
        piece = bisect_right(self._shown, at) - 1
        return self._hidden[piece] + at - self._shown[piece]

    def _after(self, last: int) -> int:
        """Return where the shown character `last` ends in the text."""
        at = self._place(last)
        return at + (len(found.group()) if (found := _ODD.match(self._text, at)) else 1)


class PlainDetector:
    """A detector that looks at `PlainText.shown`.

    `find` yields (start, end) in such a text, in order and without overlap. `hint` matches somewhere in every one in
    which there is a find, and takes less time than to look for it.
    """

    __slots__ = ("_hint", "find")

    def __init__(self, find: Callable[[str], Iterator[tuple[int, int]]], hint: str) -> None:
        """`hint` is a regular expression."""
        self.find = find
        self._hint = re.compile(hint)

    def __call__(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield (start, end) of each find in a text."""
        return self.finds(PlainText(text))

    def finds(self, plain: PlainText) -> Iterator[tuple[int, int]]:
        """Yield (start, end) of each find in the text behind `plain`."""
        return plain.places(self.find(plain.shown)) if self._hint.search(plain.shown) else iter(())
