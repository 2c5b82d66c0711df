"""The entries of docs/runbook.md: for each alert what it means, three commands, what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from typing import Final

from tests.documentation.reference_pages import ROOT

RUNBOOK: Final = ROOT / "docs" / "runbook.md"
_ENTRY: Final = re.compile(r"^### (\w+)\n\n(.*?)\n\n```sh\n(.*?)\n```\n\n(.*?)(?=^##|\Z)", re.DOTALL | re.MULTILINE)
_HEADING: Final = re.compile(r"^### (.+)$", re.MULTILINE)
_NAME: Final = re.compile(r"\b(chatbridge|process)_([a-z_]*)(?:\(([a-z_|]+)\))?")


@dataclass(frozen=True)
class RunbookEntry:
    """One entry."""

    alert: str
    meaning: str
    commands: tuple[str, ...]
    steps: str


def headings() -> list[str]:
    return _HEADING.findall(RUNBOOK.read_text("utf-8"))


def entries() -> list[RunbookEntry]:
    return [
        RunbookEntry(alert, meaning, tuple(commands.splitlines()), steps)
        for alert, meaning, commands, steps in _ENTRY.findall(RUNBOOK.read_text("utf-8"))
    ]


def metrics_in_runbook() -> set[str]:
    """Return the names of metrics in the text and in the patterns of `grep`: `a_(b|c)` names two."""
    found = set()
    for pattern in re.findall(r"\^\(([^)]*)\)", RUNBOOK.read_text("utf-8")):
        found |= {name for name in pattern.split("|") if name.startswith(("chatbridge_", "process_"))}
    for space, stem, ends in _NAME.findall(RUNBOOK.read_text("utf-8")):
        found |= {f"{space}_{stem}{end}" for (end,) in product(ends.split("|"))}
    return {name for name in found if not name.endswith("_")}
