"""A text with the places of what has to be found in it; no dependency on the bridge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["payment_card", "iban", "email", "phone"]


@dataclass(frozen=True, slots=True)
class SpelledValue:
    """A value as somebody types it, with the indices of the characters that tell it: not of blanks and dashes."""

    text: str
    telling: tuple[int, ...]
    spelling: str

    def __add__(self, after: str) -> SpelledValue:
        return SpelledValue(self.text + after, self.telling, self.spelling)

    def after(self, before: str) -> SpelledValue:
        return SpelledValue(before + self.text, tuple(len(before) + i for i in self.telling), self.spelling)


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A chat text: a positive has a kind and the indices that must be masked; in a negative nothing may be."""

    text: str
    language: str
    subject: str
    """What the text is about: a kind of positive, or of what is like one."""
    spelling: str
    kind: Kind | None = None
    telling: tuple[int, ...] = ()
