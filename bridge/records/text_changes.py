"""Where a text was changed, in the places of the text as it was: rules change what others have put, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class TextPart(NamedTuple):
    """A part of a text: what it was, what it is now, and the rules that changed it, in their order; empty: none did."""

    before: str
    after: str
    rules: tuple[str, ...] = ()


class TextChanges:
    """The parts of one text, together all of it."""

    __slots__ = ("parts",)

    def __init__(self, text: str) -> None:
        """Begin with the text as it is."""
        self.parts = [TextPart(text, text)] if text else []

    def add(self, rule: str, finds: Sequence[tuple[int, int, str]]) -> None:
        """Note (start, end, what is put there) of finds of one rule, in the text as it is now, from left to right.

        A find that touches what another rule has put there makes one part with it. Takes time linear in both.
        """
        rest, behind = self.parts, list[TextPart]()
        at = sum(len(part.after) for part in rest)  # where the last part of `rest` ends
        for start, end, put in reversed(finds):
            while at - len(rest[-1].after) >= end:
                behind.append(rest.pop())
                at -= len(behind[-1].after)
            if at > end and not rest[-1].rules:
                head, tail = _cut(rest.pop(), end - at)
                rest.append(head)
                behind.append(tail)
                at = end
            inside: list[TextPart] = []
            while at > start:
                part = rest.pop()
                if not part.rules and at - len(part.after) < start:
                    head, part = _cut(part, start - at)
                    rest.append(head)
                inside.append(part)
                at -= len(part.after)
            rest.append(_changed(inside[::-1], rule, start - at, end - at, put))
            at += len(rest[-1].after)
        self.parts = rest + behind[::-1]


def _cut(part: TextPart, at: int) -> tuple[TextPart, TextPart]:
    """Return the two halves of a part that no rule has changed; `at` counts from its end."""
    return TextPart(part.before[:at], part.before[:at]), TextPart(part.before[at:], part.before[at:])


def _changed(inside: Sequence[TextPart], rule: str, start: int, end: int, put: str) -> TextPart:
    """Return one part in the place of several; `start` and `end` of the find count from their beginning."""
    shown = "".join(part.after for part in inside)
    rules = tuple(dict.fromkeys(name for part in inside for name in part.rules))
    return TextPart("".join(part.before for part in inside), shown[:start] + put + shown[end:], (*rules, rule))
