"""The irregularities of tables of interactions as they are at sites, and the steps in which a row is written. Pure.

Each is one that readers are known to lose chats by (reach facts, section 1): a row that exists before its text, one
without ENDDATE, chats that start in the same second, a text that is changed after the end, a row that moves to the
archive, one whose transaction commits late, a text that is not well-formed. Which chats have which is decided by the
seed and the chat's id.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final, Literal

from bridge.simulator.ucs.saved_chats import STOPPED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.simulator.ucs.saved_chats import SavedRow

RowStepKind = Literal["save", "hold", "archive"]
HOLD_SECONDS: Final = 3.0
"""How long a transaction is held open where there is a clock."""
_MINUTE: Final = 60
_TEXT_SECONDS: Final = 2.0
_EDIT_SECONDS: Final = 5.0
_ARCHIVE_SECONDS: Final = 10.0
_EVENTS_END: Final = re.compile(r"</chatTranscript>\s*\Z")
_EDITABLE: Final = re.compile(r"(<msgText[^>]*>)([^<]+)")


@dataclass(slots=True, frozen=True)
class Irregularities:
    """The share of the chats that have each irregularity, from 0 to 1."""

    late_text: float = 0.0
    no_end_date: float = 0.0
    same_second: float = 0.0
    edited: float = 0.0
    archived: float = 0.0
    late_commit: float = 0.0
    ill_formed: float = 0.0

    def chosen(self, seed: int, session_id: str) -> frozenset[str]:
        """Return the names of those that a chat has."""
        rng = random.Random(f"{seed}:{session_id}:rows")  # noqa: S311 - not for security
        return frozenset(each.name for each in fields(self) if rng.random() < getattr(self, each.name))


IRREGULARITIES: Final = tuple(each.name.replace("_", "-") for each in fields(Irregularities))


@dataclass(slots=True, frozen=True)
class RowStep:
    """One step: `row` is saved, or inserted by a transaction that is held open, or the chat moves to the archive.

    `after` is in seconds from the moment at which Chat Server saved. A later step of the same chat ends the holding.
    """

    kind: RowStepKind
    session_id: str
    row: SavedRow | None = None
    after: float = 0.0


def steps_of(row: SavedRow, chosen: Iterable[str]) -> list[RowStep]:
    """Return the steps in which what Chat Server saves is written to a table with these irregularities, in order."""
    chosen = frozenset(chosen)
    session_id = row.session_id
    if "same_second" in chosen:
        row = replace(row, start=row.start - row.start % _MINUTE)
    if row.text is not None and "ill_formed" in chosen:
        row = replace(row, text=_ill_formed(row.text, session_id))
    if row.status != STOPPED:
        opening = row.text is None and "late_commit" in chosen
        return [RowStep("hold" if opening else "save", session_id, row)]
    if "no_end_date" in chosen:
        row = replace(row, end=None)
    steps: list[RowStep] = []
    text_after = 0.0
    if "late_text" in chosen:
        steps.append(RowStep("save", session_id, replace(row, text=None)))
        text_after = _TEXT_SECONDS
    steps.append(RowStep("save", session_id, row, text_after))
    if "edited" in chosen and row.text is not None:
        edited = replace(row, text=_edited(row.text))
        steps.append(RowStep("save", session_id, edited, text_after + _EDIT_SECONDS))
    if "archived" in chosen:
        steps.append(RowStep("archive", session_id, after=text_after + _ARCHIVE_SECONDS))
    return steps


def _edited(text: str) -> str:
    """Return a transcript as a site's own program leaves it: the last text is replaced (the exporter did so, U1)."""
    found = list(_EDITABLE.finditer(text))
    if not found:
        return text
    last = found[-1]
    return f"{text[: last.start(2)]}[removed]{text[last.end(2) :]}"


def _ill_formed(text: str, session_id: str) -> str:
    """Return a transcript with a fault that costs no event: a control character, a bare ampersand, a lost last tag."""
    kind = session_id[-1:].encode()[0] % 3 if session_id else 0
    found = _EDITABLE.search(text)
    if kind == 0 or found is None:
        return _EVENTS_END.sub("", text)
    fault = "\x01" if kind == 1 else "& "
    return f"{text[: found.start(2)]}{fault}{text[found.start(2) :]}"
