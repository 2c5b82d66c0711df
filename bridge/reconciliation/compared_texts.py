"""How a captured text and a stored one compare: masks, repaired characters and line ends apart from changes."""

from __future__ import annotations

from typing import Final

from bridge.reconciliation.differences import LINE_ENDS, MASKED, STORED_DAMAGED, TEXT_CHANGED
from bridge.transcript.bounds import LOST

MASK: Final = "*"
"""What Chat Server replaces masked characters by, unless a site has set another one (D12)."""


def text_difference(captured: str, stored: str, *, redacted: bool = False) -> str | None:
    """Return the code of the difference between the texts of one event; None: there is none.

    `redacted`: the captured text was changed by a privacy rule, which may not have found in a masked text what it
    found in the plain one.
    """
    if captured == stored:
        return None
    captured, one = _with_plain_ends(captured), _with_plain_ends(stored)
    if captured == one:
        return LINE_ENDS
    if _is_masked(captured, one) or (redacted and MASK in one):
        return MASKED
    return STORED_DAMAGED if LOST in one and _fits(captured, one) else TEXT_CHANGED


def _with_plain_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _is_masked(captured: str, stored: str) -> bool:
    """Tell whether the stored text is the captured one, but for characters that are asterisks now."""
    return len(captured) == len(stored) and all(
        now in (before, MASK) for before, now in zip(captured, stored, strict=True)
    )


def _fits(captured: str, stored: str) -> bool:
    """Tell whether the stored text is the captured one where it is whole."""
    pieces = stored.split(LOST)
    if not captured.startswith(pieces[0]) or not captured.endswith(pieces[-1]):
        return False
    at, end = len(pieces[0]), len(captured) - len(pieces[-1])
    for piece in pieces[1:-1]:
        found = captured.find(piece, at, max(end, at))
        if found < 0:
            return False
        at = found + len(piece)
    return at <= end
