"""The report of a reconciliation: a row for each chat, the sums by class and difference, the ids of each site."""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from bridge.commands.formatting import escaped, say
from bridge.reconciliation.comparison import CLASSES, FILLED, MATCHED, MISSING, NEVER_SEEN, UNEXPLAINED
from bridge.reconciliation.id_agreement import AGREE, DIFFER, IdAgreement

if TYPE_CHECKING:
    from bridge.commands.backfill_report import ReportForm
    from bridge.reconciliation.comparison import ChatComparison

_HEAD: Final = ("class", "sessionId", "sites", "captured", "stored", "missing", "sent", "differences", "unexplained")
_SHOWN: Final = 10
"""Unexplained differences of one chat that the table shows."""
_SENTENCES: Final = {
    AGREE: "the ids of captured and stored events agree",
    DIFFER: "the ids of captured and stored events differ",
}


class ReconcileReport:
    """Writes rows to standard output, and counts. The table leaves out chats that agree."""

    def __init__(self, form: ReportForm) -> None:
        """Write the head of the form."""
        self._form = form
        self._csv = csv.writer(sys.stdout)
        self.classes: Counter[str] = Counter()
        self.differences: Counter[str] = Counter()
        self.sites: dict[str, IdAgreement] = {}
        self.sent = 0
        self.unsent = 0
        if form == "csv":
            self._csv.writerow(_HEAD)
        elif form == "table":
            say(f"{'class':12} {'chat':20} {'captured':>8} {'stored':>6} {'missing':>7} differences")

    @property
    def compared(self) -> int:
        """How many chats there are in it."""
        return self.classes.total()

    @property
    def has_findings(self) -> bool:
        """Whether something is unexplained, or missing and was not sent."""
        return bool(self.classes[UNEXPLAINED] or self.unsent)

    def add(self, one: ChatComparison, *, sent: bool) -> None:
        """Write one row. `sent`: its stored transcript was sent to fill what is missing."""
        self.classes[one.result] += 1
        self.differences.update(one.by_code)
        self.sent += sent
        self.unsent += one.result in (MISSING, NEVER_SEEN) and not sent
        for site in one.sites:
            self.sites.setdefault(site, IdAgreement()).take(one)
        if self._form == "json":
            say(json.dumps({"chat": _as_data(one, sent=sent)}))
        elif self._form == "csv":
            data = _as_data(one, sent=sent)
            told = [" ".join(f"{code}={count}" for code, count in data["differences"].items())]
            told.append("; ".join(f"{each['code']} {each['eventId']}" for each in data["unexplained"]))
            self._csv.writerow([*(data[name] for name in _HEAD[:2]), " ".join(data["sites"])] + [
                data[name] for name in _HEAD[3:7]
            ] + told)  # fmt: skip
        elif one.result not in (MATCHED, FILLED):
            codes = ", ".join(f"{code} {count}" for code, count in sorted(one.by_code.items()))
            marks = f"{codes}{' (sent)' if sent else ''}"
            chat = escaped(one.session_id)
            say(f"{one.result:12} {chat:20} {one.captured:8} {one.stored:6} {one.missing:7} {marks}".rstrip())
            for difference in one.unexplained[:_SHOWN]:
                where = "" if difference.event_id is None else f" event {difference.event_id}"
                say(f"  {difference.code}{where}{f': {difference.detail}' if difference.detail else ''}")

    def end(self, **more: int) -> None:
        """Write the sums; `more` are further numbers of the run."""
        if self._form == "json":
            say(
                json.dumps(
                    {
                        "summary": {
                            "chats": self.compared,
                            "classes": {name: self.classes[name] for name in CLASSES},
                            "differences": dict(sorted(self.differences.items())),
                            "sent": self.sent,
                            "sites": {name: _of_site(one) for name, one in sorted(self.sites.items())},
                            **more,
                        }
                    }
                )
            )
        elif self._form == "table":
            told = [f"{count} {name.replace('_', ' ')}" for name in CLASSES if (count := self.classes[name])]
            told += [f"{self.sent} sent to be filled"] if self.sent else []
            say(f"{self.compared} chats: {', '.join(told) or 'none'}")
            for site, one in sorted(self.sites.items()):
                sentence = _SENTENCES.get(one.verdict, "nothing to compare the ids of")
                say(
                    f"site {escaped(site)}: {sentence} ({one.agreeing} agree, {one.shifted + one.contradicting} do not)"
                )
        sys.stdout.flush()


def _as_data(one: ChatComparison, *, sent: bool) -> dict[str, Any]:
    return {
        "class": one.result,
        "sessionId": one.session_id,
        "sites": sorted(one.sites),
        "captured": one.captured,
        "stored": one.stored,
        "missing": one.missing,
        "sent": sent,
        "differences": dict(sorted(one.by_code.items())),
        "unexplained": [
            {"code": each.code, "eventId": each.event_id, "detail": each.detail} for each in one.unexplained
        ],
    }


def _of_site(one: IdAgreement) -> dict[str, Any]:
    return {
        "ids": one.verdict,
        "chats": one.chats,
        "agreeing": one.agreeing,
        "shifted": one.shifted,
        "contradicting": one.contradicting,
    }
