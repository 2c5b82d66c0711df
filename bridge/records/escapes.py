r"""Text behind escapes: what a reader of JSON or XML inside a text would see.

A text may hold JSON, that may hold JSON in its strings, and so on, with anything before and after it: each level
escapes once more. So nothing is parsed; the escapes of JSON (`\n`, `\u0053`, with any number of backslashes) and the
numeric ones of XML (`&#83;`, `&#x53;`) are undone wherever they stand, in time linear in the text.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from typing import Final

_ROUNDS: Final = 8  # one undoes all backslashes before an escape; more are needed where a backslash itself is `\u005c`

# A run of backslashes is tried from its beginning only: else a long one would cost its square.
_ESCAPE: Final = re.compile(
    r"(?<!\\)\\++(?:u([0-9A-Fa-f]{4})|([bfnrt\"/]))|&#[xX]0*+([0-9A-Fa-f]{1,5});|&#0*+([0-9]{1,6});"
)
_CONTROLS: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", '"': '"', "/": "/"}


def unescaped(text: str) -> str:
    """Return the text with all escapes undone; the same object when there are none."""
    for _ in range(_ROUNDS):
        if "\\" not in text and "&#" not in text:
            break
        shown = _ESCAPE.sub(_character, text)
        if shown == text:
            break
        text = shown
    return text


class EscapedText:
    """A text and what `unescaped` makes of it (`shown`), with the way back from there."""

    __slots__ = ("_rounds", "shown")

    def __init__(self, text: str) -> None:
        """Undo all escapes."""
        self.shown = text
        self._rounds: list[tuple[array[int], array[int]]] = []
        while len(self._rounds) < _ROUNDS and self._undo():
            pass

    def place(self, at: int) -> int:
        """Return where in the text the shown character `at` begins; for the length of `shown`, where the text ends."""
        for shown, hidden in reversed(self._rounds):
            piece = bisect_right(shown, at) - 1
            at += hidden[piece] - shown[piece]
        return at

    def _undo(self) -> bool:
        """Undo one round of escapes; tell whether there were any. Notes where each piece begins, shown and hidden."""
        text, pieces = self.shown, [""]
        shown, hidden = array("q", (0,)), array("q", (0,))
        at = length = 0
        for found in _ESCAPE.finditer(text):
            start, end = found.span()
            pieces += (text[at:start], _character(found))
            length += start - at
            if start > at:
                shown.append(length)
                hidden.append(start)
            length += 1
            shown.append(length)
            hidden.append(end)
            at = end
        if not at:
            return False
        self.shown = "".join(pieces) + text[at:]
        self._rounds.append((shown, hidden))
        return True


def _character(found: re.Match[str]) -> str:
    """Return the one character that an escape stands for; U+FFFD for a number that is none."""
    unicode, control, hexadecimal, decimal = found.groups()
    if control:
        return _CONTROLS[control]
    code = int(unicode or hexadecimal, 16) if unicode or hexadecimal else int(decimal)
    return chr(code) if code <= 0x10FFFF else "\ufffd"  # noqa: PLR2004 - the last code point
