"""Prints how much the detectors and Presidio's recognisers miss and find falsely: `make detection`.

Exit codes: 0 the detectors keep the goals, 1 they do not.
"""

from __future__ import annotations

import argparse
import sys
from itertools import islice
from typing import TYPE_CHECKING, Final

from bridge.errors import EXIT_OK, EXIT_RUNTIME, EnvironmentFault
from tests.detection.corpus import LANGUAGES, ChatTexts
from tests.detection.judging import KINDS, MOST_FALSE, MOST_MISSED, DetectionFigures, Share, judged
from tests.detection.presidio import PresidioMissing, presidio_finds

if TYPE_CHECKING:
    from tests.detection.labelled_texts import LabelledText

SEEDS: Final = {"mended with": (1, False), "second seed": (2, False), "held-out sentences": (3, True)}
_NAMES: Final = {"payment_card": "payment card", "iban": "IBAN", "email": "e-mail", "phone": "telephone"}


def _table(title: str, columns: list[str], rows: list[tuple[str, list[str]]]) -> None:
    print(f"\n{title}\n\n| | {' | '.join(columns)} |\n|---|{'---:|' * len(columns)}")
    for name, cells in rows:
        print(f"| {name} | {' | '.join(cells)} |")


def _cell(shares: dict[tuple[str, ...], Share], *group: str) -> str:
    return str(shares.get(group, Share()))


def _print_tables(figures: dict[str, DetectionFigures]) -> None:
    columns = list(figures)
    each = list(figures.values())
    kinds = [(_NAMES[kind], [_cell(f.missed, kind) for f in each]) for kind in KINDS]
    _table("Missed, of the values", columns, [*kinds, ("all", [_cell(f.missed) for f in each])])
    found_as = [(f"as {_NAMES[k]}", [f"{f.false_by_kind[k] / f.false[()].of:.2%}" for f in each]) for k in KINDS]
    _table("False, of the texts without a value", columns, [*found_as, ("as any", [_cell(f.false) for f in each])])
    subjects = sorted({group[0] for f in each for group in f.false if group and group[0] not in LANGUAGES})
    _table("False, by what the text is about", columns, [(s, [_cell(f.false, s) for f in each]) for s in subjects])
    _table("False, by language", columns, [(tongue, [_cell(f.false, tongue) for f in each]) for tongue in LANGUAGES])
    for kind in KINDS:
        groups = sorted({group[1] for f in each for group in f.missed if len(group) > 1 and group[0] == kind})
        order = [*LANGUAGES, *(group for group in groups if group not in LANGUAGES)]
        rows = [(group, [_cell(f.missed, kind, group) for f in each]) for group in order]
        _table(f"Missed, {_NAMES[kind]}, by language and spelling", columns, rows)


def _by_presidio(texts: list[LabelledText]) -> tuple[str, DetectionFigures] | None:
    try:
        answer = presidio_finds([text.text for text in texts])
    except (PresidioMissing, EnvironmentFault) as fault:
        print(f"Presidio was not compared: it cannot be installed or run from here ({fault})", file=sys.stderr)
        return None
    figures = DetectionFigures()
    for text, finds in zip(texts, answer.finds, strict=True):
        figures.add(text, finds)
    return f"Presidio {answer.version}, second seed", figures


def main() -> int:
    parser = argparse.ArgumentParser(prog="make detection", description=__doc__)
    parser.add_argument("--texts", type=int, default=24_000, help="of each corpus; default 24000")
    parser.add_argument("--without-presidio", action="store_true")
    asked = parser.parse_args()
    figures: dict[str, DetectionFigures] = {}
    for name, (seed, held_out) in SEEDS.items():
        texts = list(islice(ChatTexts(seed, held_out=held_out), asked.texts))
        figures[name] = judged(texts)
    kept = all(
        figure.missed[(kind,)].rate <= MOST_MISSED and figure.false[()].rate <= MOST_FALSE
        for figure in figures.values()
        for kind in KINDS
    )
    if not asked.without_presidio:
        seed, held_out = SEEDS["second seed"]
        theirs = _by_presidio(list(islice(ChatTexts(seed, held_out=held_out), asked.texts)))
        if theirs:
            figures[theirs[0]] = theirs[1]
    print(f"{asked.texts} texts in {len(LANGUAGES)} languages for each column, half of them with a value")
    _print_tables(figures)
    return EXIT_OK if kept else EXIT_RUNTIME


if __name__ == "__main__":
    sys.exit(main())
