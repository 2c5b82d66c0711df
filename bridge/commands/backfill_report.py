"""The report of a backfill: a row for each document as soon as it is known, then the sums."""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Final, Literal

from bridge.commands.formatting import escaped, say

SENT: Final = "sent"
WOULD_SEND: Final = "would_send"
SENT_BEFORE: Final = "sent_before"
NOT_NEEDED: Final = "not_needed"
REFUSED: Final = "refused"

OUTCOMES: Final = {
    SENT: "Kafka has acknowledged it.",
    WOULD_SEND: "It would be sent without --dry-run.",
    SENT_BEFORE: "The state file says that Kafka has acknowledged it before.",
    NOT_NEEDED: "Another copy of the same chat holds all of it.",
    REFUSED: "It was not sent, for the reason that the code names.",
}
"""What became of a document -> what it means."""

ReportForm = Literal["table", "json", "csv"]


@dataclass(slots=True, frozen=True)
class ReportRow:
    """One document. `code` is empty unless it was refused."""

    place: str
    session_id: str
    events: int
    repairs: int
    outcome: str
    code: str = ""


class BackfillReport:
    """Writes rows to standard output, and counts."""

    def __init__(self, form: ReportForm) -> None:
        """Write the head of the form."""
        self._form = form
        self._csv = csv.writer(sys.stdout)
        self.outcomes: Counter[str] = Counter()
        self.events = 0
        self.repaired = 0
        if form == "csv":
            self._csv.writerow(("place", "sessionId", "events", "repairs", "outcome", "code"))
        elif form == "table":
            say(f"{'outcome':12} {'chat':20} {'events':>6} {'repairs':>7} place")

    def add(self, row: ReportRow) -> None:
        """Write one row."""
        self.outcomes[row.outcome] += 1
        self.events += row.events if row.outcome in (SENT, WOULD_SEND) else 0
        self.repaired += row.repairs > 0
        if self._form == "csv":
            values = asdict(row)
            self._csv.writerow(tuple(values.values()))
        elif self._form == "json":
            say(json.dumps({"document": {_camel(name): value for name, value in asdict(row).items()}}))
        else:
            code = f" ({row.code})" if row.code else ""
            place = escaped(row.place)
            say(f"{row.outcome:12} {escaped(row.session_id):20} {row.events:6} {row.repairs:7} {place}{code}")

    def end(self, **more: object) -> None:
        """Write the sums; `more` are further facts of the run."""
        sums = {_camel(name): self.outcomes[name] for name in OUTCOMES}
        if self._form == "json":
            say(json.dumps({"summary": {**sums, "events": self.events, "repaired": self.repaired, **more}}))
        elif self._form == "table":
            told = [f"{count} {name.replace('_', ' ')}" for name, count in self.outcomes.items()]
            say(f"{sum(self.outcomes.values())} documents: {', '.join(told)}; {self.events} events")
        sys.stdout.flush()


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
