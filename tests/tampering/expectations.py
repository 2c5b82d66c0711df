"""What is not found, and why; everything else is. The table of docs/verify.md is made of it."""

from __future__ import annotations

from typing import Final

from tests.tampering.log_tamperings import SIGNED_UNITS
from tests.tampering.tamperings import OPERATIONS, POSITIONS, UNITS

FOUND: Final = "found"
OPEN_END: Final = "(1)"
GONE: Final = "(2)"
FITS: Final = "(3)"
ORDER: Final = "(4)"
LOOKS_OPEN: Final = "(5)"
WHOLE_ANCHORS: Final = "(6)"
SAME_LEAF: Final = "(7)"

_TWICE: Final = "session record (of a chat that was closed twice)"
_ONCE: Final = "session record (of a chat that was closed once)"

NOT_FOUND: Final[dict[tuple[str, str, str], str]] = {
    ("record of an open chat", "removed", "tail"): OPEN_END,
    ("record of an open chat", "inserted", "tail"): OPEN_END,
    (_TWICE, "changed", "head"): FITS,
    (_ONCE, "changed", "head"): FITS,
    **{(unit, "inserted", position): FITS for unit in (_TWICE, _ONCE) for position in POSITIONS},
    (_ONCE, "removed", "middle"): LOOKS_OPEN,
    (_ONCE, "removed", "tail"): LOOKS_OPEN,
    **{("chat", "removed", position): GONE for position in POSITIONS},
    **{("chat", "inserted", position): FITS for position in POSITIONS},
    **{("chat", "swapped", position): ORDER for position in POSITIONS},
    **{("partition of both topics", "removed", position): GONE for position in POSITIONS},
}
"""(unit, operation, position) -> number of the reason in docs/verify.md, for topics and files without signatures."""

NOT_FOUND_SIGNED: Final[dict[tuple[str, str, str], str]] = {
    ("record of an open chat", "inserted", "tail"): OPEN_END,
    **{("chat", "swapped", position): ORDER for position in POSITIONS},
    **{("anchors topic", "removed", position): WHOLE_ANCHORS for position in POSITIONS},
    **{
        (unit, "replayed", position): SAME_LEAF
        for unit in ("record of the leaves topic", "partition of the leaves topic", "leaves topic")
        for position in POSITIONS
    },
}
"""The same for topics with a signed log, given its keys."""


def expected(unit: str, operation: str, position: str, *, signed: bool) -> str:
    """FOUND, or the number of the reason why not."""
    return (NOT_FOUND_SIGNED if signed else NOT_FOUND).get((unit, operation, position), FOUND)


def table(*, signed: bool) -> list[str]:
    """The lines of a table in docs/verify.md: what is found at head, middle and tail."""
    lines = [f"| | {' | '.join(OPERATIONS)} |", f"|---|{'---|' * len(OPERATIONS)}"]
    for unit in SIGNED_UNITS if signed else UNITS:
        cells = []
        for operation in OPERATIONS:
            each = [expected(unit, operation, position, signed=signed) for position in POSITIONS]
            same = len(set(each)) == 1
            cells.append(each[0] if same else ", ".join(f"{p}: {e}" for p, e in zip(POSITIONS, each, strict=True)))
        lines.append(f"| {unit} | {' | '.join(cells)} |")
    return lines
