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
        """Note (start, end, what is put there) of finds of one rule, in the text as it is now, from left to right."""
        for start, end, put in reversed(finds):
            self._replace(rule, start, end, put)

    def _replace(self, rule: str, start: int, end: int, put: str) -> None:
        at = 0
        before: list[TextPart] = []
        inside: list[TextPart] = []
        behind: list[TextPart] = []
        for part in self.parts:
            first, at = at, at + len(part.after)
            if part.rules:
                into = inside if first < end and at > start else before if at <= start else behind
                into.append(part)
                continue
            for into, text in (
                (before, part.before[: max(start - first, 0)]),
                (inside, part.before[max(start - first, 0) : max(end - first, 0)]),
                (behind, part.before[max(end - first, 0) :]),
            ):
                if text:
                    into.append(TextPart(text, text))
        left = start - sum(len(part.after) for part in before)  # of a part that was put there before
        shown = "".join(part.after for part in inside)
        whole = shown[:left] + put + shown[left + end - start :]
        rules = tuple(dict.fromkeys(name for part in inside for name in part.rules))
        changed = TextPart("".join(part.before for part in inside), whole, (*rules, rule))
        self.parts = [*before, changed, *behind]
