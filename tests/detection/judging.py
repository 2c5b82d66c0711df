"""Compares what a recogniser finds with the labels: a value is missed unless all of it is found.

Of a value its own kind's finds count: rules may name one detector only. In a negative each find counts as false.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bridge.records import detectors

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.detection.labelled_texts import LabelledText

Finds = Mapping[str, Sequence[tuple[int, int]]]
"""Places by kind."""
Recognise = Callable[[str], Finds]

MOST_MISSED: Final = 0.005
"""Of the values of each kind."""
MOST_FALSE: Final = 0.001
"""Of the texts without a value, for each kind and for all together."""

_DETECTORS: Final = {
    "payment_card": detectors.payment_cards,
    "iban": detectors.ibans,
    "email": detectors.emails,
    "phone": detectors.phones,
}
KINDS: Final = tuple(_DETECTORS)


def by_the_bridge(text: str) -> Finds:
    return {kind: list(detect(text)) for kind, detect in _DETECTORS.items()}


@dataclass(slots=True)
class Share:
    """So many of so many."""

    of: int = 0
    failed: int = 0

    def __str__(self) -> str:
        return f"{self.failed / self.of:.2%}" if self.of else "-"

    def add(self, *, failed: bool) -> None:
        self.of += 1
        self.failed += failed

    @property
    def rate(self) -> float:
        return self.failed / self.of


@dataclass(slots=True)
class DetectionFigures:
    """Missed values by kind, and by kind with language or spelling; false finds by subject, language and kind."""

    missed: dict[tuple[str, ...], Share] = field(default_factory=dict)
    false: dict[tuple[str, ...], Share] = field(default_factory=dict)
    false_by_kind: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[LabelledText, Finds]] = field(default_factory=list)

    def add(self, text: LabelledText, finds: Finds) -> None:
        if text.kind is None:
            kinds = [kind for kind in KINDS if finds[kind]]
            self.false_by_kind.update(kinds)
            failed = bool(kinds)
            groups: tuple[tuple[str, ...], ...] = ((), (text.language,), (text.subject,))
            shares = self.false
        else:
            covered = {at for start, end in finds[text.kind] for at in range(start, end)}
            failed = not covered.issuperset(text.telling)
            groups = ((), (text.kind,), (text.kind, text.language), (text.kind, text.spelling))
            shares = self.missed
        for group in groups:
            shares.setdefault(group, Share()).add(failed=failed)
        if failed:
            self.failures.append((text, finds))


def judged(texts: Iterable[LabelledText], recognise: Recognise = by_the_bridge) -> DetectionFigures:
    figures = DetectionFigures()
    for text in texts:
        figures.add(text, recognise(text.text))
    return figures
