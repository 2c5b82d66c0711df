"""Generates chat texts in eight languages, with the places of what has to be found; no dependency on the bridge.

The sentences are in `sentences`, one file per language. Each fifth sentence of each part is held out: it is in no text
that the detectors were mended with.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from tests.detection import look_alikes
from tests.detection.invented_cards import card, digits, iban, wrong_card
from tests.detection.invented_contacts import email, phone
from tests.detection.labelled_texts import Kind, LabelledText, SpelledValue
from tests.detection.spellings import of_card, of_iban, of_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LANGUAGES: Final = ("en", "de", "fr", "es", "it", "pt", "nl", "pl")

_HELD_OUT_EACH: Final = 5

# (part of the sentences, kind, how often)
_POSITIVES: Final[tuple[tuple[str, Kind, int], ...]] = (
    ("card", "payment_card", 40),
    ("iban", "iban", 25),
    ("email", "email", 15),
    ("phone", "phone", 15),
    ("phone bare", "phone", 5),
)
_NEGATIVES: Final[dict[str, Callable[[Random], SpelledValue]]] = {
    "order": look_alikes.numbered,
    "invoice": look_alikes.numbered,
    "tracking": look_alikes.tracking,
    "ticket": look_alikes.numbered,
    "imei": look_alikes.device,
    "article": look_alikes.article,
    "moment": look_alikes.moment,
    "money": look_alikes.money,
    "technical": look_alikes.technical,
    "amount": look_alikes.amount,
    "card": lambda draw: of_reference(wrong_card(draw), draw),
}


def _sentences(language: str, *, held_out: bool) -> dict[str, list[str]]:
    """The sentences of each part, by its heading."""
    parts: dict[str, list[str]] = {}
    text = (Path(__file__).parent / "sentences" / f"{language}.txt").read_text("utf-8")
    for block in text.split("\n\n"):
        heading, *lines = block.strip().split("\n")
        every_fifth = [line for at, line in enumerate(lines) if (at % _HELD_OUT_EACH == _HELD_OUT_EACH - 1) == held_out]
        parts[heading.strip("[]")] = every_fifth
    return parts


class ChatTexts:
    """An endless, repeatable sequence of texts, half of them negatives."""

    def __init__(self, seed: int, *, held_out: bool = False) -> None:
        self._draw = Random(f"{seed} {held_out}")
        self._parts = {language: _sentences(language, held_out=held_out) for language in LANGUAGES}

    def __iter__(self) -> Iterator[LabelledText]:
        while True:
            for language in LANGUAGES:
                yield self._positive(language)
                yield self._negative(language)

    def _positive(self, language: str) -> LabelledText:
        draw = self._draw
        part, kind, _ = draw.choices(_POSITIVES, [row[2] for row in _POSITIVES])[0]
        match kind:
            case "payment_card":
                value = of_card(card(draw), draw)
            case "iban":
                value = of_iban(iban(draw, language), draw)
            case "email":
                value = email(draw)
            case _:
                value = phone(draw, language, called_so=part == "phone")
        said = self._chat(language, self._say(language, part, value))
        if draw.random() < 0.1:
            said = said.after(self._look_alike(language)[1].text + draw.choice(("\n", ". ", " ")))
        elif draw.random() < 0.1:
            said += draw.choice(("\n", ". ")) + self._look_alike(language)[1].text
        return LabelledText(said.text, language, part, said.spelling, kind, said.telling)

    def _negative(self, language: str) -> LabelledText:
        part, said = self._look_alike(language)
        said = self._chat(language, said)
        subject = "mistyped card" if part == "card" else part
        return LabelledText(said.text, language, subject, said.spelling)

    def _look_alike(self, language: str) -> tuple[str, SpelledValue]:
        part = self._draw.choice(list(_NEGATIVES))
        return part, self._say(language, part, _NEGATIVES[part](self._draw))

    def _say(self, language: str, part: str, value: SpelledValue) -> SpelledValue:
        draw = self._draw
        sentence = draw.choice(self._parts[language][part])
        for name, invented in (
            ("{d}", look_alikes.date(draw)),
            ("{p}", look_alikes.price(draw)),
            ("{n}", digits(draw, draw.randint(5, 12))),
        ):
            sentence = sentence.replace(name, invented)
        before, after = sentence.split("{x}")
        return value.after(before) + after

    def _chat(self, language: str, said: SpelledValue) -> SpelledValue:
        draw = self._draw
        if draw.random() < 0.3:
            said = said.after(draw.choice(self._parts[language]["opening"]) + draw.choice((" ", "\n")))
        if draw.random() < 0.2:
            said += draw.choice((" ", "\n", ", ")) + draw.choice(self._parts[language]["closing"])
        return said
